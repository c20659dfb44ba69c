"""Print a session's events, one a line, as CSV or JSON lines.

examples:
  rig events data/M07/2026-03-02_1 > events.csv
  rig events data/M07/2026-03-02_1 --format jsonl --only state,rule
  rig events data/M07/2026-03-02_1 --only rule,output --frames     file, frame and fraction of a frame of each event
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

from rig import wire
from rig.clock import Unwrapper
from rig.config import from_plain
from rig.errors import ConfigError, did_you_mean
from rig.events import Kind
from rig.imaging.frames import FrameWatch, Place
from rig.imaging.watch import watch_of
from rig.record.folder import events_of, manifest_of, read_entries
from rig.record.journal import Record

COLUMNS = ("number", "board_us", "host_ns", "event", "fields")
_KNOWN = [message.name for message in wire.MESSAGES if message.kind is wire.Kind.EVENT]


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    parser.add_argument("session", type=Path, help="a session folder, or its journal")
    parser.add_argument("--format", choices=("csv", "jsonl"), default="csv", help="default: csv")
    parser.add_argument("--only", metavar="EVENTS", help="only these, e.g. state,rule")
    parser.add_argument(
        "--frames",
        action="store_true",
        help="with the microscope's frame that each lies in: file, frame of that file, frame of all (from 1), fraction",
    )


def run(args: argparse.Namespace) -> int:
    """The command."""
    only = set(args.only.split(",")) if args.only else None
    for name in only or ():
        if name not in _KNOWN:
            raise ConfigError(f"--only {name}: no such event{did_you_mean(name, _KNOWN)}")
    entries, damage = read_entries(args.session)
    for one in damage:
        print(f"{one} (left out)", file=sys.stderr)
    watch = _frames(entries) if args.frames else None
    chosen = (event for event in events_of(entries) if only is None or event.name in only)
    if args.format == "jsonl":
        for event in chosen:
            number, board_us, host_ns, name, fields = event
            row = {"number": number, "board_us": board_us, "host_ns": host_ns, "event": name, **fields}
            print(json.dumps(row | (_place(watch, board_us) if watch else {})))
        return 0
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*COLUMNS, *(Place._fields if watch else ())))
    for event in chosen:
        words = ";".join(f"{key}={_word(value)}" for key, value in event.fields.items())
        place = _place(watch, event.board_us).values() if watch else ()
        writer.writerow((event.number, event.board_us, event.host_ns, event.name, words, *place))
    return 0


def _frames(entries: list[Record]) -> FrameWatch:
    """The session's frames, from its events."""
    config = from_plain(manifest_of(entries)["config"], "the record's config")
    unwrap = Unwrapper()
    stamped = (
        (unwrap.unwrap(wire.EVENT_HEADER.unpack_from(entry.payload)[2]), entry.payload)
        for entry in entries
        if entry.kind == Kind.EVENT
    )
    return watch_of(config, stamped)


def _place(watch: FrameWatch, board_us: int) -> dict[str, object]:
    place = watch.place(board_us)
    if place is None:
        return dict.fromkeys(Place._fields, None)
    return {**place._asdict(), "fraction": round(place.fraction, 6)}


def _word(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
