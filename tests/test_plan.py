"""The light plan: the acceptance study over 1,000 seeds, trials, rows, dates, digest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_examples import MICE, MONDAY, PLAN, STUDY, calm, few, longest_run, plans

from rig.errors import ConfigError
from rig.plan import MAX_TRIALS, Light, Plan, light_trials, plan_data
from rig.plan.check import check_light
from rig.plan.make import make_plan

LIGHT_DAYS = (15, 16)
N_TRIALS = 10 + 5 * 20


@pytest.mark.parametrize("hundred", range(10))
def test_sixteen_mice_for_two_weeks_are_balanced_exactly(hundred: int) -> None:
    """8 opsin, 8 control; days 15 and 16; 25 % of trials, first 10 without, at most 3 in a row."""
    for seed in range(100 * hundred, 100 * hundred + 100):
        plan = make_plan(STUDY, seed)
        assert_balanced(plan)
        for subject in MICE:
            for day in LIGHT_DAYS:
                assert_obeyed(light_trials(plan.row(subject, day), N_TRIALS))
        assert make_plan(STUDY, seed).digest == plan.digest


def assert_balanced(plan: Plan) -> None:
    for group in ("opsin", "control"):
        members = [animal for animal in plan.animals.values() if animal.group == group]
        assert len(members) == 8
        for day in LIGHT_DAYS:
            windows = [animal.light[day].window for animal in members]
            assert windows.count("clear") == windows.count("blocked") == 4
    for animal in plan.animals.values():
        assert {animal.light[day].window for day in LIGHT_DAYS} == {"clear", "blocked"}
        assert tuple(animal.light) == LIGHT_DAYS  # and so no light on any other day


def assert_obeyed(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    assert not flags[:10].any()
    assert flags[10:].reshape(-1, 20).sum(axis=1).tolist() == [5] * 5
    four = np.convolve(flags, np.ones(4, dtype=int))
    assert four.max() <= 3


def test_seeds_days_and_animals_differ() -> None:
    plans = [make_plan(STUDY, seed) for seed in range(20)]
    assert len({plan.digest for plan in plans}) == 20
    rows = [PLAN.row(subject, day) for subject in MICE for day in LIGHT_DAYS]
    assert len({light_trials(row, N_TRIALS).tobytes() for row in rows}) == len(rows)


@given(plans(), st.integers(0, 120), st.integers(0, 120))
@few
def test_trials_obey_the_row_and_more_of_them_change_none(plan: Plan, n: int, more: int) -> None:
    for subject, animal in plan.animals.items():
        for day, light in animal.light.items():
            row = plan.row(subject, day)
            flags = light_trials(row, n).tolist()
            assert light_trials(row, n + more).tolist()[:n] == flags
            assert_light(flags, light)


def assert_light(flags: list[bool], light: Light) -> None:
    assert not any(flags[: light.first_trials_without])
    rest = flags[light.first_trials_without :]
    for start in range(0, len(rest) - light.block_trials + 1, light.block_trials):
        assert sum(rest[start : start + light.block_trials]) == light.lights_per_block
    if light.max_run is not None:
        assert longest_run(flags) <= light.max_run


def test_no_light_on_a_day_without_and_no_trials_out_of_range() -> None:
    assert not light_trials(PLAN.row("M01", 14), 300).any()
    assert light_trials(PLAN.row("M01", 15), 0).shape == (0,)
    for n in (-1, MAX_TRIALS + 1):
        with pytest.raises(ConfigError, match="n_trials"):
            light_trials(PLAN.row("M01", 15), n)


def test_a_row_says_all_that_a_session_needs() -> None:
    row = PLAN.row("M07", 15)
    assert row.data() == {
        "subject": "M07",
        "day": 15,
        "days": 16,
        "light": True,
        "window": PLAN.animals["M07"].light[15].window,
        "fraction": 0.25,
        "block_trials": 20,
        "first_trials_without": 10,
        "max_run": 3,
        "masking_light": True,
        "seed": row.seed,
        "plan_digest": PLAN.digest,
    }
    dark = PLAN.row("M07", 3)
    assert (dark.light, dark.window, dark.fraction) == (False, None, 0.0)
    assert row.seed < 2**48


def test_whole_days_of_light() -> None:
    rules = Light(fraction=1.0, block_trials=1, first_trials_without=0, max_run=None)
    plan = make_plan(replace(STUDY, rules=rules), 1)
    assert light_trials(plan.row("M01", 15), 50).all()


@pytest.mark.parametrize(
    ("light", "message"),
    [
        (
            Light(fraction=0.9, max_run=1),
            "fraction: 0.9 cannot be reached with max_run 1, which allows 0.5 at most:"
            " raise max_run to 9, or lower fraction",
        ),
        (
            Light(fraction=1.0),
            "fraction: 1 cannot be reached with max_run 3, which allows 0.75 at most:"
            " say max_run: none, or lower fraction",
        ),
        (
            Light(fraction=0.25, block_trials=10),
            "fraction: 0.25 of block_trials 10 is 2.5 trials, not a whole number:"
            " use block_trials: 8, or another multiple of 4",
        ),
        (
            Light(fraction=0.3333),
            "fraction: 0.3333 of block_trials 20 is 6.666 trials, not a whole number:"
            " write n/d with d up to 100, such as 1/3",
        ),
        (Light(fraction=0.0), "fraction: 0 is not above 0 and at most 1:"),
        (Light(fraction=float("nan")), "fraction: nan is not above 0 and at most 1:"),
        (Light(block_trials=101), "block_trials: 101 is not within 1 … 100"),
        (Light(block_trials=0), "block_trials: 0 is not within 1 … 100"),
        (Light(max_run=0), "max_run: 0 is not within 1 … 10000"),
        (Light(first_trials_without=-1), "first_trials_without: -1 is not within 0 … 10000"),
    ],
)
def test_the_impossible_is_an_error_with_its_remedy(light: Light, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_light(light)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@given(st.integers(2, 40), st.data())
@calm
def test_the_remedy_for_a_short_run_is_the_least_that_works(block: int, data: st.DataObject) -> None:
    n_light = data.draw(st.integers(1, block - 1))
    least = next(k for k in range(1, 41) if possible(n_light, block, k))
    light = Light(fraction=n_light / block, block_trials=block, max_run=least)
    check_light(light)
    if least > 1:
        with pytest.raises(ConfigError, match=f"raise max_run to {least},"):
            check_light(replace(light, max_run=1))


def possible(n_light: int, block: int, max_run: int) -> bool:
    """By the longest dose there is: ``max_run`` light trials, one dark one, and again."""
    periods = block * (max_run + 1)  # whole blocks and whole doses both end here
    dose = [i % (max_run + 1) < max_run for i in range(periods)]
    return sum(dose) >= n_light * (max_run + 1)


def test_days_and_dates() -> None:
    plan = make_plan(replace(STUDY, offset_days={"M09": 5}), 7)
    assert plan.day_of("M07", MONDAY) == 1
    assert plan.day_of("M07", date(2025, 3, 7)) == 5
    assert plan.day_of("M07", date(2025, 3, 8)) is None  # a Saturday
    assert plan.day_of("M07", date(2025, 3, 21)) == 15
    assert plan.day_of("M07", MONDAY - timedelta(days=1)) is None
    # M09 starts five days later, on a Saturday, so its first day is the Monday after.
    assert plan.day_of("M09", date(2025, 3, 10)) == 1
    assert plan.row("M07", date(2025, 3, 21)) == plan.row("M07", 15)


@given(plans())
@few
def test_every_day_has_one_date_and_back(plan: Plan) -> None:
    if plan.calendar is None:
        return
    for subject, animal in plan.animals.items():
        dates = plan.dates(subject)
        assert len(dates) == plan.days
        assert list(dates) == sorted(set(dates))
        assert not {*dates} & {*plan.calendar.skip_dates, *animal.skip}
        assert [plan.day_of(subject, day) for day in dates] == [*range(1, plan.days + 1)]


def test_a_skipped_date_of_one_animal_moves_its_days_alone() -> None:
    ill = replace(PLAN.animals["M07"], skip=(date(2025, 3, 5),))
    plan = replace(PLAN, animals={**PLAN.animals, "M07": ill})
    assert plan.day_of("M07", date(2025, 3, 5)) is None
    assert plan.day_of("M07", date(2025, 3, 6)) == 3
    assert plan.day_of("M08", date(2025, 3, 6)) == 4


@pytest.mark.parametrize(
    ("subject", "day", "message"),
    [
        ("M7", 1, 'M7 is not in the plan of thalamus (did you mean "M07"?)'),
        ("rat", 1, "rat is not in the plan of thalamus: add its row to animals"),
        ("M07", 0, "M07 day 0: the plan has days 1 … 16"),
        ("M07", 17, "M07 day 17: the plan has days 1 … 16"),
        ("M07", date(2025, 3, 8), "M07: sat 2025-03-08 is a skipped day: check the date"),
        ("M07", date(2025, 3, 2), "M07: sun 2025-03-02 is before day 1 (2025-03-03)"),
        ("M07", date(2025, 4, 1), "M07: tue 2025-04-01 is after the last day (2025-03-24)"),
    ],
)
def test_what_is_not_in_the_plan(subject: str, day: int | date, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        PLAN.row(subject, day)
    assert str(error.value).startswith(message)


def test_a_plan_without_a_start_has_no_dates() -> None:
    with pytest.raises(ConfigError, match=r"calendar\.start"):
        make_plan(replace(STUDY, calendar=None), 7).row("M07", MONDAY)


def test_the_digest_is_of_the_content() -> None:
    rows = dict(sorted(PLAN.animals.items(), reverse=True))
    assert replace(PLAN, animals=rows, groups=("opsin", "control")).digest == PLAN.digest
    assert replace(PLAN, masking_light=False).digest != PLAN.digest
    assert (
        PLAN.digest == "ea1d9633f418596f23844a6037521b742b9695d3c49d6a5f6e5b74c9ac33b75c"
    )  # what is in records must mean the same next year


def test_a_seed_means_the_same_trials_on_every_computer() -> None:
    flags = [light_trials(PLAN.row(subject, day), N_TRIALS).tobytes() for subject in MICE for day in LIGHT_DAYS]
    assert sha256(b"".join(flags)).hexdigest() == ("3039decd8edfca655e1df800a6942559a03721ae64ba8c9ef0d35436113fa423")


def test_plain_data_is_of_json_types() -> None:
    data = plan_data(PLAN)
    assert json.loads(json.dumps(data)) == data
    assert data["animals"]["M09"] == {"group": "control", "15": "clear", "16": "blocked"}
