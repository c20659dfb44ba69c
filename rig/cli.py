"""The door: ``rig COMMAND``. Errors are one line, exit code 1; a traceback is a fault of the program.

Each command stands in :mod:`rig.doors` and is imported only when it is called, so that ``rig --help`` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from rig.errors import RigError

COMMANDS = {
    "run": "run a session",
    "simulate": "rehearse a whole study: mice that learn, day by day",
    "archive": "the index of all sessions: what it holds; sync, rebuild",
    "curve": "learning curves of animals or groups: terminal, figure, CSV, JSON",
    "subject": "an animal's page, and its ledger of weight and water",
    "show": "show a session: how it went, trial by trial",
    "events": "print a session's events as CSV or JSON lines",
    "export": "sessions as NWB, Parquet or CSV",
    "verify": "check that a record is whole and re-execute every decision",
    "replay": "feed a recorded encoder trace to a lever rule",
    "sound": "try the sounds, and calibrate how loud they are",
    "calibrate": "valve by weighing, laser by a power meter, lever by its rest",
    "draw": "draw a protocol as Mermaid or SVG",
    "ports": "list serial ports",
    "flash": "write the firmware onto a board, and see that it answers",
    "check": "test a connected board: clock, link, round trips, outputs, interlock",
    "plan": "who gets light when: make or show it",
    "listen": "copy a rig's sessions to this computer while they happen",
    "serve": "answer listeners between sessions",
    "keys": "keys for a stream beyond this computer",
    "schema": "print the JSON Schema of config.yaml, for editors",
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="rig",
        description="Rig controller for head-fixed motor-learning experiments.",
        epilog="commands:\n" + "\n".join(f"  {name:<10}{what}" for name, what in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below; each has --help")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments[:1] or ["--help"])
    door = importlib.import_module(f"rig.doors.{chosen.command}")
    own = argparse.ArgumentParser(
        prog=f"rig {chosen.command}",
        description=door.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    door.arguments(own)
    words = getattr(door, "attach_bounds", list)(arguments[1:])
    try:
        return int(door.run(own.parse_args(words)) or 0)
    except RigError as error:
        print(f"rig: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `rig events … | head` is no error
        sys.stderr.close()
        return 0


if __name__ == "__main__":
    sys.exit(main())
