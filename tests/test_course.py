"""A session's way through plan and training: the same question, the same answer; and light that has ended is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plan_examples import PLAN
from test_table import PlainBench

from rig import (
    END,
    LASER,
    MASK,
    SYNC,
    Code,
    Deadline,
    Drop,
    Param,
    Params,
    Past,
    Pulse,
    State,
    Train,
    Trial,
    mm,
    ms,
    mw,
    s,
    wire,
)
from rig.errors import ProtocolError
from rig.experiment.table import Limits, compile_trial
from rig.experiment.task import Result
from rig.plan import light_trials
from rig.plan.today import Today
from rig.session.course import Course, lasts, stage_values, trial_chance, without_light
from rig.training import Rule, Stage, Training
from rig.units import ul
from rig.wire import MAX_TIMER_US

PARAMS = Params(
    light=Param(False, "light", given=True),
    press=Param(3 * mm, "press", 1 * mm, 9 * mm),
    drop=Param(8 * ul, "drop", 1 * ul, 20 * ul),
)
STAGES = Training(
    (
        Stage("easy", "p", {"press": "2 mm"}, advance=Rule(0.5, trials=4)),
        Stage("task", "p", {}, fall_back=Rule(0.5, trials=4)),
    )
)
ROW = PLAN.row("M07", 15)


def past(*outcomes: bool) -> Past:
    return Past([Result(n, "rewarded" if one else "missed", {}) for n, one in enumerate(outcomes, 1)])


def course(**changes: Any) -> Course:
    given: dict[str, Any] = {"params": PARAMS, "values": PARAMS.values_with({}), "protocol": "p", **changes}
    return Course(**given)


def trained(stage: str = "easy", by_hand: frozenset[str] = frozenset(), **base: Any) -> Course:
    values = stage_values(PARAMS, base, STAGES.stage(stage).params, by_hand)
    return course(values=values, training=STAGES, stage=stage, base=base, by_hand=by_hand)


def test_chance_is_a_trial_s_own() -> None:
    assert trial_chance(1, 7).random() == trial_chance(1, 7).random()
    assert len({trial_chance(seed, trial).random() for seed in range(20) for trial in range(20)}) == 400


@pytest.mark.parametrize("first", [0, 13])
def test_light_is_the_plan_s_sequence_from_where_the_day_stands(first: int) -> None:
    today = Today(ROW, first_trial=first)
    whole = light_trials(ROW, 120)[first:]
    lit = course(today=today)
    assert [lit.step(n, Past()).values["light"] for n in range(1, 101)] == whole[:100].tolist()
    assert [lit.step(n, Past()).given for n in (1, 2)] == [{"light": bool(whole[0])}, {"light": bool(whole[1])}]
    assert not any(course(today=Today(PLAN.row("M07", 3))).light(n) for n in range(1, 200))
    assert not any(course().light(n) for n in range(1, 200))


def test_light_that_has_ended_was_still_planned() -> None:
    lit = course(today=Today(ROW))
    trial = int(light_trials(ROW, 100).nonzero()[0][0]) + 1
    assert lit.light(trial)
    lit.end_light("trial 3: dead")
    lit.end_light("trial 4: stuck")
    assert lit.light_ended == "trial 3: dead"
    assert not lit.light(trial)
    assert lit.planned(trial)


def test_a_stage_entered_under_way_gives_its_parameters_from_the_next_trial_on() -> None:
    way = trained(drop="6 ul")
    assert way.values["press"] == 2 * mm
    step = way.step(1, past())
    assert (step.given, step.moves, step.stage) == ({"light": False}, (), "easy")
    step = way.step(5, past(True, False, True, False))
    assert (step.stage, step.values["press"], step.values["drop"]) == ("task", 3 * mm, 6 * ul)
    assert step.given == {"press": "3 mm", "light": False}
    assert step.moves[0].say().startswith("stage easy → task: success 0.50")
    assert way.step(6, past(True, False, True, False, False)).moves == ()  # only trials of this stage count
    step = way.step(9, past(True, False, True, False, False, False, False, False))
    assert (step.stage, step.values["press"], step.given) == ("easy", 2 * mm, {"light": False})


def test_what_was_set_by_hand_no_stage_changes() -> None:
    way = trained(by_hand=frozenset({"press"}), press="4 mm")
    assert way.values["press"] == 4 * mm
    assert way.step(5, past(True, True, True, True)).values["press"] == 4 * mm


def test_a_stage_of_another_protocol_changes_nothing_today() -> None:
    way = replace(trained(), protocol="other")
    step = way.step(5, past(True, True, True, True))
    assert (step.stage, step.values["press"]) == ("task", 2 * mm)


def test_a_stage_s_parameters_are_held_against_the_protocol() -> None:
    with pytest.raises(ProtocolError, match="outside"):
        stage_values(PARAMS, {}, {"press": "20 mm"})


# --- light that has ended ---------------------------------------------------------------------------------------------

PULSE, TRAIN = Pulse(LASER, 2 * s, 1 * s, power=5 * mw, ramp=100 * ms), Train(LASER, 5 * ms, 50 * ms, 20, power=5 * mw)
LIT = Trial(
    State("on", on=(LASER, MASK), start=(PULSE, Drop(4 * ul)), after=(1 * s, "train")),
    State("train", start=(TRAIN, Pulse(MASK, 1 * s)), stop=PULSE, when={TRAIN.ended: END}, outcome="stimulated"),
    note="kept",
)


def test_a_trial_without_its_light_keeps_everything_else() -> None:
    dark = without_light(LIT)
    first, second = dark.states
    assert (first.on, first.start) == ((MASK,), (Deadline(3100 * ms), Drop(4 * ul)))
    assert second.start == (Deadline(955 * ms), Pulse(MASK, 1 * s))
    assert second.stop == (Deadline(3100 * ms),)
    assert second.when == ((Deadline(955 * ms).ended, END),)
    assert (second.outcome, dark.info) == ("stimulated", {"note": "kept"})


def test_how_long_light_lasts() -> None:
    assert lasts(PULSE) == 3100 * ms
    assert lasts(TRAIN) == 955 * ms
    assert lasts(Train(LASER, 5 * ms, 50 * ms)).us == MAX_TIMER_US
    assert lasts(Code(LASER, 5)) == 125 * ms
    assert lasts(Code(SYNC, 5)) == 125 * ms


def test_only_light_that_has_ended_is_taken_away() -> None:
    lit = course()
    assert lit.allowed(LIT) is LIT
    lit.end_light("dead")
    assert lit.allowed(LIT).states == without_light(LIT).states


def test_a_dark_trial_compiles_and_drives_no_laser() -> None:
    table = compile_trial(without_light(LIT), PlainBench(), Limits())
    laser = wire.OUTPUTS.index(LASER)
    kinds = {wire.Generator.PULSE, wire.Generator.TRAIN, wire.Generator.CODE}
    assert all(row["output"] != laser for row in table.generators if row["kind"] in kinds)
    assert not any(state["outputs"] >> laser & 1 for state in table.states)
