"""Print a session's events, one a line, as CSV or JSON lines.

examples:
  rig events data/M07/2026-03-02_1 > events.csv
  rig events data/M07/2026-03-02_1 --format jsonl --only state,rule
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

from rig import wire
from rig.errors import ConfigError, did_you_mean
from rig.record import events_of, read_entries

COLUMNS = ("number", "board_us", "host_ns", "event", "fields")
_KNOWN = [message.name for message in wire.MESSAGES if message.kind is wire.Kind.EVENT]


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("session", type=Path, help="a session folder, or its journal")
    parser.add_argument("--format", choices=("csv", "jsonl"), default="csv", help="default: csv")
    parser.add_argument("--only", metavar="EVENTS", help="only these, e.g. state,rule")


def run(args: argparse.Namespace) -> int:
    """The command."""
    only = set(args.only.split(",")) if args.only else None
    for name in only or ():
        if name not in _KNOWN:
            raise ConfigError(f"--only {name}: no such event{did_you_mean(name, _KNOWN)}")
    entries, damage = read_entries(args.session)
    for one in damage:
        print(f"{one} (left out)", file=sys.stderr)
    chosen = (event for event in events_of(entries) if only is None or event.name in only)
    if args.format == "jsonl":
        for event in chosen:
            number, board_us, host_ns, name, fields = event
            print(json.dumps({"number": number, "board_us": board_us, "host_ns": host_ns, "event": name, **fields}))
        return 0
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in chosen:
        words = ";".join(f"{key}={_word(value)}" for key, value in event.fields.items())
        writer.writerow((event.number, event.board_us, event.host_ns, event.name, words))
    return 0


def _word(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
