"""Who gets light when, decided before the study: make the light plan, show it, hold the records against it.

Nothing printed here tells a group of a blind plan unless --unblind asks for it.

examples:
  rig plan make --help
  rig plan show plan.yaml
  rig plan check plan.yaml --data data
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console

from rig.errors import ConfigError
from rig.light.obeyed import obeyed
from rig.plan import Calendar, Light, Plan, plan_data
from rig.plan.calendar import calendar
from rig.plan.draw import SEED_BITS
from rig.plan.file import key_path, read_key, read_plan, write_plan
from rig.plan.make import PlanSpec, balance, make_plan, plan_key, unblind
from rig.plan.source import parse_date, parse_share
from rig.plan.today import describe

MAKE_EXAMPLE = """example:
  rig plan make --mice M01..M16 --group opsin=8 --group control=8 --days 16 --light-days 15,16 \\
      --fraction 0.25 --first 10 --max-run 3 --start 2025-03-03 --skip sat,sun --blind
"""
SHOW_EXAMPLE = """examples:
  rig plan show                      the calendar of ./plan.yaml
  rig plan show --subject M07        one animal in words
  rig plan show --unblind            with the groups, from plan.key.yaml
"""

CHECK_EXAMPLE = """example:
  rig plan check plan.yaml --data data      exit code 1 where a trial's light was not the plan's
