"""From a trial as it was written to the table a board runs: checked, compiled, hashed.

Errors name the state, the limit and the nearest known name. May not: know how bytes travel, or read anything but its
arguments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rig import wire
from rig.errors import ProtocolError, did_you_mean
from rig.experiment import parts, task
from rig.experiment.parts import Generator, Rule
from rig.experiment.task import END, State, Trial
from rig.units import Time

Row = dict[str, int]
SHORTEST_RAMP = Time(32_000)  # in 32 steps: an 8-bit board keeps to 1 ms while the lever moves (docs/timing.md)


@dataclass(frozen=True)
class Limits:
    """What a board can hold (its hello), what an output may do (the rig's ceilings, µs by name), which have a pin."""

    board: str = "this board"
    states: int = 32
    rules: int = 4
    generators: int = 8
    max_on_us: Mapping[str, int] | None = None
    wired: Collection[str] = wire.OUTPUTS


class Bench(Protocol):
    """What a rig's calibrations turn physical amounts into. Each raises RigError outside its range."""

    def counts(self, length_mm: float) -> int:
        """Lever travel to encoder counts."""

    def open_us(self, volume_ul: float) -> int:
        """Water to valve opening time."""

    def volume_ul(self, open_us: int) -> float:
        """What a valve opening gives."""

    def light_level(self, power_mw: float) -> int:
        """Light power to command 0..255."""

    def sound(self, generator: parts.Audible) -> int | None:
        """The number of a sound prepared on the host, or None for the board's tone pin."""


@dataclass(frozen=True)
class Table:
    """A compiled trial: rows of the wire's fields, and the names they came from."""

    states: tuple[Row, ...]
    rules: tuple[Row, ...]
    generators: tuple[Row, ...]
    state_names: tuple[str, ...]
    rule_names: tuple[str, ...]
    generator_names: tuple[str, ...]
    outcomes: tuple[str | None, ...]

    def commands(self, trial: int) -> list[tuple[str, Row]]:
        """The commands that put this table on a board as trial number ``trial``."""
        sizes = {
            "states": len(self.states),
            "rules": len(self.rules),
            "generators": len(self.generators),
        }
        rows = [("table_begin", {"trial": trial, **sizes})]
        kinds = (("state", self.states), ("rule", self.rules), ("generator", self.generators))
        for kind, table in kinds:
            rows += [(f"table_{kind}", {"index": i, **row}) for i, row in enumerate(table)]
        return [*rows, ("table_commit", {})]

    def digest(self) -> str:
        """SHA-256 over the rows (first 16 hex digits): the same trial always has the same."""
        text = repr((self.states, self.rules, self.generators, self.state_names))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def compile_trial(trial: Trial, bench: Bench, limits: Limits) -> Table:
    """Check a trial and compile it. Raises ProtocolError (or ConfigError for what a calibration refuses)."""
    states = trial.states
    rules, generators = task.rules_of(states), task.generators_of(states)
    _check_names(states)
    _check_counts(states, rules, generators, limits)
    _check_wired(states, generators, limits)
    _check_reach(states)
    maker = _Maker([state.name for state in states], rules, generators, bench, limits)
    return Table(
        states=tuple(maker.state(state) for state in states),
        rules=tuple(maker.rule(rule) for rule in rules),
        generators=tuple(maker.generator(generator) for generator in generators),
        state_names=tuple(state.name for state in states),
        rule_names=tuple(map(str, rules)),
        generator_names=tuple(map(str, generators)),
        outcomes=tuple(state.outcome for state in states),
    )


# --- checks -----------------------------------------------------------------------------------------------------------


def _check_names(states: Sequence[State]) -> None:
    names = [state.name for state in states]
    if not names:
        raise ProtocolError("a trial needs at least one state")
    for state in states:
        if names.count(state.name) > 1:
            raise ProtocolError(f'two states are called "{state.name}": give each its own name')
        if state.name == END:
            raise ProtocolError(f'"{END}" is the end of the trial and cannot be a state')
        for why, target in state.targets():
            if target != END and target not in names:
                hint = did_you_mean(target, [*names, END])
                raise ProtocolError(f'state "{state.name}": {why} leads to "{target}", which is not a state{hint}')
        for output in state.on:
            if output not in wire.OUTPUTS:
                hint = did_you_mean(output, wire.OUTPUTS)
                raise ProtocolError(f'state "{state.name}": "{output}" is not an output{hint}')


def _check_wired(states: Sequence[State], generators: Sequence[Generator], limits: Limits) -> None:
    """No record may claim an output that no pin has."""
    held = {output for state in states for output in state.on}
    driven = {"valve" if isinstance(g, parts.Drop) else getattr(g, "output", "") for g in generators}
    for output in sorted((held | driven) & {*wire.OUTPUTS} - {*limits.wired}):
        raise ProtocolError(
            f"the trial uses {output}, for which {limits.board} has no pin: name one in config.yaml, pins.{output},"
            " or take it out of the protocol"
        )


def _check_counts(
    states: Sequence[State], rules: Sequence[Rule], generators: Sequence[Generator], limits: Limits
) -> None:
    for what, n, most in (
        ("states", len(states), limits.states),
        ("lever rules", len(rules), limits.rules),
        ("generators", len(generators), limits.generators),
    ):
        if n > most:
            raise ProtocolError(f"the trial has {n} {what}; {limits.board} holds {most}")
    for state in states:
        if len(state.when) > wire.WHEN_PER_STATE:
            raise ProtocolError(
                f'state "{state.name}": {len(state.when)} transitions in `when`; a state holds {wire.WHEN_PER_STATE}'
            )
        if not list(state.targets()):
            raise ProtocolError(f'state "{state.name}" has no way out: give it `after` or `when`')


def _check_reach(states: Sequence[State]) -> None:
    by_name = {state.name: state for state in states}
    reached, edge = {states[0].name}, [states[0].name]
    ends = False
    while edge:
        for _, target in by_name[edge.pop()].targets():
            ends = ends or target == END
            if target != END and target not in reached:
                reached.add(target)
                edge.append(target)
    lost = [name for name in by_name if name not in reached]
    if lost:
        raise ProtocolError(f'state "{lost[0]}" can never be reached from "{states[0].name}": lead to it or delete it')
    if not ends:
        raise ProtocolError(f"no state leads to {END}: the trial would never be over")


# --- rows -------------------------------------------------------------------------------------------------------------

_RULE_WORDS = {"entered": 0, "left": 1, "held": 2, "pressed": 3}
_WHEN = tuple((f"on{i}", f"to{i}") for i in range(wire.WHEN_PER_STATE))
_INPUT_WORDS = {"rises": 0, "falls": 1, "high": 2, "low": 3}


@dataclass(frozen=True)
class _Maker:
    names: list[str]
    rules: list[Rule]
    generators: list[Generator]
    bench: Bench
    limits: Limits

    def state(self, state: State) -> Row:
        armed = [s.source for s, _ in state.when if isinstance(s.source, (parts.Window, parts.Press))]
        row = {
            "outputs": sum(1 << wire.OUTPUTS.index(name) for name in set(state.on)),
            "start": self._mask(self.generators, state.start),
            "stop": self._mask(self.generators, state.stop),
            "rules": self._mask(self.rules, [*armed, *state.watch]),
            "flags": int(wire.StateFlag.ZERO_LEVER) if state.zero_lever else 0,
            "after_us": 0,
            "after_to": wire.END,
        }
        if state.after:
            row["after_us"] = self._timer(f'state "{state.name}": after', state.after[0], least=1)
            row["after_to"] = self._target(state.after[1])
        for i in range(wire.WHEN_PER_STATE):
            on, to = _WHEN[i]
            signal, target = state.when[i] if i < len(state.when) else (None, "")
            row[on] = self._code(state, signal) if signal else 0
            row[to] = self._target(target) if signal else 0
        return row

    def rule(self, rule: Rule) -> Row:
        hysteresis = abs(self.bench.counts(rule.hysteresis.mm) - self.bench.counts(0))
        if isinstance(rule, parts.Window):
            low, high = sorted((self.bench.counts(rule.low.mm), self.bench.counts(rule.high.mm)))
            if low >= high:
                raise ProtocolError(f"{rule}: the window is empty (low must lie below high)")
            kind, times, gate = wire.Rule.WINDOW, (rule.hold, Time(0)), wire.NO_INPUT
        else:
            low, high = self.bench.counts(rule.rest.mm), self.bench.counts(rule.press.mm)
            if low == high:
                raise ProtocolError(f"{rule}: rest and press threshold are the same count")
            kind, times, gate = wire.Rule.PRESS, (rule.within, rule.refractory), wire.NO_INPUT
            if rule.while_high:
                gate = wire.INPUTS.index(rule.while_high.name)
        least = 1 if isinstance(rule, parts.Press) else 0
        return {
            **{"kind": int(kind), "gate": gate, "lo_counts": low, "hi_counts": high},
            "hysteresis_counts": hysteresis,
            "time_us": self._timer(str(rule), times[0], least),
            "refractory_us": self._timer(f"{rule}: refractory", times[1]),
        }

    def generator(self, generator: Generator) -> Row:
        row = dict.fromkeys((name for name, _ in wire.GENERATOR_FIELDS), 0)
        row["level"] = 255
        if isinstance(generator, parts.Code):
            return row | self._code_row(generator)
        if isinstance(generator, parts.Deadline):
            width_us = self._timer(str(generator), generator.duration, least=50)
            return row | {"kind": int(wire.Generator.TONE), "width_us": width_us}
        row["delay_us"] = self._timer(f"{generator}: delay", generator.delay)
        if isinstance(generator, parts.Audible):
            return row | self._sound_row(generator)
        if isinstance(generator, parts.Drop):
            width_us = self.bench.open_us(generator.volume.ul)
            row |= {
                "kind": wire.Generator.PULSE,
                "output": wire.OUTPUTS.index("valve"),
                "width_us": width_us,
            }
        else:
            row |= self._light_row(generator)
        self._check_ceiling(generator, row)
        return row

    def _light_row(self, generator: parts.Pulse | parts.Train) -> Row:
        if generator.output not in wire.OUTPUTS:
            raise ProtocolError(f'"{generator.output}" is not an output{did_you_mean(generator.output, wire.OUTPUTS)}')
        row = {
            "kind": int(wire.Generator.PULSE),
            "output": wire.OUTPUTS.index(generator.output),
            "width_us": self._timer(f"{generator}: width", generator.width, least=50),
            "ramp_us": self._timer(f"{generator}: ramp", generator.ramp),
        }
        if generator.power is not None:
            row["level"] = self.bench.light_level(generator.power.mw)
        if generator.ramp and generator.ramp < SHORTEST_RAMP:
            raise ProtocolError(f"{generator}: a ramp of {generator.ramp} is shorter than {SHORTEST_RAMP} (32 steps)")
        if isinstance(generator, parts.Train):
            if generator.period.us - generator.width.us < 50:
                raise ProtocolError(f"{generator}: less than 50 us between pulses: use a Pulse for steady light")
            row |= {"kind": int(wire.Generator.TRAIN), "count": generator.count}
            row["period_us"] = self._timer(f"{generator}: period", generator.period)
        return row

    def _sound_row(self, generator: parts.Audible) -> Row:
        number = self.bench.sound(generator)
        row = {"width_us": self._timer(f"{generator}: duration", generator.duration, least=50)}
        if number is None and isinstance(generator, parts.Tone):
            return row | {
                "kind": int(wire.Generator.TONE),
                "tone_hz": round(generator.frequency.hz),
            }
        return row | {"kind": int(wire.Generator.SOUND), "sound": number or 0}

    def _code_row(self, code: parts.Code) -> Row:
        if not 1 <= code.bits <= 32 or not 0 <= code.value < 1 << code.bits:
            raise ProtocolError(f"{code}: {code.value} does not fit {code.bits} bits")
        return {
            "kind": int(wire.Generator.CODE),
            "output": wire.OUTPUTS.index(code.output),
            "width_us": self._timer(f"{code}: bit", code.bit, least=50),
            "count": code.bits,
            "ramp_us": code.value,
        }

    def _check_ceiling(self, generator: Generator, row: Row) -> None:
        name = wire.OUTPUTS[row["output"]]
        most_us = (self.limits.max_on_us or {}).get(name)
        longest_us = row["width_us"] + row["ramp_us"]
        if most_us is not None and longest_us >= most_us:  # at its ceiling an output is a fault already
            raise ProtocolError(
                f"{generator}: {longest_us / 1000:g} ms is not below the ceiling of {name}"
                f" ({most_us / 1000:g} ms, safety.outputs.{name}.max_on_ms)"
            )

    def _timer(self, what: str, time: Time, least: int = 0) -> int:
        if not isinstance(time, Time):
            raise ProtocolError(f"{what}: expected a time such as 300*ms, got {time}")
        if not least <= time.us <= wire.MAX_TIMER_US:
            raise ProtocolError(f"{what}: {time} is outside {least} us .. {Time(wire.MAX_TIMER_US)}")
        return time.us

    def _target(self, name: str) -> int:
        return wire.END if name == END else self.names.index(name)

    @staticmethod
    def _mask(known: Sequence[object], named: Sequence[object]) -> int:
        mask = 0
        for one in named:
            mask |= 1 << known.index(one)
        return mask

    def _code(self, state: State, signal: parts.Signal) -> int:
        source, what = signal
        if isinstance(source, (parts.Window, parts.Press)):
            return wire.ON_RULE + 4 * self.rules.index(source) + _RULE_WORDS[what]
        if isinstance(source, parts.Input):
            return wire.ON_INPUT + 4 * wire.INPUTS.index(source.name) + _INPUT_WORDS[what]
        if isinstance(source, parts.HostEvent):
            if not 0 <= source.code <= 15:
                raise ProtocolError(f'state "{state.name}": {source}: the number must be 0..15')
            return wire.ON_HOST + source.code
        started = any(source in other.start for other in [state]) or source in self.generators
        if not started:
            raise ProtocolError(f'state "{state.name}": {source} is never started')
        return wire.ON_GENERATOR + self.generators.index(source)
