"""Learning curves of some animals, or of all: in the terminal, or as the figure for the wall.

examples:
  rig curve                                      every animal in the archive
  rig curve M01..M08 --out curve.png             PNG, SVG or PDF by the ending; .csv for the numbers
  rig curve --group opsin=M01,M03 --group control=M02,M04 --out groups.svg
  rig curve --group                              groups as in the plan that config.yaml names
  rig curve --data data/simulated-1 --json
  rig curve --statistics                         what light does, paired; the mixed model of each curve
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rig.archive import Archive, folder_below
from rig.archive.fill import FILE, open_archive
from rig.config import Config
from rig.config.file import beside, load_config
from rig.curves.learning import Learning, learning
from rig.curves.text import (
    CSV_HEADER,
    EFFECTS,
    curve_rows,
    light_cells,
    mean_sem,
    plain_curves,
    sparkline,
    trend_cells,
)
from rig.doors.plan import names
from rig.errors import ConfigError, RecordError, did_you_mean
from rig.plan.file import key_path, read_key, read_plan
from rig.record.folder import sessions as folders

SHOWN = (
    ("success", "success, %", 100.0, 0),
    ("reaction_first_s", "cue to first move, s", 1.0, 2),
    ("cue_to_movement_s", "cue to rewarded move, s", 1.0, 2),
    ("cue_to_reward_s", "cue to reward, s", 1.0, 2),
    ("movement_to_reward_s", "movement to reward, s", 1.0, 2),
    ("within_r", "trajectory correlation, r", 1.0, 2),
    ("n_trials", "trials", 1.0, 0),
)
FIGURES = (".png", ".svg", ".pdf")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be said on the command line."""
    add = parser.add_argument
    add("subjects", nargs="*", metavar="SUBJECT", help="animals, e.g. M01 M02 or M01..M08 (default: all)")
    add("--group", action="append", nargs="?", const="", metavar="NAME=M01,M02", help="alone: the plan's groups")
    add("--unblind", action="store_true", help="open the groups of a blind plan with its key")
    add("--out", type=Path, action="append", default=[], metavar="FILE", help="write .png, .svg, .pdf or .csv")
    add("--config", default="config.yaml", help="this rig's file (default: config.yaml)")
    add("--data", type=Path, help="a folder of records with its own archive, e.g. of a simulated study")
    add("--statistics", action="store_true", help="also: what light does, paired, and the mixed model of each curve")
    add("--json", action="store_true", help="print everything as one JSON object, and nothing else")


def run(args: argparse.Namespace) -> int:
    """The command."""
    for path in args.out:
        if path.suffix.lower() not in (*FIGURES, ".csv"):
            raise ConfigError(f"--out {path}: write to .png, .svg, .pdf or .csv")
    config = load_config(args.config) if args.data is None or args.group == [""] else None
    subjects = [name for text in args.subjects for name in names(text)]
    drawn = args.json or any(path.suffix.lower() in FIGURES for path in args.out)
    with _archive(args, config) as archive:
        rows = archive.sessions(subjects)
        _say_missing(args, config, archive)
        _refuse_unknown(subjects, {row["subject"] for row in rows}, archive)
        groups = _grouped(args, config, learning(rows, archive.found(subjects, pushes=drawn)))
    for path in args.out:
        _write(path, groups)
    if args.json:
        said = {name or "all": plain_curves(curves, statistics=args.statistics) for name, curves in groups.items()}
        print(json.dumps(said))
        return 0
    print_curves(Console(), groups)
    if args.statistics:
        print_statistics(Console(), groups)
    return 0


def _archive(args: argparse.Namespace, config: Config | None) -> Archive:
    if config is None or args.data is not None:
        path = args.data / FILE
        if not path.exists():
            raise RecordError(f"{path}: no archive here: run `rig archive sync --data {args.data}`")
        return Archive(f"sqlite:///{path}")
    archive = open_archive(config, args.config)
    if archive is None:
        raise ConfigError(f"{args.config}: archive: none: there is nothing to draw from; set it to auto")
    return archive


