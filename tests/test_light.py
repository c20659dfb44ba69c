"""A session's light, event by event: summed, noted, and ended when it cannot be believed."""

from __future__ import annotations

import math

import pytest
from plan_examples import PLAN
from test_table import PlainBench

from rig import END, LASER, Param, Params, Pulse, State, Trial, mw, s, wire
from rig.calibration import LaserCurve
from rig.experiment.table import Limits, compile_trial
from rig.light.proof import BACK, MISSING, STUCK
from rig.light.proof import LASER as COMMAND
from rig.light.watch import STUCK_US, LightGuard, power_of
from rig.plan.today import Today
from rig.session.course import Course

PARAMS = Params(light=Param(False, "light", given=True))
CURVE = LaserCurve((0, 128, 255), (0.0, 10.0, 25.0), 25.0)
TABLE = compile_trial(
    Trial(State("a", start=Pulse(LASER, 2 * s, power=12.8 * mw), after=(5 * s, END))), PlainBench(), Limits()
)
LEVEL = TABLE.generators[0]["level"]  # 128


class Session:
    """A session of light trials of 5 s each, two of them lit."""

    def __init__(self, *, go_on: bool = False, proven: bool = True, curve: LaserCurve | None = CURVE) -> None:
        self.course = Course(PARAMS, PARAMS.values_with({}), Today(PLAN.row("M07", 15)))
        self.guard = LightGuard(self.course, curve, go_on=go_on, proven=proven, site="M1")
        self.now_us = 0

    def trial(self, number: int, *, lit: bool = True, back: bool | None = None) -> None:
        """A trial; ``back``: whether the read-back follows, if not as the light."""
        begin_us = self.now_us
        self.hear(begin_us, "trial_begin", number, 0)
        if lit:
            self.hear(begin_us, "generator", 0, int(wire.GeneratorMark.START))
            self.hear(begin_us, "output", COMMAND)
        if lit if back is None else back:
            self.hear(begin_us + 20, "input", BACK)
            self.hear(begin_us + 2_000_020, "input", 0) if not lit else None
        if lit:
            self.hear(begin_us + 2_000_000, "generator", 0, int(wire.GeneratorMark.END))
            self.hear(begin_us + 2_000_000, "output", 0)
            if back is None or back:
                self.hear(begin_us + 2_000_020, "input", 0)
        self.now_us = begin_us + 5_000_000
        self.hear(self.now_us, "trial_end", number, 0)
        self.guard.passed(self.now_us + 10_000)

    def hear(self, board_us: int, name: str, *body: int) -> None:
        self.guard.hear(name, board_us, body, TABLE.generators if name == "trial_begin" else ())


def test_light_as_commanded_is_summed_and_proven() -> None:
    session = Session()
    for number in (1, 2):
        session.trial(number)
    session.trial(3, lit=False)
    found = session.guard.finish()
    assert (found["trials"], found["proven_trials"], found["mismatches"], found["ended"]) == (2, 2, [], "")
    assert (found["on_s"], found["seen_s"], found["energy_mj"]) == (4.0, 4.0, 40.0)
    assert (found["worst_onset_us"], found["worst_duration_us"], found["site"]) == (20, 0, "M1")
    notes = list(session.guard.notes())
    assert [(note["name"], note["trial"], note["proven"]) for note in notes] == [("light", 1, True), ("light", 2, True)]
    assert list(session.guard.notes()) == []  # each once


@pytest.mark.parametrize("go_on", [False, True])
def test_a_mismatch_ends_light_unless_it_may_go_on(go_on: bool) -> None:
    session = Session(go_on=go_on)
    session.trial(1, back=False)
    session.trial(2, back=False)
    found = session.guard.finish()
    assert found["mismatches"] == [f"trial 1: {MISSING}", f"trial 2: {MISSING}"]
    assert (found["proven_trials"], bool(found["ended"]), bool(session.course.light_ended)) == (0, not go_on, not go_on)
    assert session.guard.outdated == (not go_on)  # the trial to come is made again
    ends = [note["ends_light"] for note in session.guard.notes() if note["name"] == "light_mismatch"]
    assert ends == [not go_on, False]
    assert session.guard.stop == ""


def test_light_that_nobody_asked_for_is_a_mismatch_too() -> None:
    session = Session()
    session.trial(1, lit=False, back=True)
    assert session.guard.finish()["mismatches"] == [f"trial 1: {STUCK}"]


def test_a_read_back_that_stays_ends_the_session() -> None:
    session = Session()
    session.hear(0, "trial_begin", 1, 0)
    session.hear(10, "input", BACK)
    session.guard.passed(STUCK_US)
    assert session.guard.stop == ""
    session.guard.passed(STUCK_US + 11)
    assert "close its shutter" in session.guard.stop


def test_without_a_read_back_nothing_is_proven_and_nothing_ends() -> None:
    session = Session(proven=False)
    session.trial(1, back=False)
    found = session.guard.finish()
    assert (found["trials"], found["proven_trials"], found["mismatches"], found["on_s"]) == (1, 0, [], 2.0)
    assert not session.course.light_ended
    assert [note["proven"] for note in session.guard.notes()] == [False]


def test_a_laser_that_was_never_measured_has_no_energy() -> None:
    session = Session(curve=None)
    session.trial(1)
    assert session.guard.finish()["energy_mj"] is None


def test_power_by_level() -> None:
    power = power_of(LaserCurve((64, 255), (5.0, 25.0), 25.0))
    assert power(64) == 5.0
    assert power(32) == 2.5  # below the first level, in proportion
    assert power(255) == 25.0
    assert math.isnan(power_of(LaserCurve((0, 128), (0.0, 10.0), 25.0))(200))
    assert math.isnan(power_of(None)(10))
