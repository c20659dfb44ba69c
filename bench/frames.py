"""The frame watch over many seeds, and what it costs.

    python bench/frames.py [--seeds 1200]

Each seed is a session's frame clock with lost, doubled, dented, glitched and aborted frames (tests/frame_clock.py), at
28.7, 30 and 60 Hz; tests/test_frames.py judges.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parents[1])]

from frame_clock import draw  # noqa: E402
from test_frames import RATES, judge  # noqa: E402

from rig.imaging.frames import FrameWatch  # noqa: E402


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1200, help="at each rate")
    seeds = parser.parse_args().seeds
    wrong = 0
    for frame_hz in RATES:
        truth: Counter[str] = Counter()
        for seed in range(seeds):
            clock = draw(seed, frame_hz)
            truth += clock.truth + Counter(frames=sum(clock.files), files=len(clock.files))
            try:
                judge(clock)
            except AssertionError as error:
                wrong += 1
                print(f"judge(draw({seed}, {frame_hz})): {str(error).splitlines()[0]}")
        print(f"{frame_hz} Hz, {seeds} seeds: {', '.join(f'{n} {what}' for what, n in sorted(truth.items()))}")
    print(f"{wrong} seeds judged wrongly")
    clock, watch = draw(1, 30.0), FrameWatch(30.0)
    start_s = time.process_time()
    for board_us, high in clock.edges:
        watch.edge(board_us, high=high)
    print(f"{1e6 * (time.process_time() - start_s) / len(clock.edges):.1f} us an edge")


if __name__ == "__main__":
    main()
