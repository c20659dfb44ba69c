"""Does damage on the wire ever become an event? One row a kind of damage, so many damaged streams each.

    python bench/damage.py [--streams 1000000] [--seed 0]

Each stream is three frames of random events, damaged once; both readers (firmware/core/frame.c, rig/wire.py) read it.
``false`` counts streams in which either read something that was never sent; ``differ`` those on which the two disagree.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from damaged import KINDS, Damage, false, stream
from test_frame import c_read, py_read

POOL = 5000  # different streams, each damaged many times


def count(damage: Damage, streams: int, rng: random.Random) -> tuple[int, int]:
    """``(false, differ)`` in so many damaged streams."""
    pool = [stream(rng) for _ in range(POOL)]
    wrong = differ = 0
    for _ in range(streams):
        sent, good = rng.choice(pool)
        damaged = damage(rng, good)
        read, board = py_read(damaged)[0], c_read(damaged)[0]
        if read != sent[: len(read)] or read != board:
            wrong += bool(false(sent, read) or false(sent, board))
            differ += read != board
    return wrong, differ


def main() -> int:
    """Print the table; exit 1 where anything false was read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"{'damage':20} {'streams':>9} {'false':>6} {'differ':>7} {'s':>6}")
    found = 0
    for name, damage in KINDS.items():
        start = time.perf_counter()
        wrong, differ = count(damage, args.streams, random.Random(f"{name} {args.seed}"))
        print(f"{name:20} {args.streams:9} {wrong:6} {differ:7} {time.perf_counter() - start:6.1f}", flush=True)
        found += wrong + differ
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
