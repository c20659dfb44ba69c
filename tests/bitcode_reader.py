"""A reader of the lab's bit code, written from its description alone, as an acquisition at 10 kHz sees it:

5 ms sync, then 12 × (5 ms gap + 5 ms bit), most significant bit first. It knows nothing of this program.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 10_000


def sampled(edges_us: list[int], length_us: int, phase: float, clock_ppm: float) -> NDArray[np.float64]:
    """A line that changes at these times (low at first), in volts, by a computer whose clock is off by so much.

    The recording begins 10 ms before time 0.
    """
    t_us = (np.arange(-100, int(length_us * RATE_HZ / 1e6)) + phase) * 1e6 / RATE_HZ * (1 + clock_ppm / 1e6)
    return np.asarray(3.3 * (np.searchsorted(np.asarray(edges_us), t_us, side="right") % 2), np.float64)


def codes(volts: NDArray[np.float64], bits: int = 12, bit_ms: float = 5.0) -> list[int]:
    """The numbers in a trace: at each rise that is not within a code, look into the middle of every bit."""
    high = volts > 1.65
    rises = np.flatnonzero(high[1:] & ~high[:-1]) + 1
    step = bit_ms * RATE_HZ / 1000
    found, free = [], 0
    for rise in rises:
        if rise < free:
            continue
        middles = [round(rise + (2 * k + 2.5) * step) for k in range(bits)]
        if middles[-1] >= len(high):
            break
        assert high[round(rise + 0.5 * step)], "a sync pulse lasts as long as a bit"
        assert not any(high[round(rise + (2 * k + 1.5) * step)] for k in range(bits)), "gaps are low"
        found.append(int("".join("1" if high[middle] else "0" for middle in middles), 2))
        free = round(rise + (2 * bits + 1) * step)
    return found
