"""A second trial machine, in plain Python, written from ``docs/trial-machine.md`` and ``docs/wire.md`` alone.

It judges ``firmware/core``: both are given the same tables and the same mouse, and must tell the same events. So it is
made differently on purpose: time is an unbounded integer that never wraps, generators are Python generators, the duty
is summed from the intervals themselves, and everything due is picked from one sorted place. May not: share a line of
thought with the C, or be fast.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from reference_lever import Lever
from reference_outputs import Limit, Outputs, cap_us

from rig import wire
from rig.wire import Cause, EndReason, Fault, Status

STATES, RULES, GENERATORS, OUTPUTS, INPUTS, BATCH = 32, 4, 8, 8, 8, 20
U32 = 0xFFFFFFFF
DEADMAN_CAP_US = 5_000_000

# What falls on the same microsecond comes in this order; within a row by index.
EDGE, INPUT, DEADMAN, LIMIT, RULE, GENERATOR, STATE, SAMPLE = range(8)


class Event(NamedTuple):
    """One event as the board tells it, without its number."""

    name: str
    board_us: int
    fields: dict[str, int | tuple[int, ...]]


@dataclass
class Row:
    """A state, a rule or a generator of a table: its fields by name."""

    fields: dict[str, int]

    def __getattr__(self, name: str) -> int:
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass
class Table:
    """What one trial is made of. A missing row is None."""

    trial: int
    states: list[Row | None]
    rules: list[Row | None]
    generators: list[Row | None]


def when(state: Row) -> list[tuple[int, int]]:
    """The transitions a state lists, in order."""
    pairs = [(state.fields[f"on{i}"], state.fields[f"to{i}"]) for i in range(wire.WHEN_PER_STATE)]
    return [(on, to) for on, to in pairs if on]


@dataclass
class Machine:
    """The whole machine. Times given in and kept are unwrapped; only what is told is cut to 32 bits."""

    now_us: int
    boot: int = 1
    reason: int = 0
    t_us: int = 0
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.t_us = self.now_us
        self.timers: dict[tuple[int, int], int] = {}
        self.edges: deque[tuple[int, int]] = deque()
        self.input_changes: deque[tuple[int, int]] = deque()
        self.raw = self.levels = 0
        self.enabled, self.invert = 0, 0
        self.table: Table | None = None
        self.filling: Table | None = None
        self.staged: Table | None = None
        self.running = self.stopping = False
        self.state = 0
        self.go: tuple[int, int] | None = None
        self.hops = 0, 0  # how many transitions at which time
        self.ended_us: int | None = None
        self.announced: list[int] = []
        self.armed = self.locked = False
        self.faults = 0
        self.interlock = wire.NO_INPUT
        self.deadman_us = DEADMAN_CAP_US
        self.lever = Lever(self)
        self.outputs = Outputs(self)
        self.pins: dict[int, tuple[int, ...]] = {}  # as they were left at that time
        self.moments: dict[int, list[tuple[int, ...]]] = {}  # ... and after each thing that happened then
        self.tell("boot", boot=self.boot, reason=self.reason)

    # --- time -------------------------------------------------------------------------------------------------------

    def tell(self, name: str, at_us: int | None = None, **fields: int | tuple[int, ...]) -> None:
        self.events.append(Event(name, (self.t_us if at_us is None else at_us) & U32, fields))

    def late_us(self) -> int:
        return min(self.now_us - self.t_us, 0xFFFF)

    def edge(self, t_us: int, delta: int) -> None:
        self.edges.append((t_us, delta))

    def input(self, t_us: int, levels: int) -> None:
        self.input_changes.append((t_us, levels))

    def _due(self) -> list[tuple[int, int, int]]:
        due = [(t, rank, index) for (rank, index), t in self.timers.items()]
        if self.edges:
            due.append((self.edges[0][0], EDGE, 0))
        if self.input_changes:
            due.append((self.input_changes[0][0], INPUT, 0))
        return due

    def step(self, now_us: int, late: bool = False) -> None:
        """Let everything happen that is due by ``now_us``, in its order; all of it only now, if ``late``."""
        while (due := min(self._due(), default=(now_us + 1, 0, 0)))[0] <= now_us:
            self.t_us, rank, index = due
            self.now_us = now_us if late else self.t_us
            self._happen(rank, index)
            self.settle()
        self.t_us = self.now_us = now_us

    def _happen(self, rank: int, index: int) -> None:
        if rank == EDGE:
            self.lever.edge(self.edges.popleft()[1])
        elif rank == INPUT:
            self._input(self.input_changes.popleft()[1])
        else:
            del self.timers[rank, index]
            if rank == DEADMAN:
                self.fault(Fault.DEADMAN)
            elif rank == LIMIT:
                self.outputs.limit_reached(index)
            elif rank == RULE:
                self.lever.rule_timer(index)
            elif rank == GENERATOR:
                self.outputs.generator_timer(index)
            elif rank == STATE:
                self.ask(self.present().after_to, Cause.TIMER)
            else:
                self.lever.sample()

    def settle(self) -> None:
        """After each thing that happened: take the transition asked for, then let the outputs follow."""
        while self.go is not None:
            (target, cause), self.go = self.go, None
            self.hops = self.t_us, 1 + (self.hops[1] if self.hops[0] == self.t_us else 0)
            if self.hops[1] > 2 * STATES:
                self.fault(Fault.FIRMWARE, self.state)
            elif target == wire.END:
                self.end(EndReason.DONE)
            else:
                self.enter(target, cause)
        self.outputs.follow()
        pins = self.outputs.pins()
        self.pins[self.t_us] = pins
        self.moments.setdefault(self.t_us, []).append(pins)

    # --- inputs -----------------------------------------------------------------------------------------------------

    def _input(self, raw: int) -> None:
        self.raw = raw
        levels = (raw ^ self.invert) & self.enabled
        changed, self.levels = levels ^ self.levels, levels
        if not changed:
            return
        self.tell("input", levels=levels, changed=changed)
        if self.interlock_open() and self.armed:
            self.fault(Fault.INTERLOCK, self.interlock)
            return
        for i in range(INPUTS):
            if changed >> i & 1:
                falling = not levels >> i & 1
                self.signal(wire.ON_INPUT + 4 * i + (wire.InputEdge.FALL if falling else wire.InputEdge.RISE))
                self.signal(wire.ON_INPUT + 4 * i + (wire.InputEdge.LOW if falling else wire.InputEdge.HIGH))

    def interlock_open(self) -> bool:
        return self.interlock != wire.NO_INPUT and not self.levels >> self.interlock & 1

    # --- the trial --------------------------------------------------------------------------------------------------

    def present(self) -> Row:
        assert self.table is not None
        row = self.table.states[self.state]
        assert row is not None
        return row

    def ask(self, target: int, cause: int) -> None:
        if self.running and self.go is None:
            self.go = target, cause

    def signal(self, code: int) -> None:
        """Something happened that may move the trial."""
        if not self.running:
            return
        for on, to in when(self.present()):
            if on == code:
                self.ask(to, code)
                return

    def begin(self) -> None:
        old, self.table, self.staged = self.table, self.staged, None
        assert self.table is not None
        self.lever.switch(old, self.table)
        self.running = True
        gap_us = 0 if self.ended_us is None else self.t_us - self.ended_us
        self.tell("trial_begin", trial=self.table.trial, gap_us=gap_us & U32)
        self.enter(0, Cause.START)

    def enter(self, state: int, cause: int) -> None:
        assert self.table is not None
        row = self.table.states[state]
        assert row is not None
        self._take_back(row.start if cause == Cause.TIMER else 0)
        self.state = state
        self.tell("state", state=state, cause=cause, late_us=self.late_us())
        self.timers.pop((STATE, 0), None)
        if row.after_us:
            self.timers[STATE, 0] = self.t_us + row.after_us
        if row.flags & wire.StateFlag.ZERO_LEVER:
            self.lever.zero()
        for g in _bits(row.stop & ~row.start):
            self.outputs.stop(g)
        for g in _bits(row.start):
            self.outputs.start(g, announced=g in self.announced)
        self.announced.clear()
        self.lever.arm(row.rules)
        self._test_levels(row)
        self._announce(row)

    def _test_levels(self, row: Row) -> None:
        for on, to in when(row):
            if self.lever.holds(on) or self._input_holds(on):
                self.ask(to, on)
                return

    def _input_holds(self, code: int) -> bool:
        if not wire.ON_INPUT <= code < wire.ON_HOST:
            return False
        i, edge = divmod(code - wire.ON_INPUT, 4)
        high = bool(self.levels >> i & 1)
        return edge == (wire.InputEdge.HIGH if high else wire.InputEdge.LOW)

    def generator(self, g: int) -> Row:
        assert self.table is not None
        row = self.table.generators[g]
        assert row is not None
        return row

    def _announce(self, row: Row) -> None:
        assert self.table is not None
        if not row.after_us or row.after_to == wire.END:
            return
        target = self.table.states[row.after_to]
        assert target is not None
        for g in _bits(target.start):
            if self.generator(g).kind == wire.Generator.SOUND:
                due_us = self.t_us + row.after_us + self.generator(g).delay_us
                self.announced.append(g)
                self.tell("sound_due", sound=self.generator(g).sound, due_us=due_us & U32)

    def _take_back(self, starting: int) -> None:
        for g in self.announced:
            if not starting >> g & 1:
                self.tell("sound_off", sound=self.generator(g).sound)
        self.announced = [g for g in self.announced if starting >> g & 1]

    def end(self, reason: EndReason) -> None:
        if not self.running:
            return
        assert self.table is not None
        self._take_back(0)
        self.outputs.halt()
        self.tell("trial_end", trial=self.table.trial, reason=reason)
        self.running, self.go, self.ended_us = False, None, self.t_us
        self.timers.pop((STATE, 0), None)
        if self.staged and self.armed and not self.stopping and reason == EndReason.DONE:
            self.begin()
            return
        if reason != EndReason.DONE:
            self.staged = self.filling = None
        self.lever.arm(0)

    def fault(self, fault: Fault, detail: int = 0) -> None:
        self.tell("fault", fault=fault, detail=detail)
        self.faults |= 1 << fault
        self.armed = False
        self.timers.pop((DEADMAN, 0), None)
        self.staged = self.filling = None
        self.end(EndReason.FAULT)

    # --- commands ---------------------------------------------------------------------------------------------------

    def heard(self, now_us: int) -> None:
        """Any good frame from the host puts the dead-man off."""
        self.step(now_us)
        if self.armed:
            self.timers[DEADMAN, 0] = now_us + self.deadman_us

    def command(self, now_us: int, number: int, data: bytes) -> Status:
        """A command arrives; its status is what the board answers in `applied`."""
        self.step(now_us)
        message = wire.BY_NUMBER.get(number)
        if message is None or message.kind is not wire.Kind.COMMAND:
            return Status.UNKNOWN
        try:
            values = message.body.unpack(data)
        except struct.error:
            return Status.UNKNOWN
        status: Status = getattr(self, "_do_" + message.name)(dict(zip(message.names, values, strict=True)))
        self.settle()
        return status

    def _do_set_output(self, f: dict[str, int]) -> Status:
        if self.locked:
            return Status.LOCKED
        if f["output"] >= OUTPUTS:
            return Status.BAD_INDEX
        window_us, duty_us = f["window_us"], f["max_duty_us"]
        if not 0 < f["max_on_us"] <= cap_us(f["output"]):
            return Status.BAD_VALUE
        if window_us and not (8000 <= window_us <= wire.MAX_TIMER_US and 0 < duty_us <= window_us):
            return Status.BAD_VALUE
        self.outputs.limits[f["output"]] = Limit(f["max_on_us"], window_us, duty_us)
        return Status.OK

    def _do_set_lever(self, f: dict[str, int]) -> Status:
        if not 100 <= f["period_us"] <= 1_000_000 or not 0 < f["batch"] <= BATCH:
            return Status.BAD_VALUE
        self.lever.set_samples(f["period_us"], f["batch"])
        return Status.OK

    def _do_set_safety(self, f: dict[str, int]) -> Status:
        if self.locked:
            return Status.LOCKED
        if not 1000 <= f["deadman_us"] <= DEADMAN_CAP_US:
            return Status.BAD_VALUE
        if f["interlock"] >= INPUTS and f["interlock"] != wire.NO_INPUT:
            return Status.BAD_VALUE
        self.deadman_us, self.interlock = f["deadman_us"], f["interlock"]
        return Status.OK

    def _do_set_inputs(self, f: dict[str, int]) -> Status:
        enabled, invert = f["enabled"] & 0xFF, f["invert"] & 0xFF
        if self.locked and self.interlock != wire.NO_INPUT:
            changed = (enabled ^ self.enabled) | (invert ^ self.invert)
            if changed >> self.interlock & 1:
                return Status.LOCKED
        self.enabled, self.invert = enabled, invert
        self._input(self.raw)
        return Status.OK

    def _do_lock(self, _: dict[str, int]) -> Status:
        self.locked = True
        return Status.OK

    def _do_arm(self, _: dict[str, int]) -> Status:
        if not self.locked:
            return Status.NOT_LOCKED
        if self.interlock_open():
            return Status.FAULTED
        self.armed, self.faults, self.stopping = True, 0, False
        self.timers[DEADMAN, 0] = self.t_us + self.deadman_us
        self.tell("armed")
        return Status.OK

    def _do_stop(self, f: dict[str, int]) -> Status:
        self.stopping = True
        if not f["at_end"]:
            self.end(EndReason.STOPPED)
        return Status.OK

    def _do_table_begin(self, f: dict[str, int]) -> Status:
        if f["states"] > STATES or f["rules"] > RULES or f["generators"] > GENERATORS:
            return Status.BAD_VALUE
        self.staged = None
        self.filling = Table(f["trial"], [None] * f["states"], [None] * f["rules"], [None] * f["generators"])
        return Status.OK

    def _fill(self, kind: str, f: dict[str, int]) -> Status:
        index = f.pop("index")
        if self.filling is None:
            return Status.BAD_TABLE
        rows: list[Row | None] = getattr(self.filling, kind)
        if index >= len(rows):
            return Status.BAD_INDEX
        rows[index] = Row(f)
        return Status.OK

    def _do_table_state(self, f: dict[str, int]) -> Status:
        return self._fill("states", f)

    def _do_table_rule(self, f: dict[str, int]) -> Status:
        return self._fill("rules", f)

    def _do_table_generator(self, f: dict[str, int]) -> Status:
        return self._fill("generators", f)

    def _do_table_commit(self, _: dict[str, int]) -> Status:
        if self.filling is None or not good_table(self.filling):
            self.filling = None
            return Status.BAD_TABLE
        if not self.armed:
            return Status.FAULTED if self.faults else Status.NOT_ARMED
        self.staged, self.filling = self.filling, None
        if not self.running and not self.stopping:
            self.begin()
        return Status.OK

    def _do_host_event(self, f: dict[str, int]) -> Status:
        if f["code"] > 15:
            return Status.BAD_INDEX
        self.signal(wire.ON_HOST + f["code"])
        return Status.OK

    def _do_restart(self, _: dict[str, int]) -> Status:
        """What the machine does; that its body then starts over is the body's."""
        self.end(EndReason.STOPPED)
        self.armed = False
        self.timers.pop((DEADMAN, 0), None)
        return Status.OK

    def _do_zero_lever(self, _: dict[str, int]) -> Status:
        self.lever.zero()
        return Status.OK