def _say_missing(args: argparse.Namespace, config: Config | None, archive: Archive) -> None:
    """Sessions that lie on this disk and not in the archive would be missed by nobody else."""
    data = args.data if args.data is not None or config is None else beside(args.config, config.data)
    held = {row["folder"] for row in archive.known().values()}
    n = sum(folder_below(folder, data) not in held for folder in folders(data))
    if n:
        print(f"note: {n} sessions in {data} are not archived yet: run `rig archive sync`", file=sys.stderr)


def _refuse_unknown(asked: Sequence[str], found: set[str], archive: Archive) -> None:
    for name in asked:
        if name not in found:
            raise RecordError(f"{name} is not in the archive{did_you_mean(name, archive.subjects())}")


def _grouped(args: argparse.Namespace, config: Config | None, curves: Learning) -> dict[str, Learning]:
    if not args.group:
        return {"": curves}
    wanted = _groups_of_plan(args, config) if args.group == [""] else dict(_group(text) for text in args.group)
    groups = {name: [mouse for mouse in mice if mouse in curves.mice] for name, mice in wanted.items()}
    if not any(groups.values()):
        raise ConfigError("--group: none of these animals is in the archive")
    return {name: curves.only(mice) for name, mice in groups.items() if mice}


def _group(text: str) -> tuple[str, tuple[str, ...]]:
    name, equals, members = text.partition("=")
    if not (name and equals and members):
        raise ConfigError(f"--group {text}: write it as opsin=M01,M02; alone, --group takes the plan's groups")
    return name, names(members)


def _groups_of_plan(args: argparse.Namespace, config: Config | None) -> Mapping[str, Sequence[str]]:
    if config is None or config.plan is None:
        raise ConfigError(f"{args.config}: plan: none: name the groups, such as --group opsin=M01,M02")
    path = beside(args.config, config.plan)
    plan = read_plan(path)
    key = read_key(key_path(path)).groups if plan.blind and args.unblind else {}
    groups: dict[str, list[str]] = {}
    for name, animal in plan.animals.items():
        groups.setdefault(key.get(name, "blind" if plan.blind else animal.group), []).append(name)
    return groups


def _write(path: Path, groups: Mapping[str, Learning]) -> None:
    if path.suffix.lower() != ".csv":
        from rig.figures.curve import draw_curves  # noqa: PLC0415 (drawing takes a second to load)

        draw_curves(groups, path)
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(CSV_HEADER)
            writer.writerows(curve_rows(groups))
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror}") from None


def print_statistics(console: Console, groups: Mapping[str, Learning]) -> None:
    """What light does, and the mixed model of each curve: one table of each a group."""
    for name, curves in groups.items():
        prefix = f"{name}: " if name else ""
        if curves.light.any():
            table = Table("", "n", "on - off", "95 % CI", "p (t)", "p (Wilcoxon)", "d_z")
            table.title = f"{prefix}light on less light off, paired within days, one pair a mouse"
            for measure in EFFECTS:
                table.add_row(measure, *light_cells(curves, measure))
            console.print(table)
        table = Table("", "mice", "a day", "SE", "p", "", title=f"{prefix}measure ~ day + (day | mouse), without light")
        for measure in EFFECTS:
            table.add_row(measure, *trend_cells(curves, measure))
        console.print(table)


def print_curves(console: Console, groups: Mapping[str, Learning]) -> None:
    """The compact form for the terminal: a table a group."""
    for name, curves in groups.items():
        days = curves.days
        light = f", light on day {', '.join(map(str, curves.light_days))}" if curves.light_days else ""
        title = f"{name + ': ' if name else ''}{len(curves.mice)} mice, {len(days)} days{light}; mean ± SEM"
        picked = sorted({0, len(days) // 2, len(days) - 1})
        table = Table("", title=title, box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
        table.add_column(f"day {days[0]} to {days[-1]}", no_wrap=True, min_width=len(days))
        for j in picked:
            table.add_column(f"day {days[j]}", justify="right")
        for measure, label, scale, digits in SHOWN:
            for which in ("off", "on") if curves.light_days else ("all",):  # without light, light days are as others
                group = curves.group(measure, which)
                cells = [mean_sem(scale * group.mean[j], scale * group.sem[j], digits) for j in picked]
                line = "  light on" if which == "on" else label
                table.add_row(line, sparkline(group.mean), *cells, style="dim" if which == "on" else "")
        console.print(table)
