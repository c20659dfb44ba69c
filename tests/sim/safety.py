"""The judges of pins and trials: what an output may do, who may arm, where a trial may go, what water was given.

May not: know how the core does it. Limits and tables are read from the commands in the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rig import wire
from sim.records import NUMBER, Session, Told

FOREVER = 1 << 62
CAPS_US = {0: 2_000_000, 1: 30_000_000}
CLOSED = 1 << wire.INPUTS.index("interlock")


@dataclass
class Limits:
    """What the board was told before it was locked."""

    max_on_us: dict[int, int] = field(default_factory=dict)
    duty: dict[int, tuple[int, int]] = field(default_factory=dict)  # (window, most)
    safe: int = 0
    deadman_us: int = 5_000_000
    interlock: bool = False


def limits_of(session: Session) -> Limits:
    """From the commands of the record."""
    limits = Limits()
    for _, payload in session.commands:
        name, _, _, fields = wire.decode(payload)
        values: dict[str, Any] = dict(fields)
        if name == "set_output":
            output = values["output"]
            limits.max_on_us[output] = values["max_on_us"]
            if values["window_us"]:
                limits.duty[output] = values["window_us"], values["max_duty_us"]
            limits.safe |= (1 << output) if values["safe"] else 0
        elif name == "set_safety":
            limits.deadman_us, limits.interlock = values["deadman_us"], values["interlock"] != wire.NO_INPUT
    return limits


def spans(pins: Any, output: int) -> list[tuple[int, int]]:
    """When the output was on: ``(from, to)``; what is still on at the end is on for ever."""
    on = (pins["active"] >> output) & 1
    edges = np.flatnonzero(np.diff(on, prepend=0))
    times = [int(t) for t in pins["t_us"][edges]]
    if len(times) % 2:
        times.append(FOREVER)
    return list(zip(times[::2], times[1::2], strict=True))


def ceilings(session: Session) -> Iterator[str]:
    """No output is on for longer than its ceiling, nor for more than its duty within any window."""
    assert session.life is not None
    limits = limits_of(session)
    for output, name in enumerate(wire.OUTPUTS):
        found = spans(session.life.pins, output)
        most_us = limits.max_on_us.get(output, CAPS_US.get(output, FOREVER))
        for begin_us, end_us in found:
            if end_us - begin_us > most_us:
                yield f"{name} was on for {end_us - begin_us} us at {begin_us} us; its ceiling is {most_us} us"
        if output in limits.duty:
            window_us, duty_us = limits.duty[output]
            spent_us = _most_within(found, window_us)
            if spent_us > duty_us:
                yield f"{name} was on for {spent_us} us within {window_us} us; its duty is {duty_us} us"


def _most_within(found: list[tuple[int, int]], window_us: int) -> int:
    """The longest time on within any window: it is enough to look at windows that end with a span."""
    most_us = first = 0
    for i, (_, end_us) in enumerate(found):
        while found[first][1] <= end_us - window_us:
            first += 1
        spent_us = sum(end - max(begin, end_us - window_us) for begin, end in found[first : i + 1])
        most_us = max(most_us, spent_us)
    return most_us


def faults(session: Session) -> Iterator[str]:
    """Without arming, with an open interlock, or with a silent host, every pin is at its safe level."""
    assert session.life is not None
    pins, limits = session.life.pins, limits_of(session)
    idle = pins[(pins["armed"] == 0) & (pins["active"] != 0)]
    if len(idle):
        yield f"outputs {int(idle['active'][0]):#x} were on at {int(idle['t_us'][0])} us without arming"
    unsafe = pins[(pins["active"] == 0) & (pins["pins"] != limits.safe) & (pins["armed"] != 0)]
    if len(unsafe):
        yield f"pins were {int(unsafe['pins'][0]):#x} with every output off; safe is {limits.safe:#x}"
    if limits.interlock:
        opened = pins[((pins["levels"] & CLOSED) == 0) & (pins["active"] != 0)]
        if len(opened):
            yield f"outputs were on at {int(opened['t_us'][0])} us with the interlock open"
    if len(pins) and int(pins["silent_us"].max()) > limits.deadman_us:
        yield f"outputs were on {int(pins['silent_us'].max())} us after the host's last word"


def arming(session: Session) -> Iterator[str]:
    """Nothing arms but by the host's word: armed means an `armed` event then, and that an `arm` that the host sent."""
    assert session.life is not None
    sent = [payload for _, payload in session.commands if payload[0] == NUMBER["arm"]]
    armed = [wire.EVENT_HEADER.unpack_from(e)[2] for e in session.life.events.values() if e[0] == NUMBER["armed"]]
    if len(armed) > len(sent):
        yield f"the board armed {len(armed)} times; the host said so {len(sent)} times"
    began_us = wire.EVENT_HEADER.unpack_from(session.life.events[0])[2]
    pins = session.life.pins
    rises = pins["t_us"][np.diff(pins["armed"].astype(np.int8), prepend=0) == 1]
    told = {(t_us - began_us) & 0xFFFFFFFF for t_us in armed}
    for t_us in rises:
        if int(t_us) & 0xFFFFFFFF not in told:
            yield f"the board was armed at {t_us} us by nobody's word"


