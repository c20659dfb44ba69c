"""How long a study's record takes: archived anew from its journals, and drawn from the archive.

    python bench/record.py [--data FOLDER] [--mice 30] [--days 14]

``--data`` is the folder of a simulated study (`rig simulate --out FOLDER`); without it a small one of 30-minute
sessions is made first. Its archive is left alone. Wall time; each figure also as a multiple of a reference loop of
plain Python (2 million turns) of the same run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rig.archive import Archive
from rig.archive.fill import FILE, rebuild
from rig.campaign import Study, run_study
from rig.config.file import load_config
from rig.record.derived import MEASURES, entry_of
from rig.record.folder import sessions

ROOT = Path(__file__).parent.parent


def wall_s(act: Callable[[], object]) -> float:
    """How long it took."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def loop() -> None:
    """The reference: how quick this machine is just now."""
    for _ in range(2_000_000):
        pass


def show(name: str, seconds: float, reference_s: float) -> None:
    """One line."""
    print(f"{name:64s} {seconds:8.3f} s = {seconds / reference_s:6.1f} x the reference loop", flush=True)


def rebuilding(data: Path, scratch: Path, reference_s: float) -> None:
    """From the journals, with the measures that lie beside them; and from a few journals and nothing else."""
    folders = sessions(data)
    with Archive(f"sqlite:///{scratch / 'again.sqlite'}") as archive:
        took_s = wall_s(lambda: rebuild(archive, data))
    show(f"{len(folders)} sessions into the index: {len(folders) / took_s:.0f} a second", took_s, reference_s)
    few = scratch / "few"
    for folder in folders[:16]:
        place = few / folder.parent.name / folder.name
        place.mkdir(parents=True)
        os.link(folder / "journal", place / "journal")
    with Archive(f"sqlite:///{scratch / 'measured.sqlite'}") as archive:
        took_s = wall_s(lambda: rebuild(archive, few))
    n = len(list(few.glob(f"*/*/{MEASURES}")))
    show(f"{n} sessions measured as well: {n / took_s:.1f} a second", took_s, reference_s)


def drawing(data: Path, scratch: Path, reference_s: float, mice: int, days: int) -> None:
    """`rig curve`, the process's start included, over so many sessions: those there are, under other names."""
    entries = [entry_of(folder) for folder in sessions(data)]
    place = scratch / "curve"
    place.mkdir()
    with Archive(f"sqlite:///{place / FILE}") as archive:
        for i in range(mice * days):
            subject, day = f"M{i // days + 1:02d}", i % days + 1
            entry = entries[i % len(entries)]
            session = replace(entry.session, uid=f"{i:032x}", subject=subject, day=day, date=f"2025-03-{day:02d}")
            archive.add(replace(entry, session=session), f"{subject}/{day}")
    for words in ((), ("--json",), ("--out", str(scratch / "curve.png"))):
        command = [sys.executable, "-m", "rig", "curve", "--data", str(place), *words]
        took = [wall_s(lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT)) for _ in range(5)]  # noqa: B023
        show(f"rig curve {' '.join(words[:1]):7s} over {mice} x {days} sessions, best of 5", min(took), reference_s)
    empty = [wall_s(lambda: subprocess.run([sys.executable, "-c", "import numpy"], check=True)) for _ in range(5)]
    show("python -c 'import numpy', best of 5", min(empty), reference_s)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--mice", type=int, default=30)
    parser.add_argument("--days", type=int, default=14)
    args = parser.parse_args()
    reference_s = min(wall_s(loop) for _ in range(5))
    print(f"the reference loop: {reference_s:.3f} s")
    with tempfile.TemporaryDirectory(dir=args.data.parent if args.data else None) as place:
        scratch = Path(place)
        data = args.data or scratch / "study"
        if args.data is None:
            study = Study(load_config(ROOT / "config.yaml"), mice=4, days=3)
            took_s = wall_s(lambda: run_study(study, data))
            show(f"{len(study.jobs())} sessions of 30 minutes simulated", took_s, reference_s)
        rebuilding(data, scratch, reference_s)
        drawing(data, scratch, reference_s, args.mice, args.days)


if __name__ == "__main__":
    main()
