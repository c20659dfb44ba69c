"""List the serial ports of this computer.

example:
  rig ports
"""

from __future__ import annotations

import argparse
import json

from rig.link import ports


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def run(args: argparse.Namespace) -> int:
    """The command."""
    found = ports()
    if args.json:
        print(json.dumps([{"port": name, "description": what} for name, what in found]))
    else:
        print("\n".join(f"{name:<20} {what}" for name, what in found) or "no serial port")
    return 0
