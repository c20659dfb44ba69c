"""How fast a simulated hour is: a whole session, lever at 1 kHz, fully journalled, beside a reference loop.

    python bench/session.py [--minutes 60] [--repeats 3]

Prints wall and CPU seconds of the session itself (without the interpreter's start) and the ratio to a reference loop
of plain Python in the same run. One line a run goes to bench/history.ndjson.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rig.cli import main as rig

ROOT = Path(__file__).parent.parent


def reference_s() -> float:
    """CPU seconds of two million turns of an empty Python loop: how quick this machine is just now."""
    begin = time.process_time()
    for _ in range(2_000_000):
        pass
    return time.process_time() - begin


def one_session(minutes: float, folder: Path) -> tuple[float, float, dict[str, object]]:
    """Wall and CPU seconds of a session, and its summary."""
    config = (ROOT / "config.yaml").read_text(encoding="utf-8").replace("data: data ", f"data: {folder} ")
    path = folder / "config.yaml"
    path.write_text(config, encoding="utf-8")
    said = io.StringIO()
    wall, cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(said):
        assert rig(["run", "--config", str(path), "--fast", "--minutes", str(minutes), "--json"]) == 0
    return time.perf_counter() - wall, time.process_time() - cpu, json.loads(said.getvalue())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        one_session(0.1, Path(scratch))  # builds the core, warms the caches
        for _ in range(args.repeats):
            reference = reference_s()
            wall_s, cpu_s, summary = one_session(args.minutes, Path(scratch))
            runs.append((wall_s, cpu_s, cpu_s / reference))
            print(
                f"{args.minutes:g} min, {summary['events']} events: wall {wall_s:.2f} s, CPU {cpu_s:.2f} s,"
                f" {60 * args.minutes / wall_s:.0f} x real time; {cpu_s / reference:.0f} x the reference loop"
            )
    best = min(runs)
    line = {"bench": "session", "utc": datetime.now(UTC).isoformat(timespec="seconds"), "minutes": args.minutes}
    line |= {"wall_s": round(best[0], 2), "cpu_s": round(best[1], 2), "per_reference": round(best[2], 1)}
    with (ROOT / "bench" / "history.ndjson").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
