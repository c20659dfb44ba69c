"""How many events a second the host reads from bytes, on one core.

    python bench/decode.py [--events 400000]

CPU time of the best of some rounds, in chunks of 4096 bytes as a serial port gives them. Each figure is also a multiple
of the reference in the same run: the same bytes only split at their zeros, nothing checked.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from damaged import event

from rig import wire

CHUNK = 4096
POOL = 5000


def only_split(chunks: list[bytes]) -> None:
    rest = b""
    for chunk in chunks:
        *pieces, rest = (rest + chunk).split(b"\0")
        for _ in pieces:
            pass


def feed(chunks: list[bytes]) -> None:
    splitter = wire.FrameSplitter()
    for chunk in chunks:
        splitter.feed(chunk)


def feed_and_head(chunks: list[bytes]) -> None:
    splitter, head = wire.FrameSplitter(), wire.EVENT_HEADER.unpack_from
    for chunk in chunks:
        for payload in splitter.feed(chunk):
            head(payload)


def feed_and_decode(chunks: list[bytes]) -> None:
    splitter = wire.FrameSplitter()
    for chunk in chunks:
        for payload in splitter.feed(chunk):
            wire.decode(payload)


def best_s(read: Callable[[list[bytes]], None], chunks: list[bytes], rounds: int = 7) -> float:
    took_s = []
    for _ in range(rounds):
        start = time.process_time()
        read(chunks)
        took_s.append(time.process_time() - start)
    return min(took_s)


def main() -> None:
    """Print one row a way of reading."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    events = parser.parse_args().events
    rng = random.Random(0)
    pool = [wire.frame(event(rng, i)) for i in range(POOL)]
    data = b"".join(rng.choices(pool, k=events))
    chunks = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    reference_s = best_s(only_split, chunks)
    print(f"{events} events, {len(data) / events:.1f} bytes each")
    for read in (only_split, feed, feed_and_head, feed_and_decode):
        took_s = best_s(read, chunks)
        print(
            f"{read.__name__:16} {events / took_s / 1e6:6.2f} M events/s, {took_s / reference_s:6.1f} x the reference"
        )


if __name__ == "__main__":
    main()
