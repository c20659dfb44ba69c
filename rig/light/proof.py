"""Was the light that was commanded the light that came? The laser's read-back against its command, edge by edge.

Every edge of the command must be followed by the same edge of the read-back within the tolerance, and no edge of the
read-back may stand alone. Both are stamped by the board, so the host's delays play no part. Energy is command time ×
calibrated power. May not: do any I/O, or decide what a mismatch leads to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from rig import wire
from rig.experiment.table import Row

LASER = 1 << wire.OUTPUTS.index("laser")
BACK = 1 << wire.INPUTS.index("laser_back")
TOLERANCE_US = 1000
RAMP_STEPS = 32
_LIGHT = (wire.Generator.PULSE, wire.Generator.TRAIN)
STUCK, MISSING, LENGTH = "read-back without a command", "command without read-back", "read-back of another length"
LOST = "events were lost"


@dataclass
class TrialLight:
    """The light of one trial. Errors are the largest of its pulses, read-back minus command, µs."""

    trial: int
    planned: bool | None = None  # by the plan; None: no plan says
    pulses: int = 0
    seen: int = 0
    on_us: int = 0
    seen_us: int = 0
    onset_error_us: int = 0
    duration_error_us: int = 0
    energy_mj: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def matters(self) -> bool:
        """Is there anything to say of it?"""
        return bool(self.planned or self.pulses or self.seen or self.faults)

    def plain(self) -> dict[str, Any]:
        """For the record."""
        return {**asdict(self), "energy_mj": round(self.energy_mj, 6)}


class _Edge(NamedTuple):
    board_us: int
    on: bool


class LightWatch:
    """Fed with the session's events in order; says which trials are judged, and what was wrong as soon as it is known.

    Args:
        power_mw: power at a command level 0..255.
        tolerance_us: how late an edge of the read-back may be, and how far its length may differ.
    """

    def __init__(self, power_mw: Callable[[int], float], tolerance_us: int = TOLERANCE_US) -> None:
        self._power_mw, self._tolerance_us = power_mw, tolerance_us
        self.now = self._lit = self._seen = TrialLight(0)  # whose trial it is, whose light, whose read-back
        self._judged: deque[tuple[int, TrialLight]] = deque()  # (from when it can be, which)
        self._said: deque[tuple[int, str]] = deque()  # (trial, fault)
        self._commanded: deque[_Edge] = deque()  # edges not yet answered
        self._lone: deque[tuple[_Edge, str]] = (
            deque()
        )  # edges that nothing asked for yet, and what they mean if nothing does
        self._laser = self._back = False
        self._laser_known = self._back_known = True
        self._over = True
        self._on_us = self._back_on_us = 0
        self._off_us = -(1 << 62)
        self._onset_us: int | None = None  # of the read-back's pulse, after its command
        self._generators: Sequence[Row] = ()
        self._running: dict[int, int] = {}  # generator → since when it ramps, or 0
        self._counted_us = 0

    # --- what happens ------------------------------------------------------------------------------------------------

    def trial_begin(self, board_us: int, trial: int, generators: Sequence[Row], planned: bool | None) -> None:
        """A trial begins, with these generators."""
        self._pass(board_us)
        self._count(board_us)
        self.now, self._over = TrialLight(trial, planned), False
        self._generators, self._running = generators, {}

    def trial_end(self, board_us: int) -> None:
        """The trial is over; it is judged a little later, when the last read-back must have come."""
        self._pass(board_us)
        if not self._over:
            self._over = True
            self._judged.append((board_us + 2 * self._tolerance_us, self.now))

    def generator(self, board_us: int, index: int, mark: int) -> None:
        """A generator started, ended, was stopped or ramps."""
        if index >= len(self._generators) or not self._is_light(self._generators[index]):
            return
        self._count(board_us)
        if mark == wire.GeneratorMark.START:
            self._running[index] = 0
        elif mark == wire.GeneratorMark.RAMP:
            self._running[index] = board_us
        else:
            self._running.pop(index, None)

    def output(self, board_us: int, active: int) -> None:
        """The outputs are so."""
        self._pass(board_us)
        on = bool(active & LASER)
        if not self._laser_known:
            self._laser_known, self._laser, self._on_us, self._off_us = True, on, board_us, board_us
        if on == self._laser:
            return
        self._count(board_us)
        self._laser = on
        if on:
            self._lit = self.now
            self._lit.pulses += 1
            self._on_us = board_us
        else:
            self._lit.on_us += board_us - self._on_us
            self._off_us = board_us
        if self._lone and self._lone[0][0].on == on:
            self._answer(_Edge(board_us, on), self._lone.popleft()[0].board_us)
        elif self._commanded or self._back != on:
            self._commanded.append(_Edge(board_us, on))
        elif on:
            self._fault(self._lit, STUCK)

    def input(self, board_us: int, levels: int) -> None:
        """The inputs are so."""
        self._pass(board_us)
        on = bool(levels & BACK)
        if not self._back_known and not (self._commanded and self._commanded[0].on == on):
            self._back, self._back_on_us = on, board_us
        self._back_known = True
        if on == self._back:
            return
        self._back = on
        if on:
            self._back_on_us = board_us
            self._seen = self.now
            self._seen.seen += 1
        else:
            self._seen.seen_us += board_us - self._back_on_us
        if self._commanded and self._commanded[0].on == on:
            self._answer(self._commanded.popleft(), board_us)
        elif self._laser_known and (on or self._laser):
            self._lone.append((_Edge(board_us, on), MISSING if self._laser else STUCK))

    def passed(self, board_us: int) -> None:
        """So late is it: what is still missing by now is missing."""
        self._pass(board_us)

    def lost(self, board_us: int) -> None:
        """Events are missing: what was under way is not proven, and how things stand is to be learnt anew."""
        for light in (self.now, self._lit):
            if LOST not in light.faults:
                light.faults.append(LOST)
        self._commanded.clear()
        self._lone.clear()
        self.trial_end(board_us)
        self.now = self._lit = self._seen = TrialLight(0)
        self._running.clear()
        self._laser = self._back = self._laser_known = self._back_known = False
        self._onset_us = None

    # --- what is known -----------------------------------------------------------------------------------------------

    def faults(self) -> Sequence[tuple[int, str]]:
        """``(trial, what was wrong)``, each once, as soon as it is known."""
        if not self._said:
            return ()
        said, self._said = self._said, deque()
        return list(said)

    def judged(self, board_us: int | None = None) -> Sequence[TrialLight]:
        """The trials whose light is known by now, each once; without a time: all that are over."""
        if not self._judged:
            return ()
        found = []
        while self._judged and (board_us is None or self._judged[0][0] <= board_us):
            light = self._judged.popleft()[1]
            if light.matters:
                found.append(light)
        return found

    @property
    def stuck_since_us(self) -> int | None:
        """Since when the read-back is on without a command, if it is."""
        return max(self._back_on_us, self._off_us) if self._back and not self._laser else None

    # --- edges -------------------------------------------------------------------------------------------------------

    def _answer(self, edge: _Edge, board_us: int) -> None:
        light, error_us = self._lit, board_us - edge.board_us
        if edge.on:
            light.onset_error_us = max(light.onset_error_us, error_us, key=abs)
            self._onset_us = error_us
            return
        if self._onset_us is not None:
            duration_error_us = error_us - self._onset_us
            light.duration_error_us = max(light.duration_error_us, duration_error_us, key=abs)
            if not -self._early_us() <= duration_error_us <= self._tolerance_us:
                self._fault(light, LENGTH)
        self._onset_us = None

    def _early_us(self) -> int:
        """How much sooner than the command the read-back may go off: it may lose sight of a light that ramps down."""
        ramps_us = (row["ramp_us"] for row in self._generators if self._is_light(row))
        return self._tolerance_us + max(ramps_us, default=0)

    def _pass(self, board_us: int) -> None:
        while self._commanded and board_us - self._commanded[0].board_us > self._tolerance_us:
            if self._commanded.popleft().on:
                self._onset_us = None
                self._fault(self._lit, MISSING)
                if self._commanded:  # nor is the end to be waited for of what did not begin
                    self._commanded.popleft()
            else:
                self._fault(self._lit, STUCK)
        while self._lone and board_us - self._lone[0][0].board_us > (0 if self._lone[0][0].on else self._early_us()):
            self._fault(self.now, self._lone.popleft()[1])

    def _fault(self, light: TrialLight, what: str) -> None:
        if what not in light.faults:
            light.faults.append(what)
            self._said.append((light.trial, what))

    # --- energy ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _is_light(row: Row) -> bool:
        return row["kind"] in _LIGHT and 1 << row["output"] == LASER

    def _count(self, board_us: int) -> None:
        """Add the energy since last counted."""
        since_us, self._counted_us = self._counted_us, board_us
        if not self._laser or board_us <= since_us:
            return
        level, ramp = 255, (0, 0)
        for index, ramp_since_us in self._running.items():
            row = self._generators[index]
            if row["level"] <= level:
                level, ramp = row["level"], (ramp_since_us, row["ramp_us"] // RAMP_STEPS)
        if not ramp[0] or not ramp[1]:
            self._lit.energy_mj += self._power_mw(level) * (board_us - since_us) / 1e6
            return
        step_us = ramp[1]
        for step in range(RAMP_STEPS):
            begin_us = ramp[0] + step * step_us
            part_us = min(board_us, begin_us + step_us) - max(since_us, begin_us)
            if part_us > 0:
                self._lit.energy_mj += self._power_mw(level * (RAMP_STEPS - step) // RAMP_STEPS) * part_us / 1e6
