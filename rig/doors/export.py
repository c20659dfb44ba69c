"""Sessions as NWB, Parquet or CSV, for other programs and for an archive such as DANDI.

examples:
  rig export data/M07/2026-03-02_1               one session as NWB, below the folder `export`
  rig export M07 M08 --format parquet            all sessions of two animals
  rig export --format csv --out study            everything in the data folder
  rig export M07 --about about.yaml              NWB with what a record cannot know: docs/record.md lists it
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rig.config.file import beside, load_config
from rig.doors.plan import names
from rig.errors import ConfigError, RecordError, did_you_mean
from rig.export import FORMATS, export_index, export_session
from rig.export.about import ABOUT, About, read_about
from rig.record.derived import entry_of
from rig.record.folder import journal_path, sessions


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("what", nargs="*", metavar="SESSION|SUBJECT", help="session folders or animals (default: every session)")
    add("--format", choices=FORMATS, default="nwb", help="default: nwb")
    add("--out", type=Path, default=Path("export"), metavar="FOLDER", help="default: export")
    add("--about", type=Path, metavar="FILE", help="lab, animals, opsin (default: about.yaml in the data folder)")
    add("--data", type=Path, help="folder of the records (default: config.yaml's)")
    add("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
    add("--workers", type=int, help="processes at once (default: one a core)")
    add("--json", action="store_true", help="print the files as one JSON object, and nothing else")


def run(args: argparse.Namespace) -> int:
    """The command."""
    data = args.data if args.data is not None else beside(args.config, load_config(args.config).data)
    if args.about is not None and not args.about.exists():
        raise ConfigError(f"--about {args.about}: no such file")
    about = read_about(args.about or data / ABOUT)
    folders = chosen(args.what, data)
    written = [path for paths in _export(args, folders, about) for path in paths]
    if args.format != "nwb":
        rows = [vars(entry_of(folder).session) for folder in folders]
        written.append(export_index(rows, args.out, args.format))
    if args.json:
        print(json.dumps({"sessions": len(folders), "files": [str(path) for path in written]}))
    else:
        print(f"{len(folders)} sessions, {len(written)} files below {args.out}")
    return 0


def chosen(what: list[str], data: Path) -> list[Path]:
    """The session folders that are meant. Raises RecordError for what is neither a session nor an animal."""
    if not what:
        return _some(sessions(data), f"{data}: no sessions here")
    found: list[Path] = []
    for text in what:
        if Path(text).exists():
            found.append(journal_path(Path(text)).parent)
            continue
        for name in names(text):
            known = sorted(path.name for path in data.glob("*") if path.is_dir())
            found += _some(sessions(data, name), f"{name}: no such session or animal{did_you_mean(name, known)}")
    return list(dict.fromkeys(found))


def _some(found: list[Path], otherwise: str) -> list[Path]:
    if not found:
        raise RecordError(otherwise)
    return found


def _export(args: argparse.Namespace, folders: list[Path], about: About) -> list[list[Path]]:
    export = partial(export_session, out=args.out, form=args.format, about=about)
    workers = args.workers or os.cpu_count() or 1
    if len(folders) < 3 or workers == 1:
        return [export(folder) for folder in folders]
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        return list(pool.map(export, folders))
