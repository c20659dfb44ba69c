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
from reference_outputs import Outputs

from rig import wire
from rig.wire import Cause, EndReason, Fault, Status

STATES, RULES, GENERATORS, OUTPUTS, INPUTS, BATCH = 32, 4, 8, 8, 8, 20
U32 = 0xFFFFFFFF
DEADMAN_CAP_US = 5_000_000
CAPS_US = {0: 2_000_000, 1: 30_000_000}

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
        self.enabled, self.invert = 0xFF, 0
        self.table: Table | None = None
        self.filling: Table | None = None
        self.staged: Table | None = None
        self.running = self.stopping = False
        self.state = 0
        self.go: tuple[int, int] | None = None
        self.entries: list[int] = []
        self.ended_us: int | None = None
        self.announced: dict[int, int] = {}
        self.armed = self.locked = False
        self.faults = 0
        self.interlock = wire.NO_INPUT
        self.deadman_us = 0
        self.heard_us = self.now_us
        self.lever = Lever(self)
        self.outputs = Outputs(self)
        self.tell("boot", boot=self.boot, reason=self.reason)

    # --- time -------------------------------------------------------------------------------------------------------

    def tell(self, name: str, **fields: int | tuple[int, ...]) -> None:
        self.events.append(Event(name, self.t_us & U32, fields))

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

    def step(self, now_us: int) -> None:
        """Let everything happen that is due by ``now_us``, in its order."""
        self.now_us = now_us
        while (due := min(self._due(), default=(now_us + 1, 0, 0)))[0] <= now_us:
            self.t_us, rank, index = due
            self._happen(rank, index)
            self.settle()
        self.t_us = now_us

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
            if target == wire.END:
                self.end(EndReason.DONE)
            else:
                self.enter(target, cause)
        self.outputs.follow()

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
        self.tell("trial_begin", trial=self.table.trial, gap_us=gap_us)
        self.go = 0, Cause.START

    def enter(self, state: int, cause: int) -> None:
        self.entries = [t for t in self.entries if t == self.t_us] + [self.t_us]
        if len(self.entries) > 2 * STATES:
            self.fault(Fault.FIRMWARE, self.state)
            return
        assert self.table is not None
        row = self.table.states[state]
        assert row is not None
        self._take_back({g: self.t_us + self.generator(g).delay_us for g in _bits(row.start)})
        self.state = state
        self.tell("state", state=state, cause=cause, late_us=self.late_us())
        self.timers.pop((STATE, 0), None)
        if row.after_us:
            self.timers[STATE, 0] = self.t_us + row.after_us
        if row.flags & wire.StateFlag.ZERO_LEVER:
            self.lever.zero()
        for g in _bits(row.stop):
            self.outputs.stop(g)
        for g in _bits(row.start):
            self.outputs.start(g)
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
                self.announced[g] = due_us
                self.tell("sound_due", sound=self.generator(g).sound, due_us=due_us & U32)

    def _take_back(self, starting: dict[int, int]) -> None:
        for g, due_us in sorted(self.announced.items()):
            if starting.get(g) != due_us:
                self.tell("sound_off", sound=self.generator(g).sound)
                del self.announced[g]

    def end(self, reason: EndReason) -> None:
        if not self.running:
            return
        assert self.table is not None
        self._take_back({})
        self.outputs.halt()
        self.tell("trial_end", trial=self.table.trial, reason=reason)
        self.running, self.go, self.ended_us = False, None, self.t_us
        self.timers.pop((STATE, 0), None)
        if self.staged and self.armed and not self.stopping and reason == EndReason.DONE:
            self.begin()
        else:
            self.lever.arm(0)

    def fault(self, fault: Fault, detail: int = 0) -> None:
        self.tell("fault", fault=fault, detail=detail)
        self.faults |= 1 << fault
        self.armed = False
        self.timers.pop((DEADMAN, 0), None)
        self.end(EndReason.FAULT)
        self.staged = None

    # --- commands ---------------------------------------------------------------------------------------------------

    def heard(self, now_us: int) -> None:
        """Any good frame from the host puts the dead-man off."""
        self.step(now_us)
        self.heard_us = now_us
        if self.armed and self.deadman_us:
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
            return Status.BAD_VALUE
        status: Status = getattr(self, "_do_" + message.name)(dict(zip(message.names, values, strict=True)))
        self.settle()
        return status

    def _do_set_output(self, f: dict[str, int]) -> Status:
        if self.locked:
            return Status.LOCKED
        if f["output"] >= OUTPUTS:
            return Status.BAD_INDEX
        cap = CAPS_US.get(f["output"])
        if cap and not 0 < f["max_on_us"] <= cap or max(f["max_on_us"], f["window_us"]) > wire.MAX_TIMER_US:
            return Status.BAD_VALUE
        self.outputs.set_limit(f["output"], f["max_on_us"], f["window_us"], f["max_duty_us"])
        return Status.OK

    def _do_set_lever(self, f: dict[str, int]) -> Status:
        if f["batch"] > BATCH or f["period_us"] > wire.MAX_TIMER_US:
            return Status.BAD_VALUE
        self.lever.set_samples(f["period_us"], f["batch"])
        return Status.OK

    def _do_set_safety(self, f: dict[str, int]) -> Status:
        if self.locked:
            return Status.LOCKED
        if not 0 < f["deadman_us"] <= DEADMAN_CAP_US:
            return Status.BAD_VALUE
        if f["interlock"] >= INPUTS and f["interlock"] != wire.NO_INPUT:
            return Status.BAD_INDEX
        self.deadman_us, self.interlock = f["deadman_us"], f["interlock"]
        return Status.OK

    def _do_set_inputs(self, f: dict[str, int]) -> Status:
        if self.locked:
            return Status.LOCKED
        self.enabled, self.invert = f["enabled"] & 0xFF, f["invert"] & 0xFF
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
        self.armed, self.faults = True, 0
        self.timers[DEADMAN, 0] = self.t_us + self.deadman_us
        self.tell("armed")
        return Status.OK

    def _do_stop(self, f: dict[str, int]) -> Status:
        self.stopping = True
        if not f["at_end"]:
            self.end(EndReason.STOPPED)
        return Status.OK

    def _do_table_begin(self, f: dict[str, int]) -> Status:
        if not 0 < f["states"] <= STATES or f["rules"] > RULES or f["generators"] > GENERATORS:
            return Status.BAD_VALUE
        self.staged = None
        self.filling = Table(
            f["trial"], [None] * f["states"], [None] * f["rules"], [None] * f["generators"]
        )
        return Status.OK

    def _fill(self, rows: list[Row | None] | None, f: dict[str, int]) -> Status:
        index = f.pop("index")
        if rows is None:
            return Status.BAD_TABLE
        if index >= len(rows):
            return Status.BAD_INDEX
        rows[index] = Row(f)
        return Status.OK

    def _do_table_state(self, f: dict[str, int]) -> Status:
        return self._fill(self.filling and self.filling.states, f)

    def _do_table_rule(self, f: dict[str, int]) -> Status:
        return self._fill(self.filling and self.filling.rules, f)

    def _do_table_generator(self, f: dict[str, int]) -> Status:
        return self._fill(self.filling and self.filling.generators, f)

    def _do_table_commit(self, _: dict[str, int]) -> Status:
        if self.filling is None or not whole(self.filling):
            return Status.BAD_TABLE
        if not self.armed:
            return Status.NOT_ARMED
        self.staged, self.filling = self.filling, None
        if not self.running:
            self.stopping = False
            self.begin()
        return Status.OK

    def _do_host_event(self, f: dict[str, int]) -> Status:
        if f["code"] > 15:
            return Status.BAD_VALUE
        self.signal(wire.ON_HOST + f["code"])
        return Status.OK

    def _do_zero_lever(self, _: dict[str, int]) -> Status:
        self.lever.zero()
        return Status.OK


def whole(table: Table) -> bool:
    """Whether every row is there and every target, mask and time is within the table and the board."""
    if None in table.states or None in table.rules or None in table.generators:
        return False
    return True


def _bits(mask: int) -> list[int]:
    return [i for i in range(mask.bit_length()) if mask >> i & 1]
