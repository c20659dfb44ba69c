"""The outputs of the reference machine: generators and limits (see ``reference.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rig.wire import Fault, Generator, GeneratorMark

from rig import wire

if TYPE_CHECKING:
    from reference import Machine, Row

U32 = 0xFFFFFFFF
LIMIT, GENERATOR = 3, 5
OUTPUTS = 8
RAMP_STEPS = 32
EIGHTHS = 8


@dataclass
class Run:
    """A generator that was started and has not ended. ``life`` yields the time of its next change."""

    row: Row
    life: Iterator[int]
    begun: bool = False  # past its delay
    on: bool = False
    ramping: bool = False
    level: int = 0
    tone_hz: int = 0
    count: int = 0


@dataclass
class Limit:
    """What an output may do, and every interval in which it was on."""

    max_on_us: int = 0
    window_us: int = 0
    max_duty_us: int = 0
    since_us: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Outputs:
    """What is on, why, and until when it may be."""

    machine: Machine
    active: int = 0
    runs: dict[int, Run] = field(default_factory=dict)
    limits: list[Limit] = field(default_factory=lambda: [Limit() for _ in range(OUTPUTS)])

    # --- generators -------------------------------------------------------------------------------------------------

    def _mark(self, g: int, mark: GeneratorMark, count: int) -> None:
        self.machine.tell("generator", generator=g, mark=mark, count=count)

    def start(self, g: int) -> None:
        if g in self.runs:
            self._drop(g)
        row = self.machine.generator(g)
        self._mark(g, GeneratorMark.START, 0)
        if row.kind == Generator.SOUND:
            due_us = self.machine.t_us + row.delay_us
            if self.machine.announced.pop(g, None) != due_us:
                self.machine.tell("sound_due", sound=row.sound, due_us=due_us & U32)
        run = self.runs[g] = Run(row, iter(()))
        run.life = self._life(run)
        self.generator_timer(g)

    def generator_timer(self, g: int) -> None:
        """Let a generator go on to its next change."""
        run = self.runs[g]
        due_us = next(run.life, None)
        if due_us is not None:
            self.machine.timers[GENERATOR, g] = due_us
            return
        del self.runs[g]
        self._mark(g, GeneratorMark.END, run.count)
        self.machine.signal(wire.ON_GENERATOR + g)

    def _life(self, run: Run) -> Iterator[int]:
        row, t = run.row, self.machine.t_us
        if row.delay_us:
            t += row.delay_us
            yield t
        run.begun = True
        if row.kind in (Generator.PULSE, Generator.TRAIN):
            yield from self._pulses(run, t)
        elif row.kind == Generator.TONE:
            run.tone_hz = row.tone_hz
            yield t + row.width_us
        elif row.kind == Generator.SOUND:
            yield t + row.width_us
        else:
            yield from self._code(run, t)

    def _pulses(self, run: Run, t: int) -> Iterator[int]:
        row = run.row
        run.level = row.level
        count = 1 if row.kind == Generator.PULSE else row.count
        while True:
            run.on, run.count = True, run.count + 1
            yield t + row.width_us
            if run.count == count:
                break
            run.on = False
            t += row.period_us
            yield t
        t += row.width_us
        run.on = False
        if row.ramp_us:
            yield from self._ramp(run, t)

    def _ramp(self, run: Run, t: int) -> Iterator[int]:
        g = next(g for g, r in self.runs.items() if r is run)
        run.ramping = run.on = True
        self._mark(g, GeneratorMark.RAMP, run.count)
        for k in range(1, RAMP_STEPS + 1):
            yield t + run.row.ramp_us * k // RAMP_STEPS
            run.level = run.row.level * (RAMP_STEPS - k) // RAMP_STEPS

    def _code(self, run: Run, t: int) -> Iterator[int]:
        row = run.row
        bits = [1]
        for i in reversed(range(row.count)):
            bits += [0, row.ramp_us >> i & 1]
        for bit in bits:
            run.on = bool(bit)
            t += row.width_us
            yield t

    def stop(self, g: int) -> None:
        """A state's word: with a ramp where there is one, and light to ramp down from."""
        run = self.runs.get(g)
        if run is None or run.ramping:
            return
        pulses = run.row.kind in (Generator.PULSE, Generator.TRAIN)
        if pulses and run.begun and run.row.ramp_us:
            run.life = self._ramp(run, self.machine.t_us)
            self.generator_timer(g)
        else:
            self._drop(g)

    def _drop(self, g: int) -> None:
        run = self.runs.pop(g)
        self.machine.timers.pop((GENERATOR, g), None)
        self._mark(g, GeneratorMark.STOPPED, run.count)
        if run.row.kind == Generator.SOUND:
            self.machine.tell("sound_off", sound=run.row.sound)

    def halt(self) -> None:
        for g in sorted(self.runs):
            self._drop(g)

    # --- what is on -------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """The last act: what state and generators want, as far as the board is armed."""
        wanted = 0
        if self.machine.running and self.machine.armed:
            wanted = self.machine.present().outputs
            for run in self.runs.values():
                if run.on:
                    wanted |= 1 << run.row.output
        for o, limit in enumerate(self.limits):
            if (wanted ^ self.active) >> o & 1:
                self._switched(o, limit, bool(wanted >> o & 1))
        if wanted != self.active:
            self.active = wanted
            self.machine.tell("output", active=wanted, late_us=self.machine.late_us())

    def _switched(self, o: int, limit: Limit, on: bool) -> None:
        now = self.machine.t_us
        self.machine.timers.pop((LIMIT, o), None)
        if not on:
            limit.spans.append((limit.since_us, now))
            return
        limit.since_us = now
        due = [t for t in (self._ceiling_us(limit), self._duty_us(limit)) if t is not None]
        if due:
            self.machine.timers[LIMIT, o] = min(due)

    def _ceiling_us(self, limit: Limit) -> int | None:
        return limit.since_us + limit.max_on_us if limit.max_on_us else None

    def _duty_us(self, limit: Limit) -> int | None:
        """When the on-time within the window reaches its limit, if the output stays on from now."""
        if not limit.window_us:
            return None
        eighth = limit.window_us // EIGHTHS
        t = limit.since_us
        while True:
            bin_start = t // eighth * eighth
            oldest = bin_start - EIGHTHS * eighth
            spent = sum(max(0, b - max(a, oldest)) for a, b in [*limit.spans, (limit.since_us, t)])
            left = limit.max_duty_us - spent
            if left <= bin_start + eighth - t:
                return t + max(left, 0)
            if limit.since_us <= oldest:
                return None
            t = bin_start + eighth

    def limit_reached(self, o: int) -> None:
        limit = self.limits[o]
        ceiling = self._ceiling_us(limit)
        fault = Fault.CEILING if ceiling is not None and ceiling <= self.machine.t_us else Fault.DUTY
        self.machine.fault(fault, o)

    def set_limit(self, o: int, max_on_us: int, window_us: int, max_duty_us: int) -> None:
        self.limits[o] = Limit(max_on_us, window_us, max_duty_us)
