"""Forty simulated mice over fourteen days, beside forty that were published: writes docs/cohort.md.

    python bench/cohort.py --data FOLDER [--trials 40] [--days 1,7,14] [--out docs/cohort.md]

The sessions of these days are run first where FOLDER lacks them (all 14 days: 560; what was interrupted goes on). The
page depends on the seed and on the program, and on nothing else. No microscope: it does not touch what a mouse does,
and takes its time.
"""

from __future__ import annotations

import argparse
import csv
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from rig.archive import Archive
from rig.archive.fill import FILE, sync
from rig.campaign import START, Job, Study, run_job
from rig.config import from_plain
from rig.config.file import load_config
from rig.curves.learning import Learning, learning
from rig.curves.stats import GroupCurve
from rig.session.summary import Rules

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "bench" / "ren2022.csv"
MICE, DAYS, SEED = 40, 14, 1
JUDGED = {
    "success": "success",
    "reaction_first_s": "reaction time, first movement, s",
    "cue_to_reward_s": "cue to reward, s",
    "movement_to_reward_s": "movement onset to reward, s",
    "within_r": "within-session r (2 s)",
}
STATED = {"cue_to_movement_s": "cue to rewarded movement, s", "duration_s": "duration of the rewarded movement, s"}
Published = dict[tuple[str, int], tuple[float, float]]

HEAD = """# A simulated cohort beside a published one

Made by `{command}`: the mice of `rig simulate --mice {mice} --days {days} --trials {trials} --seed {seed}`.

Published: 40 mice, session by session, mean ± SEM over mice, computed from the data of Ren et al. 2022
(github.com/CRen2333/InhibitoryNeuron_LeverPress). Definitions are those of `rig/curves` ([record.md](record.md)), the
same for both. Every figure of the simulated mice went the whole way: paw, lever, trial machine, journal, measures,
archive. `z` is how far their mean lies from the published one, in published SEMs; **bold** where that is more than 2.

The quantities of `rig/mouse/animal.py` were fitted by hand to the odd sessions (1, 7 and 13 above all). The even ones
were not looked at for that.
"""


def read_published() -> Published:
    """Mean and SEM by measure and session."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {(row["measure"], int(row["session"])): (float(row["mean"]), float(row["sem"])) for row in rows}


def jobs(trials: int, days: list[int]) -> list[Job]:
    """The sessions of these days, in the order of the days as given."""
    plain = load_config(ROOT / "config.yaml").plain()
    for section, name, value in (
        ("imaging", "frame_hz", None),
        ("simulator", "frame_hz", None),
    ):
        plain[section][name] = value
    study = Study(from_plain(plain), MICE, DAYS, SEED, rules=Rules(trials=trials))
    return [Job(study, number, day) for day in days for number in range(1, MICE + 1)]


def cohort(place: Path, trials: int, days: list[int], workers: int | None) -> Learning:
    """The curves of these days; their sessions are run where they are not there."""
    todo = [job for job in jobs(trials, days) if not (place / job.folder).exists()]
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        for _ in pool.map(partial(run_job, place=place), todo):
            pass
    with Archive(f"sqlite:///{place / FILE}") as archive:
        sync(archive, place)
        rows = [{**row, "day": days_of(row["date"])} for row in archive.sessions()]
        return learning([row for row in rows if row["day"] in days], archive.found(pushes=False))


def days_of(day: str) -> int:
    """Which day of the study a date is: days that were not run do not count as days off."""
    return (date.fromisoformat(day) - START).days + 1


def cells(group: GroupCurve, at: int, published: tuple[float, float], digits: int) -> str:
    """``simulated | published | z`` of one measure on the day at this place."""
    mean, sem = float(group.mean[at]), float(group.sem[at])
    z = (mean - published[0]) / published[1]
    said = f"**{z:+.1f}**" if abs(z) > 2 else f"{z:+.1f}"
    pair = f"{published[0]:.{digits}f} ± {published[1]:.{digits}f}"
    return f"{mean:.{digits}f} ± {sem:.{digits}f} | {pair} | {said}"


def main_table(curves: Learning, published: Published) -> str:
    """Sessions 1, 7 and 14."""
    lines = ["## Sessions 1, 7 and 14", ""]
    lines += ["| | session | simulated | published | z |", "| --- | --- | --- | --- | --- |"]
    for name, label in (JUDGED | STATED).items():
        note = "" if name in JUDGED else " (not fitted)"
        for day in (1, 7, 14):
            text = cells(curves.group(name), curves.days.index(day), published[name, day], 3)
            lines.append(f"| {label + note if day == 1 else ''} | {day} | {text} |")
    return "\n".join(lines)


def even_table(curves: Learning, published: Published) -> str:
    """The even sessions, simulated and published, z in brackets."""
    days = [day for day in curves.days if day % 2 == 0]
    lines = ["## The even sessions, on which the fit is judged", "", "Simulated / published (z).", ""]
    lines += ["| | " + " | ".join(map(str, days)) + " |", "| --- |" + " --- |" * len(days)]
    within = 0
    for name, label in JUDGED.items():
        row = []
        for day in days:
            mean, (theirs, sem) = float(curves.group(name).mean[curves.days.index(day)]), published[name, day]
            z = (mean - theirs) / sem
            within += abs(z) <= 2
            row.append(f"{mean:.2f} / {theirs:.2f} ({f'**{z:+.1f}**' if abs(z) > 2 else f'{z:+.1f}'})")
        lines.append(f"| {label} | " + " | ".join(row) + " |")
    lines += ["", f"{within} of {len(JUDGED) * len(days)} lie within 2 SEM."]
    return "\n".join(lines)


def spread_line(curves: Learning) -> str:
    """How far mice differ, which a mean does not say."""
    success = curves.values["all"]["success"]
    first, last = (float(np.nanstd(success[:, j], ddof=1)) for j in (0, -1))
    return (
        f"SD of success between mice: {first:.2f} in session 1 and {last:.2f} in session 14; published: 0.17 and 0.11."
    )


def main() -> None:
    """Run what is missing, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--days", default=",".join(str(day) for day in range(1, DAYS + 1)))
    parser.add_argument("--workers", type=int)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "cohort.md")
    args = parser.parse_args()
    days = [int(day) for day in args.days.split(",")]
    curves, published = cohort(args.data, args.trials, days, args.workers), read_published()
    command = f"python bench/cohort.py --data FOLDER --trials {args.trials}"
    command += f" --days {args.days}" if len(days) < DAYS else ""
    head = HEAD.format(command=command, mice=MICE, days=DAYS, trials=args.trials, seed=SEED)
    parts = [head, main_table(curves, published), even_table(curves, published), spread_line(curves)]
    args.out.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
