"""Listen to a rig from another computer: a copy of each session as it happens, with a proof that nothing is missing.

Below DIR each session gets a folder with its journal, events.csv (with the time on this computer's clock) and
proof.json. Start it before, during or after a session, stop it, start it again: it fetches what it lacks. A session
ends with "N of N events, 0 missing, 0 double": the copy, read again from the disk, against what the rig has. It needs
Python, pyzmq, msgspec and numpy, and nothing else.

examples:
  rig listen tcp://127.0.0.1:5555 --out copies
  rig listen tcp://rig:5555 --out copies --keys keys      beyond one computer: see `rig keys`
  rig listen tcp://rig:5555 --out copies --lsl            and give it on as Lab Streaming Layer streams
  rig listen tcp://rig:5555 --out copies --once           until one session has ended; exit code 0 if it is whole
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from rig.stream.copy import Proof
from rig.stream.listen import Listener
from rig.stream.lsl import Outlets

SAY_S = 10.0  # where the output is no terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("address", help="the rig's stream, tcp://host:port (`stream` in its config.yaml)")
    add("--out", type=Path, required=True, metavar="DIR", help="where the copies go")
    add("--keys", type=Path, metavar="DIR", help="folder with this computer's secret key and rig.key")
    add("--once", action="store_true", help="end with the first session that ends")
    add("--lsl", action="store_true", help="also as LSL streams rig-events and rig-lever (pip install 'rig[lsl]')")
    add("--json", action="store_true", help="print JSON lines: the status each second, and each proof")


def run(args: argparse.Namespace) -> int:
    """The command."""
    proofs: list[Proof] = []

    def done(proof: Proof) -> None:
        proofs.append(proof)
        _line(json.dumps({"proof": asdict(proof), "good": proof.good}) if args.json else str(proof))

    heard = Outlets().take if args.lsl else None
    listener = Listener(args.address, args.out, args.keys, done, heard)
    say_s = 0.0
    try:
        while not (args.once and proofs):
            listener.turn()
            if time.monotonic() >= say_s:
                say_s = time.monotonic() + _say(listener, as_json=args.json)
    except KeyboardInterrupt:
        proof = listener.prove()
        if proof is not None:
            _line(str(proof))
            return 1
    finally:
        listener.close()
    return 0 if all(proof.good for proof in proofs) else 1


def _say(listener: Listener, *, as_json: bool) -> float:
    """Show how it goes; returns when to do so again, s."""
    if as_json:
        _line(json.dumps(asdict(listener.status)))
        return 1.0
    if sys.stderr.isatty():
        print(f"\r\x1b[K{listener.status}", end="", file=sys.stderr, flush=True)
        return 0.5
    print(listener.status, file=sys.stderr, flush=True)
    return SAY_S


def _line(text: str) -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print(text, flush=True)
