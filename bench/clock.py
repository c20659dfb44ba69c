"""How well the clock fit does on simulated links: one row a link, and what it costs.

    python bench/clock.py [--hours 1] [--seeds 3]

Each row: events converted as they happen, after every sample (7.7 samples/s); errors and bounds in us. ``half`` is
half the median round trip, which is all that a single sample can promise.
``share`` is the share of events whose true error exceeded the bound given with them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import clock_links as links

from rig.clock import Clock, Unwrapper

STEADY = links.Truth(drift_ppm=40)
WARM = links.Truth(drift_ppm=-200, wobble_ppm=2, wobble_s=300)
ROWS: list[tuple[str, links.Truth, links.Delay, float]] = [
    ("quiet, 40 ppm", STEADY, links.quiet, 0),
    ("quiet, -200 ppm, wobble 2 ppm/300 s", WARM, links.quiet, 0),
    ("quiet, wobble 10 ppm/120 s", links.Truth(40, 10, 120), links.quiet, 0),
    ("quiet, 4000 ppm (ceramic)", links.Truth(4000, 5, 600), links.quiet, 0),
    ("1 ms USB frames, -200 ppm, wobble", WARM, links.usb_frames, 0),
    ("answers late by exp(0.5 ms), wobble", WARM, links.one_sided, 0),
    ("answers always 1.2 ms slower, wobble", WARM, links.lopsided, 0),
    ("Pareto 1.3 both ways, wobble", WARM, links.heavy_tail, 0),
    ("busy host 3 s in 10, wobble", WARM, links.bursts, 0),
    ("answers 3 ms late 5 min in 10, wobble", WARM, links.hour_of_load, 0),
    ("quiet, 2 % wrong stamps", WARM, links.quiet, 0.02),
    ("quiet, host slewed 500 ppm for 20 s", links.Truth(40, slews=((600, 20, 500),)), links.quiet, 0),
    ("quiet, host asleep twice", links.Truth(40, sleeps=((700, 30), (1500, 600))), links.quiet, 0),
    ("USB frames, host asleep twice", links.Truth(40, sleeps=((700, 30), (1500, 600))),
     links.usb_frames, 0),
]  # fmt: skip


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def row(
    name: str, truth: links.Truth, delay: links.Delay, wrong: float, args: argparse.Namespace
) -> None:
    checked: list[links.Checked] = []
    restarts = 0
    trips_us: list[float] = []
    for seed in range(args.seeds):
        run = links.Run(truth, delay, seed, for_s=3600 * args.hours, wrong=wrong)
        checked += run.check()
        restarts += run.clock.restarts
        trips_us += [(got - sent) / 2000 for _, sent, _, got in run.samples()]
    errors = sorted(c.error_us for c in checked)
    bounds = sorted(c.bound_us for c in checked)
    over = sum(c.error_us > c.bound_us for c in checked)
    print(
        f"{name:40s} {percentile(sorted(trips_us), 0.5):8.0f}"
        f" {percentile(errors, 0.5):8.1f} {percentile(errors, 0.999):9.1f}"
        f" {percentile(bounds, 0.5):9.1f} {percentile(bounds, 0.999):10.1f}"
        f" {over / len(checked):9.6f} {restarts:4d}"
    )


def cost(hours: float) -> None:
    """us per call, and as a multiple of an empty function call in the same run."""
    run = links.Run(WARM, links.usb_frames, 1, for_s=3600 * hours)
    unwrapper = Unwrapper()
    samples = [(sent, unwrapper.unwrap(us), got) for _, sent, us, got in run.samples()]
    clock = Clock()

    def nothing(a: int, b: int, c: int) -> None:
        return

    def timed(call: Callable[..., Any], rows: Sequence[tuple[int, ...]]) -> float:
        start = time.perf_counter()
        for args in rows:
            call(*args)
        return (time.perf_counter() - start) / len(rows) * 1e6

    empty = timed(nothing, samples)
    stamps = [(us,) for _, us, _ in samples]
    hosts = [(sent,) for sent, _, _ in samples]
    for name, us in (
        ("add", timed(clock.add, samples)),
        ("host_ns", timed(clock.host_ns, stamps)),
        ("board_us", timed(clock.board_us, hosts)),
        ("error_us", timed(clock.error_us, stamps)),
    ):
        print(f"{name:40s} {us:8.2f} us = {us / empty:6.1f} x an empty call")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hours", type=float, default=1.0, help="simulated hours a row and seed")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print(
        f"{'link':40s} {'median':>8s} {'p99.9':>9s} {'bound':>9s} {'bound 99.9':>10s} {'share':>9s} {'new':>4s}"
    )
    for name, truth, delay, wrong in ROWS:
        row(name, truth, delay, wrong, args)
    cost(args.hours)


if __name__ == "__main__":
    main()
