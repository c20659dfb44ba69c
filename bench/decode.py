"""How many events a second the host reads from bytes, on one core; and pycontrol-core and bpod-core beside it.

    python bench/decode.py [--events 400000]

CPU time of the best of some rounds, in chunks of 4096 bytes as a serial port gives them. Each figure is also a multiple
of the reference in the same run: the same bytes only split at their zeros, nothing checked. The second table is of
short events, each decoder's own (an input's change, a state, a poke): ours to message, number and time;
theirs to what their decoders hand up. One line a run goes to history.ndjson.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from _peers import systems
from damaged import event

from rig import wire

CHUNK = 4096
ROOT = Path(__file__).parents[1]
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


def best_s(read: Callable[[list[bytes]], object], chunks: list[bytes], rounds: int = 7) -> float:
    took_s = []
    for _ in range(rounds):
        start = time.process_time()
        read(chunks)
        took_s.append(time.process_time() - start)
    return min(took_s)


def cut(data: bytes) -> list[bytes]:
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


def show(name: str, events: int, took_s: float, reference_s: float) -> None:
    print(f"{name:16} {events / took_s / 1e6:6.2f} M events/s, {took_s / reference_s:6.1f} x the reference", flush=True)


def side_by_side(events: int) -> dict[str, float]:
    """Events a second of each decoder, for short events of its own wire."""
    found: dict[str, float] = {}
    for system in systems():
        chunks = cut(system.many(random.Random(1), events))
        assert system.decode(chunks) == events
        took_s = best_s(system.decode, chunks)
        show(system.name, events, took_s, best_s(only_split, chunks))
        found[system.name] = round(events / took_s)
    return found


def main() -> None:
    """Print one row a way of reading, then one a decoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    events = parser.parse_args().events
    rng = random.Random(0)
    pool = [wire.frame(event(rng, i)) for i in range(POOL)]
    data = b"".join(rng.choices(pool, k=events))
    chunks = cut(data)
    reference_s = best_s(only_split, chunks)
    print(f"{events} events of all kinds, {len(data) / events:.1f} bytes each")
    for read in (only_split, feed, feed_and_head, feed_and_decode):
        show(read.__name__, events, best_s(read, chunks), reference_s)
    print(f"{events} short events")
    line = {"bench": "decode", "utc": datetime.now(UTC).isoformat(timespec="seconds"), "events": events}
    line |= {"events_per_s": side_by_side(events)}
    with (ROOT / "bench" / "history.ndjson").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
