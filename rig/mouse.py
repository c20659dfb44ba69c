"""The simulated mouse. It meets the trial machine through the lever, its ears and its tongue, and nothing else.

Pushes are minimum-jerk movements (Flash & Hogan 1985) out, a hold, and back. May not: read clocks or files; all chance
comes from the generator it is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Push:
    """One push of the paw: onset (board µs), amplitude (mm), times out, held and back (ms)."""

    onset_us: int
    amplitude_mm: float
    out_ms: float
    hold_ms: float
    back_ms: float

    @property
    def end_us(self) -> int:
        """When the paw is back at rest."""
        return self.onset_us + int(1000 * (self.out_ms + self.hold_ms + self.back_ms))

    def add_to(self, hand_mm: FloatArray, start_us: int) -> None:
        """Add this push to a hand trajectory sampled at 1 kHz from ``start_us``."""
        t_ms = np.arange(len(hand_mm), dtype=np.float64) + (start_us - self.onset_us) / 1000
        hand_mm += self.amplitude_mm * (
            minimum_jerk(t_ms / self.out_ms) - minimum_jerk((t_ms - self.out_ms - self.hold_ms) / self.back_ms)
        )


def minimum_jerk(x: FloatArray) -> FloatArray:
    """Position of a minimum-jerk movement from 0 to 1 at ``x`` of its duration (Flash & Hogan 1985)."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * x * (10 - 15 * x + 6 * x * x))


class Mouse:
    """Pushes some time after the cue, now and then without one, and licks when water comes.

    Args:
        seed: of its private chance.
        skill: 0 (first day) .. 1 (expert): how surely and how soon it answers the cue.
    """

    def __init__(self, seed: int, skill: float = 0.7) -> None:
        self._rng = np.random.default_rng([seed, 1])
        self._skill = skill
        self._pushes: list[Push] = []
        self._licks_us: list[int] = []
        self._water_us = -(10**9)
        self._next_idle_us: int | None = None

    def hand_mm(self, start_us: int, n: int) -> FloatArray | None:
        """The paw's push on the lever, mm, at 1 kHz for ``n`` ms; None while it rests."""
        end_us = start_us + 1000 * n
        self._push_without_cue(start_us, end_us)
        self._pushes = [push for push in self._pushes if push.end_us >= start_us - 200_000]
        near = [push for push in self._pushes if push.onset_us < end_us]
        if not near:
            return None
        hand_mm = np.zeros(n)
        for push in near:
            push.add_to(hand_mm, start_us)
        return hand_mm

    def licks_us(self, start_us: int, end_us: int) -> list[int]:
        """Onsets of licks in the time given."""
        licks = [t for t in self._licks_us if start_us < t <= end_us]
        self._licks_us = [t for t in self._licks_us if t > end_us]
        return licks

    def hears(self, t_us: int, tone_hz: int) -> bool:
        """A tone began. Returns whether its plans changed."""
        if t_us - self._water_us < 1_000_000 or self._rng.random() > 0.45 + 0.5 * self._skill:
            return False
        reaction_us = int(1e6 * self._rng.lognormal(np.log(1.3 - 1.05 * self._skill), 0.5))
        self._pushes = [push for push in self._pushes if push.onset_us <= t_us]
        self._pushes.append(self._draw_push(t_us + max(60_000, reaction_us)))
        return True

    def tastes(self, t_us: int) -> bool:
        """Water came. Returns whether its plans changed."""
        self._water_us = t_us
        first_us = t_us + int(1e3 * self._rng.uniform(80, 200))
        self._licks_us += [first_us + int(i * 1e6 / 7) for i in range(int(self._rng.integers(4, 10)))]
        return True

    def _draw_push(self, onset_us: int) -> Push:
        rng = self._rng
        return Push(onset_us, rng.normal(4.2, 0.5), rng.uniform(60, 130), rng.uniform(80, 300), rng.uniform(150, 400))

    def _push_without_cue(self, start_us: int, end_us: int) -> None:
        if self._next_idle_us is None:
            self._next_idle_us = start_us + int(1e6 * self._rng.exponential(25))
        while self._next_idle_us < end_us:
            if not any(push.end_us > self._next_idle_us - 500_000 for push in self._pushes):
                self._pushes.append(self._draw_push(self._next_idle_us))
            self._next_idle_us += int(1e6 * (1 + self._rng.exponential(25)))
