"""Rehearse a whole study on the simulated rig: mice that learn, day by day, ending in the figure a real study ends in.

examples:
  rig simulate --mice 8 --days 16 --light-days 15,16 --seed 1
  rig simulate --plan plan.yaml --trials 40 && rig plan check plan.yaml --data data/simulated-1
  rig simulate --mice 40 --days 14 --trials 60 --out data/cohort
  rig simulate --mice 8 --days 16 --dask tcp://cluster:8786     past this computer; the records are the same
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rig.archive import Archive, folder_below
from rig.archive.fill import FILE, sync
from rig.campaign import Job, Study, run_study
from rig.config.file import load_config
from rig.curves.learning import learning
from rig.doors.curve import print_curves
from rig.errors import ConfigError
from rig.figures.curve import draw_curves
from rig.plan.file import read_plan
from rig.record.entry import Entry
from rig.session.summary import Rules

FIGURE = "learning.png"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("--mice", type=int, help="how many animals (default: 8, or the plan's)")
    add("--days", type=int, help="sessions of each, one a day (default: 16, or the plan's)")
    add("--plan", type=Path, help="a light plan: its animals, its days, its light")
    add("--light-days", type=_days, default=(), metavar="15,16", help="days with light (default: none)")
    add("--seed", type=int, default=1, help="of all chance: the same seed, the same study (default: 1)")
    add(
        "--protocol", default=None, help="name or file of a protocol (default: cued_lever, with light its inactivation)"
    )
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a protocol parameter, e.g. drop=6ul")
    add("--minutes", type=float, help="length of a session (default: 30)")
    add("--trials", type=int, help="or: stop each session after so many trials")
    add("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
    add("--out", type=Path, help="folder of the study (default: simulated-SEED in the data folder)")
    add("--workers", type=int, help="processes at once (default: one a core)")
    add("--dask", metavar="ADDRESS", help="run on this Dask scheduler")
    add("--json", action="store_true", help="print one JSON object at the end, and nothing else")


def _days(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(part) for part in text.split(",") if part.strip()}))


def run(args: argparse.Namespace) -> int:
    """The command."""
    study = _study(args)
    config_place = Path(args.config).parent
    place = args.out or config_place / study.config.data / f"simulated-{study.seed}"
    _refuse_another_study(study, place)
    began_s = time.monotonic()
    with Archive(f"sqlite:///{_made(place) / FILE}") as archive:
        ran = _with_progress(args, study, place, archive)
        sync(archive, place)  # what an earlier, interrupted rehearsal of this study has left
        told = {
            "study": str(place),
            "sessions": len(study.jobs()),
            "ran": ran,
            "seconds": round(time.monotonic() - began_s, 1),
        }
        if args.json:
            print(json.dumps(told | archive.counts()))
            return 0
        groups = {"": learning(archive.sessions(), archive.found())}
    draw_curves(groups, place / FIGURE)
    print_curves(Console(), groups)
    print(f"{ran} sessions in {told['seconds']} s: {place}; drawn in {place / FIGURE}")
    return 0


def _made(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    return place


def _study(args: argparse.Namespace) -> Study:
    config = load_config(args.config)
    if args.minutes is not None and not args.minutes > 0:
        raise ConfigError(f"--minutes {args.minutes:g}: expected a number above 0")
    if args.trials is not None and args.trials < 1:
        raise ConfigError(f"--trials {args.trials}: expected a whole number above 0")
    rules = Rules(args.trials, args.minutes) if args.trials or args.minutes else Rules(minutes=30)
    plan = read_plan(args.plan) if args.plan else None
    if plan and args.light_days:
        raise ConfigError("--light-days: the plan says it: leave out one of them")
    study = Study(
        config,
        args.mice or (len(plan.animals) if plan else 8),
        args.days or (plan.days if plan else 16),
        args.seed,
        args.light_days,
        args.protocol,
        dict(_change(text) for text in args.set),
        rules,
        given=plan,
    )
    study.check()
    return study


def _change(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: expected NAME=VALUE, such as drop=6ul")
    return name.strip(), value.strip()


def _refuse_another_study(study: Study, place: Path) -> None:
    """A folder that holds another study's sessions would be added to, and the figure would show both."""
    said = json.dumps(study.plain(), sort_keys=True)
    mark = place / "study.json"
    if mark.exists() and mark.read_text(encoding="utf-8") != said:
        raise ConfigError(f"{place} holds another study: give --out another folder, or remove it")
    _made(place)
    mark.write_text(said, encoding="utf-8")


def _with_progress(args: argparse.Namespace, study: Study, place: Path, archive: Archive) -> int:
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("sessions"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=args.json, transient=True) as progress:
        bar = progress.add_task(f"{study.mice} mice, {study.days} days", total=len(study.jobs()))
        progress.update(bar, completed=sum((place / job.folder).exists() for job in study.jobs()))

        def done(job: Job, entry: Entry) -> None:
            archive.add(entry, folder_below(place / job.folder, place))
            progress.advance(bar)

        return run_study(study, place, workers=args.workers, dask=args.dask, done=done)
