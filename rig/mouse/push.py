"""How a paw moves: pushes of minimum jerk (Flash & Hogan 1985), several of them to a bout.

May not: draw chance, or know why a paw moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Push:
    """One push of the paw: its start within the bout (ms), amplitude (mm), times out, held and back (ms)."""

    start_ms: float
    amplitude_mm: float
    out_ms: float
    hold_ms: float
    back_ms: float

    @property
    def end_ms(self) -> float:
        """When the paw is back where it was."""
        return self.start_ms + self.out_ms + self.hold_ms + self.back_ms


def minimum_jerk(x: FloatArray) -> FloatArray:
    """Position of a minimum-jerk movement from 0 to 1 at ``x`` of its duration (Flash & Hogan 1985)."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * x * (10 - 15 * x + 6 * x * x))


def trajectory_mm(pushes: Sequence[Push]) -> FloatArray:
    """The hand's way through some pushes, which add up: mm at 1 kHz from the bout's begin until rest."""
    hand_mm = np.zeros(int(max((push.end_ms for push in pushes), default=0.0)) + 2)
    for push in pushes:
        first, end = int(push.start_ms), int(push.end_ms) + 2
        t_ms = np.arange(first, end, dtype=np.float64) - push.start_ms
        back_ms = t_ms - push.out_ms - push.hold_ms
        rise, fall = minimum_jerk(t_ms / push.out_ms), minimum_jerk(back_ms / push.back_ms)
        hand_mm[first:end] += push.amplitude_mm * (rise - fall)
    return hand_mm


class Bout:
    """Pushes in one go, begun at ``onset_us`` (board µs); ``hit``: one of them is meant to be a press."""

    def __init__(self, onset_us: int, pushes: Sequence[Push], hit: bool = False) -> None:
        self.onset_us, self.pushes, self.hit = onset_us, tuple(pushes), hit
        self._hand_mm: FloatArray | None = None

    @property
    def end_us(self) -> int:
        """When the paw is back at rest."""
        return self.onset_us + int(1000 * max(push.end_ms for push in self.pushes)) + 2000

    def add_to(self, hand_mm: FloatArray, start_us: int) -> None:
        """Add this bout to a hand's way sampled at 1 kHz from ``start_us``."""
        if self._hand_mm is None:
            self._hand_mm = trajectory_mm(self.pushes)
        at = (self.onset_us - start_us) // 1000
        first, end = max(at, 0), min(at + len(self._hand_mm), len(hand_mm))
        if first < end:
            hand_mm[first:end] += self._hand_mm[first - at : end - at]
