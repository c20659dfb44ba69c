"""A whole rehearsed study, timed, and made again on a Dask cluster of two workers: the same to the byte?

    python bench/study.py [--out FOLDER] [--mice 8] [--days 16] [--light-days 15,16] [--minutes 30] [--seed 1]

Runs `rig simulate` twice, in processes of this computer and on a ``distributed.LocalCluster``, and compares every file
of every session, and the figure. What FOLDER holds already is not run again, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rig.doors.simulate import FIGURE

WHERE = ("processes", "cluster")


def digests(place: Path) -> dict[str, str]:
    """SHA-256 of every file of every session, and of the figure."""
    files = sorted([*place.glob("*/*_1/*"), place / FIGURE])
    return {str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def simulate(words: list[str], place: Path) -> float:
    """`rig simulate` in a process of its own, its start included, in s."""
    begin_s = time.perf_counter()
    subprocess.run([sys.executable, "-m", "rig", "simulate", *words, "--out", str(place)], check=True)
    return time.perf_counter() - begin_s


def main() -> int:
    """Run, time, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    for name, default in (("mice", "8"), ("days", "16"), ("light-days", "15,16"), ("minutes", "30"), ("seed", "1")):
        parser.add_argument(f"--{name}", default=default)
    args = vars(parser.parse_args())
    words = [word for name, value in args.items() if name != "out" for word in (f"--{name.replace('_', '-')}", value)]
    with tempfile.TemporaryDirectory() as scratch:
        out = args["out"] or Path(scratch)
        here, there = (out / name for name in WHERE)
        print(f"in processes of this computer: {simulate(words, here):.0f} s", flush=True)
        from distributed import LocalCluster  # noqa: PLC0415 (seconds to come)

        cluster: Any = LocalCluster
        with cluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as running:
            took_s = simulate([*words, "--dask", running.scheduler_address], there)
        print(f"on a Dask cluster of two workers: {took_s:.0f} s")
        one, other = digests(here), digests(there)
        differ = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
        size = sum((here / name).stat().st_size for name in one)
        print(f"{len(one)} files, {size / 1e9:.2f} GB; {len(differ)} differ", *differ[:10])
        print("sha256 of all:", hashlib.sha256("".join(one.values()).encode()).hexdigest())
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
