"""A microscope's frame clock with every fault that a cable or an abort makes, and what its files hold, from one seed.

It knows nothing of :mod:`rig.imaging.frames`: it says what it did, and tests compare.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

START_US = (1 << 32) - 3_000_000  # the board's clock wraps on the way; times here do not


@dataclass
class Clock:
    """Edges in order of time, and the truth about them."""

    frame_hz: float
    width_us: int
    edges: list[tuple[int, bool]] = field(default_factory=list)
    files: list[int] = field(default_factory=list)  # frames in each
    truth: Counter[str] = field(default_factory=Counter)
    told_by_us: list[tuple[str, int, int]] = field(default_factory=list)  # fault, when, and by when it must be told
    lost: int = 0

    def pulse(self, rise_us: float, width_us: float) -> None:
        """One pulse."""
        self.edges += [(round(rise_us), True), (round(rise_us + width_us), False)]


def draw(seed: int, frame_hz: float, scans: int = 3) -> Clock:
    """A session's frame clock: scans of some hundred frames. Every other seed's clock is high while it scans."""
    chance = random.Random(f"{seed} {frame_hz}")
    period_us = 1e6 / frame_hz * chance.uniform(0.985, 1.015)  # no microscope runs at what is written in a file
    level = seed % 2 == 0
    clock = Clock(frame_hz, round(period_us * chance.uniform(0.92, 0.95)) if level else chance.choice((1000, 5000)))
    at_us = START_US + chance.uniform(0, 2e5)
    for scan in range(scans):
        at_us = _scan(clock, chance, at_us, period_us, level=level)
        at_us += chance.uniform(0.35e6, 2e6) if scan < scans - 1 else 0
    return clock


def _scan(clock: Clock, chance: random.Random, at_us: float, period_us: float, *, level: bool) -> float:
    """Frames with faults not nearer than three to each other or to an end; returns when the scan was over."""
    n = chance.randrange(60, 160)
    free = 0
    lost = 0
    for i in range(n):
        rise_us = at_us + i * period_us + chance.gauss(0, 20)
        fault = ""
        if 10 < i < n - 4 and i >= free and chance.random() < 0.08:
            fault = chance.choice(("drop", "double", "glitch", "dent" if level else "glitch"))
            free = i + 4
        if fault == "drop":
            lost = chance.choice((1, 1, 2, 3))
            free = i + lost + 4
            if free > n - 1:
                lost = 0
        if lost:
            lost -= 1
            clock.truth["missing"] += 1
            clock.told_by_us.append(("missing", round(rise_us), round(rise_us + 1.5 * period_us)))
            continue
        _one(clock, chance, fault, rise_us, period_us)
    _end(clock, chance, at_us, n, period_us, level=level)
    return at_us + n * period_us


def _one(clock: Clock, chance: random.Random, fault: str, rise_us: float, period_us: float) -> None:
    """A frame's pulse, with what may be wrong with it."""
    width_us, low_us = clock.width_us, period_us - clock.width_us
    if fault == "dent":  # low for a moment while it should be high: one pulse becomes two
        at_us = chance.uniform(0.05, 0.95) * width_us
        clock.pulse(rise_us, at_us)
        clock.pulse(rise_us + at_us + 50, width_us - at_us - 50)
        _fault(clock, "extra", rise_us + at_us, period_us)
        return
    clock.pulse(rise_us, width_us)
    if fault == "double":
        gap_us = chance.uniform(0.1, 0.3) * low_us
        clock.pulse(rise_us + width_us + gap_us, min(width_us, 0.4 * low_us))
        _fault(clock, "extra", rise_us + width_us + gap_us, period_us)
    elif fault == "glitch":
        after_us = chance.uniform(0.05, 0.9) * low_us
        clock.pulse(rise_us + width_us + after_us, min(chance.uniform(1, 100), 0.05 * low_us))
        _fault(clock, "extra", rise_us + width_us + after_us, period_us)


def _fault(clock: Clock, what: str, at_us: float, period_us: float) -> None:
    clock.truth[what] += 1
    clock.told_by_us.append((what, round(at_us), round(at_us + 1.1 * period_us)))


def _end(clock: Clock, chance: random.Random, at_us: float, n: int, period_us: float, *, level: bool) -> None:
    """A clean end, or an abort in the middle of one more frame, which the file then does not have."""
    clock.files.append(n)
    if chance.random() < 0.5:
        return
    rise_us = at_us + n * period_us
    after_us = chance.uniform(0.02, 0.85) * period_us
    clock.truth["aborted"] += 1
    if level:
        clock.pulse(rise_us, min(after_us, 0.85 * clock.width_us))
    else:
        clock.pulse(rise_us, clock.width_us)
        clock.pulse(rise_us + max(after_us, clock.width_us + 500), clock.width_us)
        clock.truth["extra"] += 1
