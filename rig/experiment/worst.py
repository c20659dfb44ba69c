"""The most that one trial could make of an output, found in its table: every way through the states is looked at.

An input, a push or a generator's end may come at once or never, a timer comes when it is due. What is found is never
less than what the board could meet. Floor 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rig import wire
from rig.experiment.table import Row, Table

_PIN = (wire.Generator.PULSE, wire.Generator.TRAIN, wire.Generator.CODE)


@dataclass(frozen=True)
class Worst:
    """The most that one trial can make of an output; times in µs, ``math.inf`` where nothing bounds them."""

    on_us: float
    longest_us: float  # without a pause
    shortest_us: float  # that the trial lasts
    at_begin: bool  # on from the trial's first microsecond
    at_end: bool  # perhaps still on at its last

    def join(self, other: Worst) -> Worst:
        """The worst of either."""
        return Worst(
            max(self.on_us, other.on_us),
            max(self.longest_us, other.longest_us),
            min(self.shortest_us, other.shortest_us),
            self.at_begin or other.at_begin,
            self.at_end or other.at_end,
        )


NOTHING = Worst(0.0, 0.0, math.inf, False, False)
KNOWN = 4096  # answers kept: a study asks the same of every session
_known: dict[tuple[str, str], Worst] = {}


@dataclass(frozen=True)
class _Ways:
    """The ways through a table, for one output."""

    table: Table
    output: int

    def worst(self) -> Worst:
        states = range(len(self.table.states))
        to_end = self.shortest()
        weights = [self.weight(i) for i in states]
        if not any(weights):
            return Worst(0.0, 0.0, to_end[0], False, False)
        on_us = self.settle(lambda i, onward: weights[i] + max((onward(t) for t in self.targets(i)), default=0.0))[0]
        starts = [(i, row) for i in states for row in self.starts(i)]
        first = self.table.states[0]
        return Worst(
            on_us,
            self.longest(starts, on_us),
            to_end[0],
            self.held(first) or any(not row["delay_us"] for row in self.starts(0)),
            any(self.held(self.table.states[i]) and wire.END in self.targets(i) for i in states)
            or any(_lasts_us(row) > to_end[i] for i, row in starts),
        )

    def held(self, state: Row) -> bool:
        return bool(state["outputs"] >> self.output & 1)

    def starts(self, i: int) -> list[Row]:
        """The generators on this output that state ``i`` starts."""
        rows = self.table.generators
        return [r for g, r in enumerate(rows) if self.table.states[i]["start"] >> g & 1 and self.drives(r)]

    def drives(self, row: Row) -> bool:
        return row["kind"] in _PIN and row["output"] == self.output

    def targets(self, i: int) -> list[int]:
        return [target for target, _ in _ways_out(self.table.states[i])]

    def dwell_us(self, i: int) -> float:
        """The longest a state can last: its timer, or the end of a generator that is sure to run and leads on."""
        after_us = self.table.states[i]["after_us"]
        ends = (_lasts_us(self.table.generators[g]) for g in self.led_by(i) if g in self.running[i])
        return min([float(after_us) if after_us else math.inf, *ends])

    def led_by(self, i: int) -> set[int]:
        """The generators whose end leads out of state ``i``."""
        state = self.table.states[i]
        codes = (state[f"on{k}"] for k in range(wire.WHEN_PER_STATE))
        return {code - wire.ON_GENERATOR for code in codes if code >= wire.ON_GENERATOR}

    @cached_property
    def running(self) -> list[set[int]]:
        """For each state, the generators that are sure to run when it is entered, or that it starts.

        Sure is one that was started on every way here, not stopped since, and whose end would have led elsewhere.
        """
        states = self.table.states
        every = set(range(len(self.table.generators)))
        starts = [{g for g in every if state["start"] >> g & 1} for state in states]
        stops = [{g for g in every if state["stop"] >> g & 1} for state in states]
        found = [starts[0] if i == 0 else every for i in range(len(states))]
        for _ in range(len(states) * (len(every) + 1)):
            for i, state in enumerate(states):
                for target, code in _causes(state):
                    if target == wire.END:
                        continue
                    stay = found[i] & self.led_by(i) - {code - wire.ON_GENERATOR}
                    found[target] = found[target] & ((stay - stops[target]) | starts[target])
        return found

    def settle(self, better: Callable[[int, Callable[[int], float]], float]) -> list[float]:
        """Longest ways to the end, state by state; infinite where a way may be gone round and round."""
        n = len(self.table.states)
        values = [0.0] * n
        for turn in range(2 * n + 1):
            known = {**dict(enumerate(values)), wire.END: 0.0}
            new = [max(values[i], better(i, known.__getitem__)) for i in range(n)]
            if new == values:
                break
            values = [math.inf if turn >= n and new[i] > values[i] else new[i] for i in range(n)]
        return values

    def shortest(self) -> list[float]:
        """The shortest time from each state to the trial's end."""
        n = len(self.table.states)
        values = [math.inf] * n
        for _ in range(n):
            for i, state in enumerate(self.table.states):
                ways = (cost + (0.0 if t == wire.END else values[t]) for t, cost in _ways_out(state))
                values[i] = min(ways, default=math.inf)
        return values

    def until_stopped_us(self, i: int, row: Row) -> float:
        """The longest from entering state ``i`` until this generator is stopped or the trial is over."""
        bit = 1 << next(g for g, one in enumerate(self.table.generators) if one is row)

        def onward(at: int, then: Callable[[int], float]) -> float:
            stopped = (t for t in self.targets(at) if t == wire.END or self.table.states[t]["stop"] & bit)
            going = [then(t) for t in self.targets(at) if t != wire.END and not self.table.states[t]["stop"] & bit]
            return self.dwell_us(at) + max([*(0.0 for _ in stopped), *going], default=0.0)

        return self.settle(onward)[i]

    def start_us(self, i: int, row: Row) -> float:
        """How long the output is on, in all, for one start of a generator in state ``i``."""
        free_us = max(0.0, self.until_stopped_us(i, row) - row["delay_us"])
        pulses = float(row["count"] or math.inf) if row["kind"] == wire.Generator.TRAIN else 1.0
        if row["kind"] == wire.Generator.CODE:
            return (row["count"] + 1.0) * row["width_us"]
        if row["kind"] == wire.Generator.TRAIN:
            pulses = min(pulses, math.inf if math.isinf(free_us) else math.ceil(free_us / row["period_us"]))
            return pulses * row["width_us"] + row["ramp_us"]
        return min(float(row["width_us"]), free_us) + row["ramp_us"]

    def weight(self, i: int) -> float:
        held_us = self.dwell_us(i) if self.held(self.table.states[i]) else 0.0
        return held_us + sum(self.start_us(i, row) for row in self.starts(i))

    def longest(self, starts: Sequence[tuple[int, Row]], on_us: float) -> float:
        """One generator started at one place is on for a pulse at a time; of several, nobody knows how they meet."""
        held = any(self.held(state) for state in self.table.states)
        if held or len(starts) != 1 or math.isinf(on_us):
            return on_us
        ((i, row),) = starts
        if row["kind"] == wire.Generator.PULSE:
            return self.start_us(i, row)
        return float(row["width_us"] + (row["ramp_us"] if row["kind"] == wire.Generator.TRAIN else 0))


