"""The outputs of the reference machine: generators and limits (see ``reference.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rig import wire
from rig.wire import Fault, Generator, GeneratorMark

if TYPE_CHECKING:
    from reference import Machine, Row

U32 = 0xFFFFFFFF
LIMIT, GENERATOR = 3, 5
OUTPUTS = 8
RAMP_STEPS = 32
EIGHTHS = 8
FULL = 255  # the level of an output that no pulse or train drives
LIGHT = (Generator.PULSE, Generator.TRAIN)


def cap_us(output: int) -> int:
    """The board's own hard cap on an output's ceiling."""
    return {0: 2_000_000, 1: 30_000_000}.get(output, wire.MAX_TIMER_US)


@dataclass
class Run:
    """A generator that was started and has not ended. ``life`` yields the time of its next change."""

    g: int
    row: Row
    life: Iterator[int]
    on: bool = False
    ramping: bool = False
    level: int = 0
    begun: int = 0  # how many times it was on; slots of a code


@dataclass
class Limit:
    """What an output may do, and every interval in which it was on."""

    max_on_us: int
    window_us: int = 0
    max_duty_us: int = 0
    since_us: int = 0
    anchor_us: int = 0  # where the first eighth begins
    spans: list[tuple[int, int]] = field(default_factory=list)

    def ceiling_us(self) -> int:
        return self.since_us + self.max_on_us

    def spent_us(self, t: int) -> int:
        """On-time in the eighth of t and the eight before it."""
        oldest = self._eighth_us(t) - EIGHTHS * self._width_us()
        return sum(max(0, min(b, t) - max(a, oldest)) for a, b in self.spans)

    def duty_us(self) -> int | None:
        """When the duty is spent, if the output stays on from ``since_us``."""
        if not self.window_us:
            return None
        if not self.spent_us(self.since_us):
            self.anchor_us, self.spans = self.since_us, []
        t = self.since_us
        while True:
            here = self.since_us, t
            left = self.max_duty_us - Limit.spent_us(self.with_span(here), t)
            end = self._eighth_us(t) + self._width_us()
            if left <= 0:
                return t
            if t + left < end:
                return t + left
            if end - self.since_us > 2 * self.window_us:
                return None
            t = end

    def with_span(self, span: tuple[int, int]) -> Limit:
        return Limit(0, self.window_us, 0, 0, self.anchor_us, [*self.spans, span])

    def _width_us(self) -> int:
        return -(-self.window_us // EIGHTHS)

    def _eighth_us(self, t: int) -> int:
        return t - (t - self.anchor_us) % self._width_us()


@dataclass
class Outputs:
    """What is on, why, and until when it may be."""

    machine: Machine
    active: int = 0
    runs: dict[int, Run] = field(default_factory=dict)
    tone: Run | None = None
    limits: list[Limit] = field(default_factory=lambda: [Limit(cap_us(o)) for o in range(OUTPUTS)])

    # --- generators -------------------------------------------------------------------------------------------------

    def _mark(self, run: Run, mark: GeneratorMark) -> None:
        self.machine.tell("generator", generator=run.g, mark=mark, count=run.begun & 0xFFFF)

    def start(self, g: int, announced: bool) -> None:
        if g in self.runs:
            self._drop(self.runs[g], quietly=announced)
        row = self.machine.generator(g)
        run = self.runs[g] = Run(g, row, iter(()))
        self._mark(run, GeneratorMark.START)
        if row.kind == Generator.SOUND and not announced:
            due_us = self.machine.t_us + row.delay_us
            self.machine.tell("sound_due", sound=row.sound, due_us=due_us & U32)
        run.life = self._life(run)
        self.generator_timer(g)

    def generator_timer(self, g: int) -> None:
        """Let a generator go on to its next change."""
        run = self.runs[g]
        due_us = next(run.life, None)
        if due_us is not None:
            self.machine.timers[GENERATOR, g] = due_us
            return
        self._forget(run)
        self._mark(run, GeneratorMark.END)
        self.machine.signal(wire.ON_GENERATOR + g)

    def _life(self, run: Run) -> Iterator[int]:
        t = self.machine.t_us
        if run.row.delay_us:
            t += run.row.delay_us
            yield t
        if run.row.kind in LIGHT:
            yield from self._light(run, t)
        elif run.row.kind == Generator.CODE:
            yield from self._code(run, t)
        else:
            run.begun = 1
            if run.row.kind == Generator.TONE:
                self.tone = run
            yield t + run.row.width_us

    def _light(self, run: Run, t: int) -> Iterator[int]:
        row = run.row
        run.level = row.level
        pulses = 1 if row.kind == Generator.PULSE else row.count
        while True:
            run.on, run.begun = True, run.begun + 1
            yield t + row.width_us
            if run.begun == pulses:
                break
            run.on = False
            t += row.period_us
            yield t
        if row.ramp_us:
            yield from self._ramp(run, t + row.width_us)

    def _ramp(self, run: Run, t: int) -> Iterator[int]:
        run.ramping = run.on = True
        self._mark(run, GeneratorMark.RAMP)
        step_us = run.row.ramp_us // RAMP_STEPS
        for left in range(RAMP_STEPS, 0, -1):
            run.level = run.row.level * left // RAMP_STEPS
            t += step_us
            yield t

    def _code(self, run: Run, t: int) -> Iterator[int]:
        bits = [1]
        for i in reversed(range(run.row.count)):
            bits += [0, run.row.ramp_us >> i & 1]
        for bit in bits:
            run.on, run.begun = bool(bit), run.begun + 1
            t += run.row.width_us
            yield t

    def stop(self, g: int) -> None:
        """A state's word: with a ramp where there is one, and light to ramp down from."""
        run = self.runs.get(g)
        if run is None or run.ramping:
            return
        if run.row.kind in LIGHT and run.begun and run.row.ramp_us:
            run.life = self._ramp(run, self.machine.t_us)
            self.generator_timer(g)
        else:
            self._drop(run)

    def _drop(self, run: Run, quietly: bool = False) -> None:
        if run.row.kind == Generator.SOUND and not quietly:
            self.machine.tell("sound_off", sound=run.row.sound)
        self._forget(run)
        self._mark(run, GeneratorMark.STOPPED)

    def _forget(self, run: Run) -> None:
        del self.runs[run.g]
        self.machine.timers.pop((GENERATOR, run.g), None)
        if self.tone is run:
            self.tone = None

    def halt(self) -> None:
        for g in sorted(self.runs):
            self._drop(self.runs[g])

    # --- what is on -------------------------------------------------------------------------------------------------

    def pins(self) -> tuple[int, ...]:
        """What a body writes: active outputs, tone_hz, the level of each output."""
        levels = [FULL] * OUTPUTS
        for run in self.runs.values():
            if run.row.kind in LIGHT and run.begun:
                levels[run.row.output] = min(levels[run.row.output], run.level)
        return (self.active, self.tone.row.tone_hz if self.tone else 0, *levels)

    def _wanted(self) -> int:
        if not (self.machine.running and self.machine.armed):
            return 0
        wanted = self.machine.present().outputs
        for run in self.runs.values():
            if run.on:
                wanted |= 1 << run.row.output
        return wanted

    def follow(self) -> None:
        """The last act: what state and generators want, as far as the board is armed."""
        now, wanted = self.machine.t_us, self._wanted()
        for o, limit in enumerate(self.limits):
            if wanted & ~self.active & 1 << o and not self._may_come_on(o, limit):
                self.machine.fault(Fault.DUTY, o)
                wanted = 0
                break
        for o, limit in enumerate(self.limits):
            if self.active & ~wanted & 1 << o:
                limit.spans.append((limit.since_us, now))
                self.machine.timers.pop((LIMIT, o), None)
        if wanted != self.active:
            self.active = wanted
            self.machine.tell("output", active=wanted, late_us=self.machine.late_us())

    def _may_come_on(self, o: int, limit: Limit) -> bool:
        limit.since_us = self.machine.t_us
        duty_us = limit.duty_us()
        if duty_us == limit.since_us:
            return False
        self.machine.timers[LIMIT, o] = min(limit.ceiling_us(), limit.ceiling_us() if duty_us is None else duty_us)
        return True

    def limit_reached(self, o: int) -> None:
        if self.active >> o & 1:
            early = self.limits[o].ceiling_us() <= self.machine.t_us
            self.machine.fault(Fault.CEILING if early else Fault.DUTY, o)