# --- what a table may hold ------------------------------------------------------------------------------------------


def good_table(table: Table) -> bool:
    """Whether every row is there, and every target, mask, number and time within the table and the board."""
    if not table.states or None in table.states:
        return False
    return (
        all(row is not None and _good_state(table, row) for row in table.states)
        and all(row is not None and _good_rule(row) for row in table.rules)
        and all(row is not None and _good_generator(row) for row in table.generators)
    )


def _good_state(table: Table, row: Row) -> bool:
    targets = {*range(len(table.states)), wire.END}
    if row.after_us > wire.MAX_TIMER_US or (row.after_us and row.after_to not in targets):
        return False
    if (row.start | row.stop) >> len(table.generators) or row.rules >> len(table.rules) or row.outputs >> OUTPUTS:
        return False
    rules = range(wire.ON_RULE, wire.ON_RULE + 4 * len(table.rules))
    others = range(wire.ON_INPUT, wire.ON_GENERATOR + GENERATORS)
    return all((on in rules or on in others) and to in targets for on, to in when(row))


def _good_rule(row: Row) -> bool:
    far = 500_000_000
    if not (-far <= row.lo_counts <= far and -far <= row.hi_counts <= far):
        return False
    if max(row.time_us, row.refractory_us) > wire.MAX_TIMER_US:
        return False
    if row.gate >= INPUTS and row.gate != wire.NO_INPUT:
        return False
    if row.kind == wire.Rule.WINDOW:
        return row.lo_counts < row.hi_counts
    return row.kind == wire.Rule.PRESS and row.lo_counts != row.hi_counts and row.time_us > 0


def _good_generator(row: Row) -> bool:
    kinds = wire.Generator
    if row.kind not in list(kinds) or row.output >= OUTPUTS or row.width_us < 50:
        return False
    if max(row.delay_us, row.width_us, row.period_us) > wire.MAX_TIMER_US:
        return False
    if row.kind in (kinds.PULSE, kinds.TRAIN) and row.ramp_us and not 3200 <= row.ramp_us <= wire.MAX_TIMER_US:
        return False
    if row.kind == kinds.CODE and not 1 <= row.count <= 32:
        return False
    return row.kind != kinds.TRAIN or row.period_us - row.width_us >= 50


def _bits(mask: int) -> list[int]:
    return [i for i in range(mask.bit_length()) if mask >> i & 1]