def _causes(state: Row) -> Iterator[tuple[int, int]]:
    """``(target, transition code)``; the timer's code is 0."""
    if state["after_us"]:
        yield state["after_to"], 0
    for k in range(wire.WHEN_PER_STATE):
        if state[f"on{k}"]:
            yield state[f"to{k}"], state[f"on{k}"]


def _ways_out(state: Row) -> Iterator[tuple[int, float]]:
    if state["after_us"]:
        yield state["after_to"], float(state["after_us"])
    for k in range(wire.WHEN_PER_STATE):
        if state[f"on{k}"]:
            yield state[f"to{k}"], 0.0


def _lasts_us(row: Row) -> float:
    """From a generator's start to its end."""
    if row["kind"] == wire.Generator.TRAIN:
        return row["delay_us"] + (row["count"] or math.inf) * row["period_us"] + row["ramp_us"]
    if row["kind"] == wire.Generator.CODE:
        return float(row["delay_us"] + (2 * row["count"] + 1) * row["width_us"])
    ramp_us = row["ramp_us"] if row["kind"] == wire.Generator.PULSE else 0
    return float(row["delay_us"] + row["width_us"] + ramp_us)


def worst_of(table: Table, output: str) -> Worst:
    """The most that a trial with this table can make of an output."""
    place = (table.digest(), output)
    if place not in _known:
        if len(_known) >= KNOWN:
            _known.clear()
        _known[place] = _Ways(table, wire.OUTPUTS.index(output)).worst()
    return _known[place]
