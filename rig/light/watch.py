"""A session's light: held against its read-back trial by trial, noted, summed, and ended when it cannot be believed.

A mismatch is a note at once; by default the rest of the session has no light. A read-back that stays on without a
command ends the session: the board has switched the laser off already, so a shutter or a person must. May not: talk to
the board, or know where the record lies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rig.calibration import LaserCurve
from rig.experiment.table import Row
from rig.light.proof import LightWatch, TrialLight
from rig.session.course import Course
from rig.session.watcher import Staged, Watcher

STUCK_US = 1_000_000  # a read-back on for so long without a command is no matter of an edge that came late


@dataclass
class LightSum:
    """The light of a session, for its summary."""

    planned_trials: int = 0
    trials: int = 0  # in which the laser was commanded
    proven_trials: int = 0  # of these, seen as commanded
    on_s: float = 0.0
    seen_s: float = 0.0
    energy_mj: float = 0.0
    site: str = ""
    worst_onset_us: int = 0
    worst_duration_us: int = 0
    mismatches: list[str] = field(default_factory=list)
    ended: str = ""

    def add(self, light: TrialLight, *, proven: bool) -> None:
        """One trial more. ``proven``: its light was seen as commanded."""
        self.planned_trials += bool(light.planned)
        self.trials += light.pulses > 0
        self.proven_trials += light.pulses > 0 and proven
        self.on_s += light.on_us / 1e6
        self.seen_s += light.seen_us / 1e6
        self.energy_mj += light.energy_mj
        self.worst_onset_us = max(self.worst_onset_us, light.onset_error_us, key=abs)
        self.worst_duration_us = max(self.worst_duration_us, light.duration_error_us, key=abs)

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it; energy is null where the laser was never measured."""
        energy = None if math.isnan(self.energy_mj) else round(self.energy_mj, 3)
        return {**asdict(self), "on_s": round(self.on_s, 6), "seen_s": round(self.seen_s, 6), "energy_mj": energy}


class LightGuard(Watcher):
    """Fed with a session's events before anything else acts on them.

    Args:
        course: is told when light is over.
        go_on: a mismatch is noted, and light goes on.
        proven: the read-back is wired. Without it, only what was commanded is summed.
        site: where the light goes, as the protocol says.
    """

    name = "light"
    hears = ("trial_begin", "trial_end", "generator", "output", "input", "lost")

    def __init__(
        self,
        course: Course,
        curve: LaserCurve | None,
        *,
        go_on: bool = False,
        proven: bool = True,
        site: str = "",
    ) -> None:
        super().__init__()
        self.sum = LightSum(site=site)
        self._course, self._go_on, self._proven = course, go_on, proven
        self._watch = LightWatch(power_of(curve))

    def event(self, name: str, board_us: int, body: tuple[int, ...], staged: Staged | None) -> None:
        """One event of a session."""
        self.hear(name, board_us, body, staged.table.generators if staged and name == "trial_begin" else ())

    def hear(self, name: str, board_us: int, body: tuple[int, ...], generators: Sequence[Row]) -> None:
        """The same from a record, which has no more than the ``generators`` of the trial that begins."""
        watch = self._watch
        if name == "trial_begin":
            watch.trial_begin(board_us, body[0], generators, self._planned(body[0]))
        elif name == "trial_end":
            watch.trial_end(board_us)
        elif name == "generator":
            watch.generator(board_us, body[0], body[1])
        elif name == "output":
            watch.output(board_us, body[0])
        elif name == "input":
            watch.input(board_us, body[0])
        else:
            watch.lost(board_us)
        self.passed(board_us)

    def passed(self, board_us: int, host_ns: int = 0) -> None:
        """So late is it by the board's clock."""
        self._watch.passed(board_us)
        for trial, what in self._watch.faults():
            if self._proven:
                self._mismatch(trial, what)
        since_us = self._watch.stuck_since_us
        if self._proven and since_us is not None and board_us - since_us > STUCK_US and not self.stop:
            self.stop = "the laser's read-back stays on without a command: close its shutter"
        self._judge(self._watch.judged(board_us))

    def finish(self) -> dict[str, Any]:
        """The session is over: the sum of its light."""
        self._judge(self._watch.judged())
        return self.sum.plain()

    def _planned(self, trial: int) -> bool | None:
        return self._course.planned(trial) if self._course.today is not None else None

    def _mismatch(self, trial: int, what: str) -> None:
        self.sum.mismatches.append(f"trial {trial}: {what}")
        ends = not self._go_on and not self._course.light_ended
        self.note("light_mismatch", trial=trial, what=what, ends_light=ends)
        if ends:
            self.outdated = True
            self.sum.ended = f"trial {trial}: {what}"
            self._course.end_light(self.sum.ended)

    def _judge(self, judged: Sequence[TrialLight]) -> None:
        for light in judged:
            if not self._proven:
                light.faults.clear()
            proven = self._proven and not light.faults
            self.sum.add(light, proven=proven)
            self.note("light", proven=proven, **light.plain())


def power_of(curve: LaserCurve | None) -> Callable[[int], float]:
    """Power in mW at a command level: by the calibration, below its first level in proportion; NaN without one."""

    def power_mw(level: int) -> float:
        if curve is None or level > curve.levels[-1]:
            return math.nan
        if level < curve.levels[0]:
            return curve.mw[0] * level / curve.levels[0]
        return curve.power_mw(level)

    return power_mw
