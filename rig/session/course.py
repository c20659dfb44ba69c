"""What each trial of a session is given beside chance: light by the plan, parameters by the stage of training.

Floor 0. The same course, asked for the same trials after the same outcomes, always says the same: that is how
``rig verify`` holds the record against the plan. What stands in ``Step.given`` stands in the trial's note.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rig.experiment.params import Params, Values
from rig.experiment.parts import LASER, Code, Deadline, Generator, Pulse, Signal, Train
from rig.experiment.task import Past, State, Trial
from rig.plan import MAX_TRIALS
from rig.plan.today import Today
from rig.training import Move, Training
from rig.units import Time
from rig.wire import MAX_TIMER_US

LIGHT, MASKED = "light", "mask"  # parameters that a light plan gives


def trial_chance(seed: int, trial: int) -> random.Random:
    """The chance of one trial: its own, so that a trial can be made again without those before it."""
    return random.Random(hashlib.sha256(f"rig trial {seed} {trial}".encode()).digest())


@dataclass(frozen=True)
class Step:
    """One trial to come. ``given``: where its parameters differ from the session's, in JSON's types."""

    trial: int
    values: Values
    given: dict[str, Any]
    stage: str = ""
    moves: tuple[Move, ...] = ()


@dataclass
class Course:
    """A session's way through plan and training.

    Args:
        values: the parameters that the session begins with.
        today: its row of the light plan, or None.
        stage: where in ``training`` it begins.
        base: the parameters without any stage's.
        by_hand: parameters that no stage may change.
    """

    params: Params
    values: Values
    today: Today | None = None
    training: Training | None = None
    stage: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    by_hand: frozenset[str] = frozenset()
    protocol: str = ""
    light_ended: str = ""
    _since: int = 0  # results before this one were another stage's
    _own: dict[str, Any] = field(default_factory=dict)  # what a stage entered under way has changed
    _lights: Any = None

    def step(self, trial: int, past: Past) -> Step:
        """What trial number ``trial`` (1 is the first) is given after these outcomes."""
        moves = self._move(past)
        given: dict[str, Any] = dict(self._own)
        if LIGHT in self.params and self.params[LIGHT].given:
            given[LIGHT] = self.light(trial)
        values = self.params.values_with({**self.values, **given})
        return Step(trial, values, given, self.stage, moves)

    def light(self, trial: int) -> bool:
        """Whether this trial has light: as planned, until light has ended."""
        return not self.light_ended and self.planned(trial)

    def planned(self, trial: int) -> bool:
        """Whether the plan gives light to this trial."""
        if self.today is None:
            return False
        if self._lights is None:
            self._lights = self.today.light_trials(MAX_TRIALS - self.today.first_trial)
        return bool(trial <= len(self._lights) and self._lights[trial - 1])

    def end_light(self, reason: str) -> None:
        """No light any more in this session."""
        self.light_ended = self.light_ended or reason

    def allowed(self, trial: Trial) -> Trial:
        """The trial as it may be run: without the laser, once light has ended, also where the protocol has its own."""
        return without_light(trial) if self.light_ended else trial

    def _move(self, past: Past) -> tuple[Move, ...]:
        if self.training is None or not self.stage:
            return ()
        here = [result.outcome == "rewarded" for result in past.results[self._since :]]
        move = self.training.after_trials(self.stage, here)
        if move is None:
            return ()
        self.stage, self._since = move.after, past.n
        stage = self.training.stage(move.after)
        if stage.protocol == self.protocol:
            now = stage_values(self.params, self.base, stage.params, self.by_hand)
            self._own = {name: _plain(value) for name, value in now.items() if value != self.values[name]}
        return (move,)


def stage_values(
    params: Params, base: Mapping[str, Any], stage: Mapping[str, str], by_hand: frozenset[str] = frozenset()
) -> Values:
    """The base with a stage's parameters laid over it, but for those that were set by hand. Raises ProtocolError."""
    return params.values_with({**base, **{name: value for name, value in stage.items() if name not in by_hand}})


def without_light(trial: Trial) -> Trial:
    """The same trial with the laser never on: each of its pulses and trains is a deadline that ends when it would."""

    def dark(generator: Generator) -> Generator:
        return generator if getattr(generator, "output", None) != LASER else Deadline(lasts(generator))

    states = [
        State(
            state.name,
            on=[name for name in state.on if name != LASER],
            start=[dark(generator) for generator in state.start],
            stop=[dark(generator) for generator in state.stop],
            after=state.after,
            when={_from(signal, dark): target for signal, target in state.when},
            watch=state.watch,
            zero_lever=state.zero_lever,
            outcome=state.outcome,
        )
        for state in trial.states
    ]
    return Trial(*states, **trial.info)


def lasts(generator: Generator) -> Time:
    """From the start of a pulse or a train to its end; of one that goes on until it is stopped, as long as can be."""
    if isinstance(generator, Pulse):
        return generator.delay + generator.width + generator.ramp
    if isinstance(generator, Code):
        return generator.bit * (2 * generator.bits + 1)
    assert isinstance(generator, Train)
    if not generator.count:
        return Time(MAX_TIMER_US)
    return generator.delay + generator.period * (generator.count - 1) + generator.width + generator.ramp


def _from(signal: Signal, dark: Callable[[Any], Any]) -> Signal:
    return Signal(dark(signal.source), signal.what)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else str(value)
