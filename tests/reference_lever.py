"""The lever of the reference machine: its position, its rules and its samples (see ``reference.py``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rig import wire
from rig.wire import Decision

if TYPE_CHECKING:
    from reference import Machine, Row, Table

U32 = 0xFFFFFFFF
RULE, SAMPLE = 4, 7


@dataclass
class Watch:
    """How one lever rule stands. ``inside`` and ``away`` are None while it is not armed."""

    row: Row
    armed: bool = False
    inside: bool = False
    held: bool = False
    away: bool = False
    answered: bool = False
    since_us: int = 0
    pressed_us: int | None = None
    peak_counts: int = 0


@dataclass
class Lever:
    """Position since the last zero, and everything decided from it."""

    machine: Machine
    counts: int = 0
    watches: list[Watch] = field(default_factory=list)
    period_us: int = 0
    batch: int = 0
    samples: list[int] = field(default_factory=list)
    last_sample: int = 0
    sampled_us: int = 0

    def edge(self, delta: int) -> None:
        self.counts += delta
        self._moved()

    def zero(self) -> None:
        self.machine.tell("zeroed", at_counts=self.counts)
        self.samples = [s - self.counts for s in self.samples]
        self.last_sample -= self.counts
        self.counts = 0
        self._moved()

    def switch(self, old: Table | None, new: Table) -> None:
        """A rule that is the same in both tables keeps how it stands."""
        kept = {}
        if old is not None:
            kept = {r: w for r, w in enumerate(self.watches) if r < len(new.rules) and w.row == new.rules[r]}
        for r in range(len(self.watches)):
            if r not in kept:
                self.machine.timers.pop((RULE, r), None)
        self.watches = [kept.get(r) or Watch(row) for r, row in enumerate(new.rules) if row is not None]

    def arm(self, wanted: int) -> None:
        for r, watch in enumerate(self.watches):
            want = bool(wanted >> r & 1)
            if want and not watch.armed:
                watch.armed = True
                self._begin(r, watch)
            elif not want and watch.armed:
                watch.armed = False
                self.machine.timers.pop((RULE, r), None)

    def _tell(self, r: int, decision: Decision, since_us: int, peak_counts: int) -> None:
        self.machine.tell(
            "rule",
            rule=r,
            decision=decision,
            counts=self.counts,
            since_us=since_us & U32,
            peak_counts=min(peak_counts, 0xFFFF),
        )
        if decision <= Decision.PRESS:
            self.machine.signal(wire.ON_RULE + 4 * r + decision)

    def _begin(self, r: int, watch: Watch) -> None:
        now = self.machine.t_us
        watch.peak_counts = 0
        if watch.row.kind == wire.Rule.WINDOW:
            watch.inside = watch.row.lo_counts < self.counts < watch.row.hi_counts
            self._window_changed(r, watch, now)
        else:
            sign = -1 if watch.row.hi_counts < watch.row.lo_counts else 1
            watch.away = watch.answered = sign * self.counts > sign * watch.row.lo_counts
            watch.since_us = now
            self._tell(r, Decision.AWAY if watch.away else Decision.AT_REST, now, 0)

    def _moved(self) -> None:
        for r, watch in enumerate(self.watches):
            if watch.armed and watch.row.kind == wire.Rule.WINDOW:
                self._window(r, watch)
            elif watch.armed:
                self._press(r, watch)

    # --- window -----------------------------------------------------------------------------------------------------

    def _window(self, r: int, watch: Watch) -> None:
        lo, hi, margin = watch.row.lo_counts, watch.row.hi_counts, watch.row.hysteresis_counts
        if not watch.inside:
            margin = 0
        inside = lo - margin < self.counts < hi + margin
        if inside != watch.inside:
            watch.inside = inside
            self._window_changed(r, watch, watch.since_us)

    def _window_changed(self, r: int, watch: Watch, since_us: int) -> None:
        now = self.machine.t_us
        peak, watch.peak_counts = watch.peak_counts, 0
        watch.held, watch.since_us = False, now
        self.machine.timers.pop((RULE, r), None)
        if watch.inside and watch.row.time_us:
            self.machine.timers[RULE, r] = now + watch.row.time_us
        self._tell(r, Decision.ENTER if watch.inside else Decision.LEAVE, since_us, peak)

    def rule_timer(self, r: int) -> None:
        watch = self.watches[r]
        watch.held = True
        self._tell(r, Decision.HELD, watch.since_us, watch.peak_counts)

    def holds(self, code: int) -> bool:
        """Whether a window's condition holds now."""
        if not wire.ON_RULE <= code < wire.ON_INPUT:
            return False
        r, decision = divmod(code - wire.ON_RULE, 4)
        if r >= len(self.watches):
            return False
        watch = self.watches[r]
        if not watch.armed or watch.row.kind != wire.Rule.WINDOW:
            return False
        truth = {Decision.ENTER: watch.inside, Decision.LEAVE: not watch.inside, Decision.HELD: watch.held}
        return truth.get(Decision(decision), False)

    # --- press ------------------------------------------------------------------------------------------------------

    def _press(self, r: int, watch: Watch) -> None:
        sign = -1 if watch.row.hi_counts < watch.row.lo_counts else 1
        at, lo, hi = sign * self.counts, sign * watch.row.lo_counts, sign * watch.row.hi_counts
        now = self.machine.t_us
        if watch.away and at <= lo - watch.row.hysteresis_counts:
            watch.away = False
        if not watch.away and at > lo:
            watch.away, watch.answered, watch.since_us, watch.peak_counts = True, False, now, 0
            self._tell(r, Decision.LEFT_REST, now, 0)
        if watch.away and not watch.answered and at >= hi:
            watch.answered = True
            good = not self._refuses(watch)
            if good:
                watch.pressed_us = now
            decision = Decision.PRESS if good else Decision.REFUSED
            self._tell(r, decision, watch.since_us, watch.peak_counts)

    def _refuses(self, watch: Watch) -> bool:
        now, row = self.machine.t_us, watch.row
        late = now - watch.since_us > row.time_us
        resting = watch.pressed_us is not None and now - watch.pressed_us <= row.refractory_us != 0
        untouched = row.gate != wire.NO_INPUT and not self.machine.levels >> row.gate & 1
        return late or resting or untouched

    # --- samples ----------------------------------------------------------------------------------------------------

    def set_samples(self, period_us: int, batch: int) -> None:
        self._flush()
        self.period_us, self.batch = period_us, batch
        self.last_sample = self.counts
        self.machine.timers[SAMPLE, 0] = self.machine.t_us + period_us

    def sample(self) -> None:
        change = abs(self.counts - self.last_sample)
        self.last_sample = self.counts
        for watch in self.watches:
            watch.peak_counts = max(watch.peak_counts, change)
        if self.samples and not -0x8000 <= self.counts - self.samples[0] <= 0x7FFF:
            self._flush()
        self.samples.append(self.counts)
        self.sampled_us = self.machine.t_us
        self.machine.timers[SAMPLE, 0] = self.machine.t_us + self.period_us
        if len(self.samples) >= self.batch:
            self._flush()

    def _flush(self) -> None:
        if not self.samples:
            return
        first = self.samples[0]
        offsets = tuple(s - first for s in self.samples)
        at_us, period_us = self.sampled_us, self.period_us
        self.machine.tell("lever", at_us, period_us=period_us, first_counts=first, offsets=offsets)
        self.samples = []
