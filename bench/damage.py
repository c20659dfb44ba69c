"""Does damage on the wire ever become an event? Ours beside pycontrol-core's and bpod-core's decoders, in one run.

    python bench/damage.py [--streams 1000000] [--seed 0]

A stream is three events; it is damaged once. ``wrong``: streams from which something was read that was never sent, or
not in this order (for ours by host or board: rig/wire.py and firmware/core/frame.c must also agree); ``silent``: those
of them for which the decoder neither raised nor warned; ``lost``: events that never arrived – ours after the board has
sent again what was not acknowledged, the others have nothing of the kind. One line a run goes to history.ndjson.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from _peers import EVENTS, System, systems
from damaged import KINDS, Damage

ROOT = Path(__file__).parents[1]
POOL = 5000  # different streams, each damaged many times


def wrong(sent: list[object], read: list[object]) -> bool:
    """Was anything read that was not sent, or not in this order?"""
    left = iter(sent)
    return not all(one in left for one in read)


def count(system: System, damage: Damage, streams: int, rng: random.Random) -> dict[str, int]:
    """What became of so many damaged streams."""
    pool = [system.make(rng) for _ in range(min(POOL, streams))]
    found = dict.fromkeys(("wrong", "silent", "lost"), 0)
    for _ in range(streams):
        made = rng.choice(pool)
        read = system.read(made, damage(rng, made.frames))
        if read.events == made.events:
            continue
        false = wrong(made.events, read.events)
        found["wrong"] += false
        found["silent"] += false and not read.said
        found["lost"] += sum(one not in read.events for one in made.events[:EVENTS])
    return found


def main() -> int:
    """Print the table; exit 1 where anything false was read from ours, or is missing there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    table: dict[str, dict[str, dict[str, int]]] = {}
    sides = systems()
    print(f"{args.streams} streams of {EVENTS} events each")
    print(f"{'damage':20} {'decoder':15} {'wrong':>9} {'':6} {'silent':>9} {'lost':>9} {'s':>6}")
    for name, damage in KINDS.items():
        for system in sides:
            start = time.perf_counter()
            found = count(system, damage, args.streams, random.Random(f"{name} {args.seed}"))
            table.setdefault(name, {})[system.name] = found
            share = f"{100 * found['wrong'] / args.streams:.1f} %"
            print(
                f"{name:20} {system.name:15} {found['wrong']:9} {share:>6} {found['silent']:9} {found['lost']:9}"
                f" {time.perf_counter() - start:6.0f}",
                flush=True,
            )
    line = {"bench": "damage", "utc": datetime.now(UTC).isoformat(timespec="seconds"), "streams": args.streams}
    with (ROOT / "bench" / "history.ndjson").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line | {"damage": table}) + "\n")
    return 1 if any(sum(kind["ours"].values()) for kind in table.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
