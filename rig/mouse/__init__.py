"""The simulated mouse. It meets the trial machine through the lever, its ears, its tongue and the light in its brain.

It answers a cue with bouts of pushes until water comes; practice makes it quick, sure and like itself. May not: read
clocks or files; all chance comes from the seeds it is given.
"""

from __future__ import annotations

import math

import numpy as np

from rig.mouse.animal import POPULATION, Animal, Population, ability
from rig.mouse.push import Bout, FloatArray, Push, minimum_jerk, trajectory_mm

__all__ = ["Bout", "Mouse", "Push", "minimum_jerk", "trajectory_mm"]

PATIENCE_US = 10_000_000  # it stops trying about when the tone ends
REWARD_TONE_US = 1_000_000  # a tone this soon after water is not a cue
LIGHT_LINGERS_US = 100_000  # a train of light pulses is light
UNCUED_HITS = 0.3  # a bout without a cue is so much less likely to hold a press


class Mouse:
    """One animal in one session.

    Args:
        animal: who it is (:func:`rig.mouse.animal.draw_animal`).
        day: of its training, from 1.
    """

    def __init__(self, animal: Animal, day: int, population: Population = POPULATION) -> None:
        self.animal, self._population = animal, population
        self._dark = ability(animal, day, population=population)
        self._lit = ability(animal, day, light=True, population=population)
        self._seed = (animal.study, animal.number, day)
        self._idle = np.random.default_rng([*self._seed, 2])
        self._tongue = np.random.default_rng([*self._seed, 3])
        self._next_idle_us: int | None = None
        self._bouts: list[Bout] = []
        self._licks_us: list[int] = []
        self._water_us = -(10**9)
        self._drops = 0
        self._cues = 0
        self._cue_us: int | None = None  # of the trial it is working on
        self._light = False
        self._dark_since_us = -(10**9)

    # --- what the world asks (rig.animals.Hand) ------------------------------------------------------------------

    def hand_mm(self, start_us: int, n: int) -> FloatArray | None:
        """The paw's push on the lever, mm, at 1 kHz for ``n`` ms; None while it rests."""
        end_us = start_us + 1000 * n
        self._move_idly(start_us, end_us)
        self._bouts = [bout for bout in self._bouts if bout.end_us >= start_us - 200_000]
        near = [bout for bout in self._bouts if bout.onset_us < end_us]
        if not near:
            return None
        hand_mm = np.zeros(n)
        for bout in near:
            bout.add_to(hand_mm, start_us)
        return hand_mm

    def licks_us(self, start_us: int, end_us: int) -> list[int]:
        """Onsets of licks in the time given."""
        licks = [t for t in self._licks_us if start_us < t <= end_us]
        self._licks_us = [t for t in self._licks_us if t > end_us]
        return licks

    def hears(self, t_us: int, tone_hz: int) -> bool:
        """A tone began. Returns whether its plans changed."""
        if t_us - self._water_us < REWARD_TONE_US:
            return False
        self._cues += 1
        self._cue_us = t_us
        return self._replan(t_us)

    def tastes(self, t_us: int) -> bool:
        """Water came: it licks, and tries no more. Returns whether its plans changed."""
        self._water_us, self._cue_us = t_us, None
        self._drops += 1
        self._bouts = [bout for bout in self._bouts if bout.onset_us <= t_us]
        first_us = t_us + int(1e3 * self._tongue.uniform(80, 200))
        self._licks_us += [first_us + int(i * 1e6 / 7) for i in range(int(self._tongue.integers(4, 10)))]
        return True

    def feels_light(self, t_us: int, on: bool) -> bool:
        """Light in its motor thalamus begins or ends. Returns whether its plans changed."""
        was_lit = self._lit_at(t_us)
        self._light = on
        if not on:
            self._dark_since_us = t_us
        if was_lit or not on or not self.animal.light_effect or self._cue_us is None:
            return False
        return t_us - self._cue_us < PATIENCE_US and self._replan(t_us)

    def _lit_at(self, t_us: int) -> bool:
        return self._light or t_us - self._dark_since_us < LIGHT_LINGERS_US

    # --- answering a cue -----------------------------------------------------------------------------------------

    def _replan(self, now_us: int) -> bool:
        """What it will do about the cue from now on. The same trial has the same luck, with light or without."""
        assert self._cue_us is not None
        begun = [bout for bout in self._bouts if bout.onset_us <= now_us]
        free_us = max((bout.end_us + 100_000 for bout in begun), default=0)
        self._bouts = begun + [
            bout for bout in self._answer(self._cue_us, free_us, self._lit_at(now_us)) if bout.onset_us > now_us
        ]
        return True

    def _answer(self, cue_us: int, free_us: int, light: bool) -> list[Bout]:
        """Bouts in answer to a cue, none before ``free_us``: it goes on until water comes or the tone ends."""
        can, population = self._lit if light else self._dark, self._population
        rng = np.random.default_rng([*self._seed, 4, self._cues])
        sated = 1 / (1 + math.exp((self._drops - self.animal.capacity_drops) / 10))
        if rng.random() > can.engage * sated:
            return []
        reaction_s = max(0.04, can.reaction_s * math.exp(population.reaction_log_sd * rng.standard_normal()))
        at_us = max(cue_us + int(1e6 * reaction_s), free_us)
        bouts: list[Bout] = []
        while at_us < cue_us + PATIENCE_US:
            bouts.append(self._bout(at_us, rng, light=light, cued=True))
            at_us = bouts[-1].end_us + int(1e6 * (0.6 + population.pause_s * rng.standard_exponential()))
        return bouts

    def _bout(self, onset_us: int, rng: np.random.Generator, *, light: bool, cued: bool) -> Bout:
        """One bout: small pushes, the one that counts, small ones again; practice makes each the like of the last."""
        can, own = self._lit if light else self._dark, self.animal.template
        hit = rng.random() < can.hit * (1.0 if cued else UNCUED_HITS)

        def about(value: float, share: float = 1.0) -> float:
            return value * math.exp(share * can.scatter * rng.standard_normal())

        into_ms = min(1000 * about(can.into_s), 3000.0)
        hold_ms, back_ms = min(about(own.hold_ms), 2500.0), min(about(own.back_ms, 0.5), 900.0)
        if hit:
            amplitude_mm, out_ms = max(3.6, about(own.amplitude_mm, 0.1)), min(max(about(own.out_ms, 0.3), 15.0), 80.0)
        else:
            amplitude_mm, out_ms = rng.uniform(0.5, 2.5), rng.uniform(50, 250)
        main = Push(into_ms, amplitude_mm, out_ms, hold_ms, back_ms)
        before = self._small_pushes(0.0, rng, until_ms=into_ms - 60)
        after = self._small_pushes(main.end_ms, rng, n=int(rng.poisson(own.fidgets)))
        return Bout(onset_us, (*before, main, *after), hit)

    def _small_pushes(
        self, at_ms: float, rng: np.random.Generator, n: int = 99, until_ms: float = math.inf
    ) -> list[Push]:
        """Pushes too small to count, close upon each other."""
        pushes: list[Push] = []
        while len(pushes) < n and at_ms < until_ms:
            height_mm, out_ms, hold_ms = rng.uniform(0.3, 1.2), rng.uniform(50, 150), rng.uniform(0, 100)
            pushes.append(Push(at_ms, height_mm, out_ms, hold_ms, rng.uniform(80, 200)))
            at_ms = pushes[-1].end_ms + rng.uniform(0, 250)
        return pushes

    # --- on its own ----------------------------------------------------------------------------------------------

    def _move_idly(self, start_us: int, end_us: int) -> None:
        """Bouts without a cue come by chance, unless it is busy."""
        mean_s = self._population.idle_s
        if self._next_idle_us is None:
            self._next_idle_us = start_us + int(1e6 * self._idle.exponential(mean_s))
        while self._next_idle_us < end_us:
            at_us = self._next_idle_us
            rng = np.random.default_rng([*self._seed, 5, int(self._idle.integers(1 << 31))])
            waits = self._cue_us is not None and at_us - self._cue_us < PATIENCE_US
            if not waits and not any(bout.end_us > at_us - 500_000 for bout in self._bouts):
                self._bouts.append(self._bout(at_us, rng, light=False, cued=False))
            self._next_idle_us = at_us + int(1e6 * (1 + self._idle.exponential(mean_s)))
