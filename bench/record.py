"""How long a study's record takes: archived anew from its journals, and drawn from the archive.

    python bench/record.py [--data FOLDER] [--mice 30] [--days 14]

``--data`` is the folder of a simulated study (`rig simulate --out FOLDER`); without it a small one of 30-minute
sessions is made first. Its archive is left alone. Wall time of whole commands, the process's start included, median of
five; each figure also as a multiple of `python -c 'import numpy'` in the same run. Modules are compiled before, as pip
does it. Cold: the disk's pages of the journals are dropped before each run; warm: they were just read.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from rig.archive import Archive
from rig.archive.fill import FILE
from rig.campaign import Study, run_study
from rig.config.file import load_config
from rig.record.derived import MEASURES, entry_of
from rig.record.folder import JOURNAL, sessions

ROOT = Path(__file__).parent.parent
RUNS = 5


def wall_s(act: Callable[[], object]) -> float:
    """How long it took."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


class Bench:
    """Runs commands, and knows what the reference took."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self._environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(scratch / "compiled")}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.reference_s = self.median_s(["-c", "import numpy"])

    def median_s(self, words: Sequence[str], before: Callable[[], object] = lambda: None, runs: int = RUNS) -> float:
        """Of Python with these words; the first run, which compiles, does not count."""
        took = []
        for _ in range(runs + 1):
            before()
            took.append(wall_s(lambda: self._run(words)))
        return median(took[1:])

    def _run(self, words: Sequence[str]) -> None:
        command = [sys.executable, *words]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=self._environment)

    def show(self, name: str, seconds: float) -> None:
        """One line."""
        print(f"{name:64s} {seconds:7.2f} s = {seconds / self.reference_s:5.1f} x import numpy", flush=True)


def rebuilding(bench: Bench, data: Path) -> None:
    """From the journals, with the measures that lie beside them; and from a few journals and nothing else."""
    folders, place, few = sessions(data), bench.scratch / "study", bench.scratch / "few"
    for i, folder in enumerate(folders):
        for below, names in ((place, (JOURNAL, MEASURES)), (few, (JOURNAL,))):
            if below == place or i < 16:
                to = below / folder.parent.name / folder.name
                to.mkdir(parents=True)
                for name in names:
                    os.link(folder / name, to / name)
    size = sum((folder / JOURNAL).stat().st_size for folder in folders)
    print(f"{len(folders)} journals of {size / len(folders) / 1e6:.1f} MB")
    again = ["-m", "rig", "archive", "rebuild", "--workers", "2", "--data"]
    for state, before in (("cold", _drop), ("warm", _read)):
        took_s = bench.median_s([*again, str(place)], lambda before=before: [before(f) for f in folders])  # type: ignore[misc]
        bench.show(f"rig archive rebuild, {state}: {len(folders) / took_s:.0f} sessions a second", took_s)
    took_s = bench.median_s([*again, str(few), "--measure"], runs=1)
    n = len(list(few.glob(f"*/*/{MEASURES}")))
    bench.show(f"rig archive rebuild --measure: {n / took_s:.1f} sessions a second", took_s)


def _drop(folder: Path) -> None:
    for name in (JOURNAL, MEASURES):
        with (folder / name).open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read(folder: Path) -> None:
    for name in (JOURNAL, MEASURES):
        (folder / name).read_bytes()


def drawing(bench: Bench, data: Path, mice: int, days: int) -> None:
    """`rig curve` over so many sessions: the last days of each mouse there is, under other names."""
    of_mouse: dict[str, list[Path]] = {}
    for folder in sessions(data):
        of_mouse.setdefault(folder.parent.name, []).append(folder)
    entries = [[entry_of(folder) for folder in folders[-days:]] for folders in of_mouse.values()]
    place = bench.scratch / "curve"
    place.mkdir()
    with Archive(f"sqlite:///{place / FILE}") as archive:
        for i in range(mice * days):
            subject, day, those = f"M{i // days + 1:02d}", i % days + 1, entries[i // days % len(entries)]
            entry = those[(day - 1) % len(those)]
            session = replace(entry.session, uid=f"{i:032x}", subject=subject, day=day, date=f"2025-03-{day:02d}")
            archive.add(replace(entry, session=session), f"{subject}/{day}")
    for words in ([], ["--json"], *(["--out", str(bench.scratch / f"curve.{kind}")] for kind in ("csv", "png", "svg"))):
        took_s = bench.median_s(["-m", "rig", "curve", "--data", str(place), *words])
        bench.show(f"rig curve {' '.join(Path(w).name for w in words)}, {mice} x {days} sessions", took_s)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--mice", type=int, default=30)
    parser.add_argument("--days", type=int, default=14)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.data.parent if args.data else None) as place:
        bench = Bench(Path(place))
        print(f"python -c 'import numpy': {bench.reference_s:.3f} s")
        data = args.data or bench.scratch / "made"
        if args.data is None:
            run_study(Study(load_config(ROOT / "config.yaml"), mice=4, days=3), data)
        drawing(bench, data, args.mice, args.days)
        rebuilding(bench, data)


if __name__ == "__main__":
    main()
