"""The archive: an index of all sessions, made from their journals. Sessions go in by themselves; this is for the rest.

examples:
  rig archive                                    what it holds, and what lies on this disk and is not in it yet
  rig archive sync                               bring in what is missing: from a rig that was offline, or a copied disk
  rig archive rebuild                            make every row of this data folder anew from its journal
  rig archive rebuild --measure                  the measures as well, not only the index
  rig archive sync --data data/simulated-1       a folder of records with its own archive
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from rig.archive import Archive, folder_below
from rig.archive.fill import FILE, Synced, call_workers, clashes, open_archive, rebuild, sync
from rig.config.file import beside, load_config
from rig.errors import ConfigError, RecordError
from rig.record.folder import sessions

Told = Callable[[int, int], None]


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("act", nargs="?", choices=("show", "sync", "rebuild"), default="show", help="default: show")
    add("--data", type=Path, metavar="FOLDER", help="a folder of records with its own archive, not the one in --config")
    add("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
    add("--measure", action="store_true", help="rebuild: forget the measures beside the journals and make them anew")
    add("--forget-gone", action="store_true", help="sync: take out sessions whose folder was here and is gone")
    add("--workers", type=int, help="processes at once (default: one a core)")
    add("--json", action="store_true", help="print one JSON object, and nothing else")


def run(args: argparse.Namespace) -> int:
    """The command."""
    if args.act != "show" and args.workers != 1:
        call_workers()
    with opened(args.data, args.config) as (archive, data):
        if args.act == "show":
            return _show(args, archive, data)
        began_s = time.monotonic()
        with _progress(args) as told:
            if args.act == "sync":
                done = sync(archive, data, workers=args.workers, told=told)
            else:
                done = rebuild(archive, data, workers=args.workers, anew=args.measure, told=told)
        if args.forget_gone:
            archive.forget([row["uid"] for row in archive.known().values() if row["folder"] in done.gone])
        return _say(args, archive, done, time.monotonic() - began_s)


@contextmanager
def opened(data: Path | None, config_path: str) -> Iterator[tuple[Archive, Path]]:
    """The archive of this rig, or of a folder with its own, and the data folder that goes with it."""
    if data is not None:
        if not data.is_dir():
            raise RecordError(f"{data}: no such folder")
        with Archive(f"sqlite:///{data / FILE}") as archive:
            yield archive, data
        return
    config = load_config(config_path)
    archive_or_none = open_archive(config, config_path)
    if archive_or_none is None:
        raise ConfigError(f"{config_path}: archive: none: there is no archive; set it to auto")
    with archive_or_none as archive:
        yield archive, beside(config_path, config.data)


def _show(args: argparse.Namespace, archive: Archive, data: Path) -> int:
    known = archive.known().values()
    held = {row["folder"] for row in known}
    named = clashes(archive.sessions())
    found = {
        "archive": make_url(archive.url).render_as_string(hide_password=True),
        **archive.counts(),
        "not_measured": sum(bool(row["why"]) for row in known),
        "missing": sum(folder_below(folder, data) not in held for folder in sessions(data)),
        "clashes": named,
    }
    if args.json:
        print(json.dumps(found))
        return 0
    print(found["archive"])
    print(f"{found['subjects']} animals, {found['sessions']} sessions, {found['trials']} trials")
    if found["not_measured"]:
        print(f"{found['not_measured']} sessions have no measures (no cue, or no lever on record)")
    if found["missing"]:
        print(f"{found['missing']} sessions in {data} are not in it yet: run `rig archive sync`")
    for line in named:
        print(f"note: {line}")
    return 0


def _say(args: argparse.Namespace, archive: Archive, done: Synced, seconds: float) -> int:
    if args.json:
        print(json.dumps({**vars(done), **archive.counts(), "seconds": round(seconds, 2)}))
        return 1 if done.failed else 0
    n, trials = done.new + done.grown, archive.counts()["trials"]
    print(f"{n} sessions archived in {seconds:.1f} s, {done.known} were there already; {trials} trials in all")
    for name in done.copies:
        print(f"note: {name} is a copy of a session that is archived from elsewhere")
    for name in done.damaged:
        print(f"note: {name}: its journal is damaged; what is whole is archived: run `rig verify` on it")
    if done.gone:
        print(f"note: {len(done.gone)} archived sessions are not in this data folder (another rig's, or gone)")
    for line in done.failed:
        print(f"rig: {line}", file=sys.stderr)
    return 1 if done.failed else 0


@contextmanager
def _progress(args: argparse.Namespace) -> Iterator[Told | None]:
    if args.json:
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("sessions", total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
