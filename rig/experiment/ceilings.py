"""Could this protocol ever ask more of an output than the rig allows? Answered from its tables, before it starts.

The board's ceilings would stop it anyway, in the middle of a session and with an animal in it. May not: do any I/O.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rig.errors import ProtocolError
from rig.experiment.table import Table
from rig.experiment.worst import NOTHING, Worst, worst_of

BINS = 8  # the board counts a window in so many parts, and looks at one more (docs/trial-machine.md)


@dataclass(frozen=True)
class Ceiling:
    """What an output may do, µs; ``window_us`` 0: its duty is not watched."""

    max_on_us: int
    window_us: int = 0
    max_duty_us: int = 0


@dataclass(frozen=True)
class Study:
    """What is to be checked: sample tables of trials without light and with it, and which trials have light.

    ``lights``: trial by trial, as planned; None where the tables are all there is to know. ``trials``: a session of no
    more than so many.
    """

    dark: Sequence[Table]
    light: Sequence[Table] = ()
    lights: Sequence[bool] | None = None
    trials: int | None = None

    @cached_property
    def runs(self) -> list[int]:
        """Light trials before each trial, counted from the first."""
        total, found = 0, [0]
        for light in self.lights or ():
            total += light
            found.append(total)
        return found

    def most_lights(self, n: int) -> int:
        """The most trials with light among ``n`` in a row."""
        if self.lights is None:
            return n if self.light else 0
        last = len(self.lights)
        return max((self.runs[min(last, i + n)] - self.runs[i] for i in range(last)), default=0)


def refuse_excess(study: Study, ceilings: Mapping[str, Ceiling]) -> None:
    """Raises ProtocolError naming output, ceiling and remedy for a protocol that could exceed one."""
    for output, ceiling in ceilings.items():
        dark = _worst(study.dark, output)
        light = _worst(study.light, output)
        _refuse_stretch(output, ceiling, dark.join(light))
        if ceiling.window_us:
            _refuse_duty(study, output, ceiling, dark, light)


def _worst(tables: Sequence[Table], output: str) -> Worst:
    found = NOTHING
    for table in tables:
        found = found.join(worst_of(table, output))
    return found


def _refuse_stretch(output: str, ceiling: Ceiling, worst: Worst) -> None:
    longest_us = math.inf if worst.at_begin and worst.at_end else worst.longest_us
    if longest_us >= ceiling.max_on_us:
        raise ProtocolError(
            f"{output} could be on for {_time(longest_us)} at a stretch, its ceiling is {_time(ceiling.max_on_us)}"
            f" (safety.outputs.{output}.max_on_ms): shorten it, or stop it in every state that may follow"
        )


def _refuse_duty(study: Study, output: str, ceiling: Ceiling, dark: Worst, light: Worst) -> None:
    if not dark.on_us and not light.on_us:
        return
    window_us = ceiling.window_us * (BINS + 1) / BINS
    shortest_us = min(dark.shortest_us, light.shortest_us)
    n = math.floor(window_us / shortest_us) + 2 if shortest_us else 10**9  # the first and last may reach into it
    n = min(n, study.trials or n)
    n_light = study.most_lights(n)
    spent_us = (n_light and n_light * max(light.on_us, dark.on_us)) + ((n - n_light) and (n - n_light) * dark.on_us)
    spent_us = min(spent_us, window_us)
    if spent_us >= ceiling.max_duty_us:
        raise ProtocolError(
            f"{output} could be on for {_time(spent_us)} within {_time(ceiling.window_us)}, its ceiling is"
            f" {_time(ceiling.max_duty_us)} (safety.outputs.{output}.max_duty_ms): a trial may last as little as"
            f" {_time(shortest_us)}; shorten what is on, or lengthen the interval"
        )


def _time(us: float) -> str:
    return "ever" if math.isinf(us) else f"{us / 1e6:.4g} s"


class Loaded(random.Random):
    """Chance with loaded dice: always the same end of every range, so that samples hold the extremes."""

    TURNS = 1000  # some draws try again until they like what they get: from here on the dice are fair

    def __init__(self, value: float) -> None:
        super().__init__(1)
        self._value, self._left = value, self.TURNS

    def random(self) -> float:
        """``value``, mostly."""
        self._left -= 1
        return self._value if self._left > 0 else super().random()

    def _randbelow(self, n: int) -> int:  # what choice, randint and shuffle draw with
        return int(self.random() * n)


def dice() -> list[random.Random]:
    """The chance to take samples with: both extremes, and some of what is between."""
    return [Loaded(0.0), Loaded(1 - 2**-53), *(random.Random(seed) for seed in range(6))]
