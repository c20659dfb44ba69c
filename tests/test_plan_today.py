"""A session and its plan: the row by itself, and the faults a lab makes of clocks and files."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_examples import MICE, MONDAY, PLAN, STUDY, calm, few, plans

from rig.errors import ConfigError
from rig.plan import Light, Plan, light_trials, plan_data
from rig.plan.make import make_plan
from rig.plan.read import plan_from_data
from rig.plan.today import Deviation, Done, changes, describe, override, pick_up

DATES = PLAN.dates("M07")
DAY_15 = DATES[14]
LIGHT = "light on 5 of every 20 trials (0.25), {} window, first 10 without, at most 3 in a row"
WINDOW = PLAN.animals["M07"].light[15].window
LIGHT_15 = LIGHT.format(WINDOW)


def done(days: int, trials: int = 80) -> list[Done]:
    """The sessions of days 1 … ``days``, each on its date."""
    return [Done(DATES[day - 1], day, trials) for day in range(1, days + 1)]


def refusal(subject: str, on: date, sessions: list[Done], plan: Plan = PLAN) -> str:
    with pytest.raises(ConfigError) as error:
        pick_up(plan, subject, on, done=sessions)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_study_is_run_day_by_day_without_a_word() -> None:
    for subject in MICE:
        for day in range(1, 17):
            today = pick_up(PLAN, subject, DATES[day - 1], done=done(day - 1), first=PLAN)
            assert today.row == PLAN.row(subject, day)
            assert today.first_trial == 0
            assert today.say() == (describe(today.row),)


def test_what_is_said() -> None:
    assert describe(PLAN.row("M07", 3)) == ("M07, day 3 of 16: no light; masking light on every trial")
    assert describe(PLAN.row("M07", 15)) == (f"M07, day 15 of 16: {LIGHT_15}; masking light on every trial")
    plain = Light(fraction=1.0, block_trials=1, first_trials_without=0, max_run=None)
    plan = make_plan(replace(STUDY, windows=(), rules=plain, masking_light=False), 7)
    words = "M07, day 15 of 16: light on 1 of every 1 trials (1)"
    assert describe(plan.row("M07", 15)) == words


def test_without_dates_the_days_are_counted() -> None:
    plan = replace(PLAN, calendar=None)
    sessions = [Done(MONDAY, 1, 50), Done(MONDAY + timedelta(days=9), 2, 50)]
    later = MONDAY + timedelta(days=20)
    assert pick_up(plan, "M07", MONDAY).row.day == 1
    assert pick_up(plan, "M07", later, done=sessions).row.day == 3
    assert pick_up(plan, "M07", sessions[-1].on, done=sessions).row.day == 2
    finished = [Done(day, n, 50) for n, day in enumerate(DATES, 1)]
    assert refusal("M07", later + timedelta(days=20), finished, plan) == ("M07 day 17: the plan has days 1 … 16")


def test_a_clock_that_runs_back_is_refused() -> None:
    assert refusal("M07", DATES[4], done(14)) == (
        "M07: the date is 2025-03-07 but the last session was on 2025-03-20: set the computer's date, or give --day"
    )
    assert "set the computer's date" in refusal("M07", date(1970, 1, 1), done(1))


def test_a_clock_that_jumps_to_a_light_day_is_refused() -> None:
    assert refusal("M07", DAY_15, done(12)) == (
        "M07: day 15 has light but days 13 … 14 had no session: check the date,"
        " add the missed dates to its skip, or give --day 15"
    )
    assert "days 1 … 14 had no session" in refusal("M07", DAY_15, [])
    assert "day 14 had no session" in refusal("M07", DAY_15, done(13))


def test_a_clock_outside_of_the_plan_is_refused() -> None:
    assert "2025-03-22 is a skipped day" in refusal("M07", date(2025, 3, 22), done(15))
    assert "2026-01-01 is after the last day" in refusal("M07", date(2026, 1, 1), done(15))
    assert "2025-01-01 is before day 1" in refusal("M07", date(2025, 1, 1), [])


def test_a_missed_training_day_is_said_and_goes_on() -> None:
    today = pick_up(PLAN, "M07", DATES[9], done=done(7))
    assert today.row.day == 10
    assert today.notes == ("days 8 … 9 had no session",)


def test_missed_dates_put_under_skip_move_the_light() -> None:
    ill = replace(PLAN.animals["M07"], skip=(DATES[12], DATES[13]))
    plan = replace(PLAN, animals={**PLAN.animals, "M07": ill})
    today = pick_up(plan, "M07", DAY_15, done=done(12), first=PLAN)
    assert today.row.day == 13
    assert not today.row.light
    assert today.changed == ("M07: skip absent is now [2025-03-19, 2025-03-20]",)


def test_an_edited_calendar_that_repeats_days_is_refused() -> None:
    later = replace(PLAN.animals["M07"], offset_days=7)
    plan = replace(PLAN, animals={**PLAN.animals, "M07": later})
    assert refusal("M07", DAY_15, done(14), plan) == (
        "M07: 2025-03-21 is day 10 but day 14 is on record: was the calendar edited? set it right, or give --day"
    )


def test_a_day_by_hand_overrules_and_is_on_record() -> None:
    today = pick_up(PLAN, "M07", DAY_15, done=done(12), day=15, who="ab", why="trained elsewhere")
    (deviation,) = today.deviations
    assert (deviation.day, deviation.done, deviation.who) == (15, "day 15 by hand", "ab")
    assert "days 13 … 14 had no session" in deviation.planned
    assert deviation.say().endswith("done day 15 by hand (ab: trained elsewhere)")
    assert today.row == PLAN.row("M07", 15)
    other = pick_up(PLAN, "M07", DAY_15, done=done(14), day=14)
    assert other.deviations == (Deviation("M07", 14, "day 15", "day 14 by hand", "", ""),)
    assert other.say()[-1].endswith("(unknown: no reason given)")
    assert pick_up(PLAN, "M07", DAY_15, done=done(14), day=15).deviations == ()
    with pytest.raises(ConfigError, match="did you mean"):
        pick_up(PLAN, "M7", DAY_15, day=15)
    with pytest.raises(ConfigError, match="days 1 … 16"):
        pick_up(PLAN, "M07", DAY_15, day=17)


@given(st.lists(st.integers(0, 60), max_size=4), st.integers(0, 60))
@calm
def test_sessions_of_one_day_share_its_trials(earlier: list[int], n_trials: int) -> None:
    sessions = [*done(14), *(Done(DAY_15, 15, trials) for trials in earlier)]
    today = pick_up(PLAN, "M07", DAY_15, done=sessions)
    assert today.row.day == 15
    assert today.first_trial == sum(earlier)
    whole = light_trials(today.row, sum(earlier) + n_trials)
    np.testing.assert_array_equal(today.light_trials(n_trials), whole[sum(earlier) :])


def test_a_second_session_says_where_it_goes_on() -> None:
    today = pick_up(PLAN, "M07", DAY_15, done=[*done(14), Done(DAY_15, 15, 42)])
    assert today.notes == ("day 15 has begun already: trials go on from 43",)


def test_light_by_hand_is_a_deviation() -> None:
    today = pick_up(PLAN, "M07", DAY_15, done=done(14))
    dark = override(PLAN, today, False, "ab", "laser broken")
    assert not dark.light_trials(200).any()
    assert dark.deviations == (Deviation("M07", 15, LIGHT_15, "no light", "ab", "laser broken"),)
    assert override(PLAN, today, True) == today
    training = pick_up(PLAN, "M07", DATES[13], done=done(13))
    lit = override(PLAN, training, True, "ab", "pilot")
    assert lit.light_trials(110)[10:].sum() == 25
    assert lit.deviations[0].planned == "no light"
    assert override(PLAN, training, False) == training


def test_the_record_is_plain_data() -> None:
    today = override(PLAN, pick_up(PLAN, "M07", DAY_15, done=done(14), first=PLAN), False, "ab")
    data = json.loads(json.dumps(today.data()))
    assert data["plan_changed"] is False
    assert data["row"]["plan_digest"] == PLAN.digest
    assert data["deviations"][0]["who"] == "ab"


def test_a_plan_edited_after_its_first_session_says_so_in_every_later_record() -> None:
    first = plan_from_data(json.loads(json.dumps(plan_data(PLAN))))  # as the record holds it
    no_light = replace(PLAN.animals["M02"], light={15: PLAN.animals["M02"].light[15]})
    plan = replace(PLAN, animals={**PLAN.animals, "M02": no_light})
    for subject, day in [("M07", 15), ("M07", 16), ("M01", 15)]:
        today = pick_up(plan, subject, DATES[day - 1], done=done(day - 1), first=first)
        assert today.changed == ("M02 day 16: blocked is now no light",)
        assert today.data()["plan_changed"] is True
        assert "plan was changed after its first session" in today.say()[1]


def test_changes_in_words() -> None:
    rows = dict(PLAN.animals)
    del rows["M01"]
    rows["M17"] = PLAN.animals["M01"]
    other = replace(PLAN.rules, window="clear", fraction=1 / 3, block_trials=21)
    rows["M03"] = replace(rows["M03"], light={15: other, 16: PLAN.animals["M03"].light[16]})
    rows["M04"] = replace(rows["M04"], group="opsin")
    rules = replace(PLAN.rules, max_run=None)
    rows = {  # what the rules say goes for every day that says nothing else
        name: replace(
            animal,
            light={d: replace(li, max_run=None) for d, li in animal.light.items()},
        )
        for name, animal in rows.items()
    }
    new = replace(PLAN, animals=rows, rules=rules, days=20, calendar=None)
    assert changes(PLAN, new) == (
        "days 16 is now 20",
        "max_run 3 is now none",
        "skip_dates [] is now absent",
        "skip_weekdays [sat, sun] is now absent",
        "start 2025-03-03 is now absent",
        "M01 is no longer in the plan",
        "M03 day 15: blocked is now {window: clear, fraction: 1/3, block_trials: 21}",
        "M04: group control is now opsin",
        "M17 is now in the plan",
    )


@given(plans(), plans(), st.booleans())
@few
def test_changes_are_told_exactly_when_the_digests_differ(a: Plan, b: Plan, same: bool) -> None:
    other = plan_from_data(plan_data(a)) if same else b
    assert (changes(a, other) == ()) == (a.digest == other.digest)


@given(plans(), st.data())
@few
def test_any_single_edit_is_told(plan: Plan, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*plan.animals]))
    animal = plan.animals[name]
    edits = [replace(plan, days=plan.days + 1), replace(plan, masking_light=not plan.masking_light)]
    moved = replace(animal, offset_days=animal.offset_days + 1)
    edits.append(replace(plan, animals={**plan.animals, name: moved}))
    if animal.light:
        day = data.draw(st.sampled_from([*animal.light]))
        left = {d: light for d, light in animal.light.items() if d != day}
        edits.append(replace(plan, animals={**plan.animals, name: replace(animal, light=left)}))
        more = replace(animal.light[day], first_trials_without=99)
        lit = replace(animal, light={**animal.light, day: more})
        edits.append(replace(plan, animals={**plan.animals, name: lit}))
    for edit in edits:
        assert len(changes(plan, edit)) == 1
        assert edit.digest != plan.digest


def test_a_change_of_groups_in_a_blind_plan_is_told_without_them() -> None:
    old, new = (make_plan(replace(STUDY, blind=True), seed) for seed in (7, 8))
    lines = " ".join([*changes(old, new), *changes(old, PLAN), *changes(PLAN, new)])
    assert "M07: its group's entry is another" in lines
    assert "opsin" not in lines
    assert "control" not in lines