"""


def arguments(parser: argparse.ArgumentParser, today: Callable[[], date] = date.today) -> None:
    """Gives ``make``, ``show`` and ``check`` to the parser of ``rig plan``."""
    commands = parser.add_subparsers(dest="plan_command", required=True)
    _register_make(commands)
    show = _command(commands, "show", "draw the plan as a calendar", SHOW_EXAMPLE)
    show.add_argument("--subject", metavar="M07", help="this animal alone, in words")
    show.add_argument("--unblind", action="store_true", help="open the groups with the key")
    show.add_argument("--key", type=Path, help="the key file (default: beside the plan)")
    show.set_defaults(run=lambda args: _show(args, today()))
    check = _command(commands, "check", "was it obeyed? every trial, by the laser's read-back", CHECK_EXAMPLE)
    check.add_argument("--data", type=Path, default=Path("data"), help="folder of the records (default: data)")
    check.set_defaults(run=_check)


def run(args: argparse.Namespace) -> int:
    """What the arguments ask for; returns the exit code. Raises ConfigError."""
    code: int = args.run(args)
    return code


def _command(commands: Any, name: str, text: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", type=Path, default=Path("plan.yaml"), help="plan.yaml")
    parser.add_argument("--json", action="store_true", help="for a program to read")
    return parser


def _register_make(commands: Any) -> None:
    make = _command(commands, "make", "draw a balanced plan from a seed", MAKE_EXAMPLE)
    add = make.add_argument
    add("--study", default="study", help="its name")
    add("--mice", default="", metavar="M01..M16", help="animals, as a range or with commas")
    add("--group", action="append", required=True, metavar="opsin=8",
        help="a group and its size, drawn by chance, or its animals (opsin=M01..M08)")  # fmt: skip
    add("--days", type=int, default=16, help="sessions of each animal (16)")
    add("--light-days", default="15,16", metavar="15,16", help="the expert days with light")
    add("--windows", default="clear,blocked", help="counterbalanced; none: no window is used")
    add("--fraction", default="0.25", help="of trials with light: 0.25, 1/3")
    add("--block", type=int, default=20, help="trials within which the fraction is exact (20)")
    add("--first", type=int, default=10, help="first trials of a day without light (10)")
    add("--max-run", default="3", help="most light trials in a row (3); none: no limit")
    add("--masking-light", action=argparse.BooleanOptionalAction, default=True,
        help="masking light on every trial (yes)")  # fmt: skip
    add("--start", metavar="2025-03-03", help="date of day 1; without it days just count")
    add("--skip", default="", metavar="sat,sun", help="weekdays and dates without sessions")
    add("--offset", action="append", default=[], metavar="M09=7", help="this animal starts later")
    add("--seed", type=int, help="the same seed makes the same plan (default: drawn)")
    add("--blind", action="store_true", help="groups as codes, with the key in plan.key.yaml")
    add("--force", action="store_true", help="replace files that exist")
    make.set_defaults(run=_make)


def _make(args: argparse.Namespace) -> int:
    spec = _spec(args)
    seed = secrets.randbits(SEED_BITS) if args.seed is None else args.seed
    plan = make_plan(spec, seed)
    key = plan_key(spec, seed) if plan.blind else None
    files = write_plan(plan, args.file, key, args.force)
    if args.json:
        print(json.dumps({"files": [str(path) for path in files], "digest": plan.digest}))
        return 0
    shown = "" if plan.blind else f", seed {seed}"
    print(f"{args.file}: {len(plan.animals)} animals, {plan.days} days{shown}")
    print("\n".join(balance(plan)))
    if plan.blind:
        print(f"{key_path(args.file)}: opens the groups; keep it away from whoever runs them")
    return 0


def _spec(args: argparse.Namespace) -> PlanSpec:
    groups = {name: _members(value) for name, value in map(_pair, args.group)}
    listed = [name for members in groups.values() if isinstance(members, tuple) for name in members]
    share = parse_share(args.fraction)
    if share is None:
        raise ConfigError(f"--fraction {args.fraction}: give a fraction such as 0.25 or 1/3")
    windows = () if args.windows == "none" else tuple(args.windows.split(","))
    max_run = None if args.max_run == "none" else _whole("--max-run", args.max_run)
    return PlanSpec(
        subjects=names(args.mice) if args.mice else tuple(listed),
        groups=groups,
        study=args.study,
        days=args.days,
        light_days=tuple(_whole("--light-days", day) for day in names(args.light_days)),
        windows=windows,
        rules=Light(None, share, args.block, args.first, max_run),
        masking_light=args.masking_light,
        blind=args.blind,
        calendar=_calendar(args),
        offset_days={k: _whole("--offset", v) for k, v in map(_pair, args.offset)},
    )


def _calendar(args: argparse.Namespace) -> Calendar | None:
    if args.start is None:
        if args.skip or args.offset:
            raise ConfigError("--skip and --offset need a date to count from: give --start")
        return None
    words = [word for word in args.skip.split(",") if word]
    dates = [word for word in words if word[0].isdigit()]
    return Calendar(
        start=_date("--start", args.start),
        skip_weekdays=tuple(word for word in words if word not in dates),
        skip_dates=tuple(_date("--skip", word) for word in dates),
    )


def names(text: str) -> tuple[str, ...]:
    """``M01..M03,M07`` as M01, M02, M03, M07. Raises ConfigError for a range that runs back."""
    found: list[str] = []
    for part in filter(None, text.split(",")):
        ends = re.fullmatch(r"(.*?)(\d{1,6})\.\.(.*?)(\d{1,6})", part)
        if ends is None:
            found.append(part)
            continue
        stem, first, last = ends[1], int(ends[2]), int(ends[4])
        if ends[3] not in (stem, "") or not first <= last < first + 1000:
            raise ConfigError(f"{part}: a range is written M01..M16, smallest first")
        found += [f"{stem}{n:0{len(ends[2])}}" for n in range(first, last + 1)]
    return tuple(found)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ConfigError(f"{text}: write it as name=value")
    return name, value


def _members(text: str) -> int | tuple[str, ...]:
    return int(text) if re.fullmatch(r"\d{1,4}", text) else names(text)


def _whole(option: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text):
        raise ConfigError(f"{option} {text}: give a whole number")
    return int(text)


def _date(option: str, text: str) -> date:
    found = parse_date(text)
    if found is None:
        raise ConfigError(f"{option} {text}: give a date such as 2025-03-31")
    return found


def _check(args: argparse.Namespace) -> int:
    found = obeyed(read_plan(args.file), args.data)
    if args.json:
        print(json.dumps({**asdict(found), "good": found.good}))
    else:
        print("\n".join(found.lines()))
    return 0 if found.good else 1


def _show(args: argparse.Namespace, today: date) -> int:
    plan = read_plan(args.file)
    digest = plan.digest  # of the file, not of the plan as it is once its groups are opened
    if args.subject:
        return _show_subject(plan, args.subject, today, args.json)
    if args.unblind and plan.blind:
        plan = unblind(plan, read_key(args.key or key_path(args.file)))
    if args.json:
        print(json.dumps({**plan_data(plan), "digest": digest}))
        return 0
    console = Console(highlight=False)
    console.print(calendar(plan, today, console.width, digest))
    return 0


def _show_subject(plan: Plan, subject: str, today: date, as_json: bool) -> int:
    animal = plan.animal(subject)
    if as_json:
        rows = [plan.row(subject, day).data() for day in range(1, plan.days + 1)]
        print(json.dumps(rows))
        return 0
    dates = plan.dates(subject) if plan.calendar else ()
    for day in sorted(animal.light):
        print(describe(plan.row(subject, day)) + (f" ({dates[day - 1]})" if dates else ""))
    if dates:
        now = plan.day_of(subject, today)
        print(f"today, {today}: " + (describe(plan.row(subject, now)) if now else "no session"))
    return 0
