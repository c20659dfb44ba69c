"""Simulated links between two clocks, for tests/test_clock.py and bench/clock.py.

Pure and seeded. ``Truth`` knows the board's clock as a function of host time; a delay model gives the
time a request and its answer take. Nothing here knows how ``rig.clock`` works.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from rig.clock import WRAP, Clock, Unwrapper, Verdict

Delay = Callable[[random.Random, float], tuple[float, float]]  # (rng, at_s) -> (out_us, back_us)


def quiet(rng: random.Random, at_s: float) -> tuple[float, float]:
    return 150 + rng.expovariate(1 / 15), 150 + rng.expovariate(1 / 15)


def usb_frames(rng: random.Random, at_s: float) -> tuple[float, float]:
    """A full-speed USB bridge: either way waits for the next 1 ms frame."""
    return 100 + rng.uniform(0, 1000), 100 + rng.uniform(0, 1000)


def one_sided(rng: random.Random, at_s: float) -> tuple[float, float]:
    """Only the answer is held up, 0.5 ms on average."""
    return 150 + rng.expovariate(1 / 10), 150 + rng.expovariate(1 / 500)


def lopsided(rng: random.Random, at_s: float) -> tuple[float, float]:
    """The answer always takes 1.2 ms longer: no clock can see that, the bound must cover it."""
    return 100 + rng.expovariate(1 / 50), 1300 + rng.expovariate(1 / 50)


def heavy_tail(rng: random.Random, at_s: float) -> tuple[float, float]:
    """Pareto delays with infinite variance, cut at 2 s."""
    return (
        min(150 * rng.paretovariate(1.3), 2e6),
        min(150 * rng.paretovariate(1.3), 2e6),
    )


def bursts(rng: random.Random, at_s: float) -> tuple[float, float]:
    """For 3 s in every 10 a busy host reads its port late, by up to 20 ms."""
    late_us = rng.uniform(2_000, 20_000) if at_s % 10 < 3 else 0.0
    return 150 + rng.expovariate(1 / 30), 150 + rng.expovariate(1 / 30) + late_us


def hour_of_load(rng: random.Random, at_s: float) -> tuple[float, float]:
    """For 5 min in every 10 each answer is 3 ms late: the asymmetry changes and stays."""
    late_us = 3_000.0 if at_s % 600 > 300 else 0.0
    return 150 + rng.expovariate(1 / 30), 150 + rng.expovariate(1 / 30) + late_us


@dataclass
class Truth:
    """The board's clock against the host's. Times from the start in s; wobble is a sine of the rate.

    ``sleeps``: (at_s, for_s): the host's monotonic clock stands still while the board's runs on.
    ``slews``: (at_s, for_s, ppm): the host's clock is steered, as a time daemon may do.
    """

    drift_ppm: float = 0.0
    wobble_ppm: float = 0.0
    wobble_s: float = 300.0
    sleeps: tuple[tuple[float, float], ...] = ()
    slews: tuple[tuple[float, float, float], ...] = ()
    start_us: int = WRAP - 10_000_000
    start_ns: int = 86_400_000_000_000

    def board_us(self, at_s: float) -> float:
        """Board time (not rounded, not wrapped) when the host's clock has gone ``at_s``."""
        turn = 2 * math.pi / self.wobble_s
        swing_us = self.wobble_ppm * (1 - math.cos(turn * at_s)) / turn
        slept_s = sum(for_s for when_s, for_s in self.sleeps if at_s >= when_s)
        slew_us = sum(ppm * min(max(at_s - when_s, 0.0), for_s) for when_s, for_s, ppm in self.slews)
        return self.start_us + (at_s + slept_s) * 1e6 + self.drift_ppm * at_s + swing_us + slew_us

    def host_ns(self, at_s: float) -> int:
        return self.start_ns + round(at_s * 1e9)


class Checked(NamedTuple):
    """An event converted as soon as it happened: its true error and the bound given with it."""

    at_s: float
    error_us: float
    bound_us: float


@dataclass
class Run:
    """Sample a link for ``for_s`` seconds and convert an event at a random time after each sample."""

    truth: Truth
    delay: Delay
    seed: int
    for_s: float = 120.0
    every_s: float = 0.13
    wrong: float = 0.0  # the share of samples with a wrong stamp (the answer to another request)
    clock: Clock = field(default_factory=Clock)
    verdicts: list[Verdict] = field(default_factory=list)

    def samples(self) -> Iterator[tuple[float, int, int, int]]:
        """(answered_s, sent_ns, u32 stamp, received_ns), as a session would see them."""
        rng = random.Random(self.seed)
        at_s = 0.01
        while at_s < self.for_s:
            out_us, back_us = self.delay(rng, at_s)
            stamped_s = at_s + out_us * 1e-6
            done_s = stamped_s + back_us * 1e-6
            board_us = int(self.truth.board_us(stamped_s))
            if rng.random() < self.wrong:
                board_us -= rng.randrange(5_000, 200_000)
            yield done_s, self.truth.host_ns(at_s), board_us % WRAP, self.truth.host_ns(done_s)
            at_s = max(at_s + self.every_s * rng.uniform(0.7, 1.3), done_s)

    def check(self) -> Iterator[Checked]:
        """Feed the clock; yield one converted event for every sample."""
        rng = random.Random(self.seed + 1)
        unwrapper, events = Unwrapper(), Unwrapper()
        samples = list(self.samples())
        for i, (done_s, sent_ns, stamp_us, received_ns) in enumerate(samples):
            self.verdicts.append(self.clock.add(sent_ns, unwrapper.unwrap(stamp_us), received_ns))
            until_s = samples[i + 1][0] if i + 1 < len(samples) else done_s + 0.1
            event_s = rng.uniform(done_s, until_s)
            event_us = events.unwrap(int(self.truth.board_us(event_s)) % WRAP)
            error_us = (self.clock.host_ns(event_us) - self.truth.host_ns(event_s)) / 1000
            yield Checked(event_s, abs(error_us), self.clock.error_us(event_us))