# --- trials -----------------------------------------------------------------------------------------------------------


@dataclass
class _Table:
    states: dict[int, dict[str, Any]] = field(default_factory=dict)
    generators: dict[int, dict[str, Any]] = field(default_factory=dict)


def tables_of(session: Session) -> dict[int, _Table]:
    """Each trial's table as the commands built it, by the trial's number."""
    tables: dict[int, _Table] = {}
    table = _Table()
    for _, payload in session.commands:
        if not NUMBER["table_begin"] <= payload[0] <= NUMBER["table_generator"]:
            continue
        name, _, _, fields = wire.decode(payload)
        values: dict[str, Any] = dict(fields)
        if name == "table_begin":
            table = tables[values["trial"]] = _Table()
        elif name == "table_state":
            table.states[values["index"]] = values
        elif name == "table_generator":
            table.generators[values["index"]] = values
    return tables


def transitions(session: Session) -> Iterator[str]:
    """Every transition is one of the table's, at the time it says; trials begin in state 0 and end where they may."""
    tables = tables_of(session)
    walk = _Walk(tables)
    for told in session.told:
        if told.message == NUMBER["lost"]:
            walk = _Walk(tables)
        elif told.message in _WALKED:
            fault = walk.take(told)
            if fault:
                yield f"event {told.number}: {fault}"


_WALKED = {NUMBER[name] for name in ("trial_begin", "state", "trial_end")}


class _Walk:
    """Follows one trial."""

    def __init__(self, tables: dict[int, _Table]) -> None:
        self._tables = tables
        self._table: _Table | None = None
        self._begun = False
        self._state: int | None = None
        self._since_us = 0

    def take(self, told: Told) -> str:
        """The next step; a sentence where it is none."""
        values = told.fields()
        if told.message == NUMBER["trial_begin"]:
            if values["trial"] not in self._tables:
                return f"trial {values['trial']} began without a table"
            self._table, self._begun, self._state = self._tables[values["trial"]], True, None
            return ""
        if self._table is None:
            return ""
        if told.message == NUMBER["trial_end"]:
            fault = self._end(values["reason"], told.t_us)
            self._table = self._state = None
            return fault
        fault = self._step(values["state"], values["cause"], told.t_us)
        self._state, self._since_us, self._begun = values["state"], told.t_us, False
        return fault

    def _end(self, reason: int, t_us: int) -> str:
        if reason != wire.EndReason.DONE or self._table is None or self._state is None:
            return ""
        state = self._table.states[self._state]
        by_timer = state["after_us"] and state["after_to"] == wire.END and t_us == self._since_us + state["after_us"]
        if by_timer or wire.END in self._targets(state).values():
            return ""
        return f"the trial ended from state {self._state}, which does not lead there"

    @staticmethod
    def _targets(state: dict[str, Any]) -> dict[int, int]:
        found: dict[int, int] = {}
        for i in range(wire.WHEN_PER_STATE):
            if state[f"on{i}"]:
                found.setdefault(state[f"on{i}"], state[f"to{i}"])
        return found

    def _step(self, to: int, cause: int, t_us: int) -> str:
        assert self._table is not None
        if self._begun:
            return "" if (to, cause) == (0, wire.Cause.START) else f"the trial began in state {to}, cause {cause}"
        if self._state is None:
            return ""
        state = self._table.states[self._state]
        due_us = self._since_us + state["after_us"]
        if state["after_us"] and t_us > due_us:
            return f"state {self._state} lasted {t_us - due_us} us longer than its timer"
        if cause == wire.Cause.TIMER:
            good = state["after_us"] and t_us == due_us and to == state["after_to"]
        else:
            good = self._targets(state).get(cause) == to
        after_us = t_us - self._since_us
        return "" if good else f"no way leads from state {self._state} to {to} by {cause:#x} after {after_us} us"
