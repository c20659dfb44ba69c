"""Check that a record is whole, and re-execute every decision with the trial machine.

examples:
  rig verify data/M07/2026-03-02_1
  rig verify data/M07/*            several at once; exit code 1 if any is not right
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
from collections.abc import Iterator
from pathlib import Path

from rig.record.folder import read_whole
from rig.record.verify import Report, verify_journal


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("sessions", nargs="+", type=Path, help="session folders, or their journals")
    parser.add_argument("--json", action="store_true", help="one JSON object for each session")


def check(session: Path) -> Report:
    """Verify one session folder, the protocol's copy included."""
    report = verify_journal(read_whole(session))
    copy = session / "protocol.py" if session.is_dir() else session.parent / "protocol.py"
    if report.manifest and copy.exists() and copy.read_text(encoding="utf-8") != report.manifest["protocol"]["source"]:
        report.faults.append(f"{copy}: the protocol's copy was altered; the journal holds the one that ran")
    return report


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """A record is hundreds of thousands of objects in no cycles: to look through them for garbage takes a third."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def run(args: argparse.Namespace) -> int:
    """The command."""
    bad = 0
    for session in args.sessions:
        with _uncollected():
            report = check(session)
        bad += not report.good
        if args.json:
            plain = {"session": str(session), "good": report.good, "events": report.events, "seal": report.seal}
            print(
                json.dumps({**plain, "decisions": report.decisions, "faults": report.faults, "remarks": report.remarks})
            )
            continue
        for remark in report.remarks:
            print(f"{session}: {remark}")
        for fault in report.faults:
            print(f"{session}: NOT RIGHT: {fault}")
        if report.good:
            print(f"{session}: right: {report.events} events, {report.decisions} re-executed without a difference")
            if report.seal:
                print(f"{session}: seal {report.seal}")
    return 1 if bad else 0
