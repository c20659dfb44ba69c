"""Drawing a plan: counterbalanced in any study, blinded when asked, refused when it cannot be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_examples import MICE, PLAN, STUDY, calm, few, specs

from rig.errors import ConfigError
from rig.plan import Light, Plan
from rig.plan.make import PlanSpec, allot, balance, make_plan, natural, plan_key, runs, unblind
from rig.plan.write import key_text, plan_text

BLIND = replace(STUDY, blind=True)
seeds = st.integers(0, 2**53 - 1)


def counts(plan: Plan, day: int, members: list[str]) -> tuple[int, int]:
    windows = [plan.animals[name].light[day].window for name in members]
    return windows.count("clear"), windows.count("blocked")


@given(specs(), seeds)
@few
def test_any_study_is_as_balanced_as_it_can_be(spec: PlanSpec, seed: int) -> None:
    plan = make_plan(spec, seed)
    assert Counter(a.group for a in plan.animals.values()) == Counter(
        {group: size for group, size in spec.groups.items() if size}
    )
    assert list(plan.animals) == sorted(spec.subjects, key=natural)
    assert all(tuple(a.light) == tuple(sorted(spec.light_days)) for a in plan.animals.values())
    if len(spec.windows) < 2:
        return
    for day in spec.light_days:
        for group in spec.groups:
            members = [name for name, a in plan.animals.items() if a.group == group]
            clear, blocked = counts(plan, day, members)
            assert abs(clear - blocked) == len(members) % 2
        clear, blocked = counts(plan, day, list(plan.animals))
        assert abs(clear - blocked) == len(plan.animals) % 2  # odd groups cancel each other


@given(st.integers(1, 9), seeds)
@calm
def test_an_animal_has_both_windows_as_often_and_no_drift_favours_one(n: int, seed: int) -> None:
    spec = PlanSpec(MICE, {"all": 16}, days=20, light_days=tuple(range(11, 11 + n)))
    for animal in make_plan(spec, seed).animals.values():
        clear = [day for day, light in animal.light.items() if light.window == "clear"]
        blocked = [day for day, light in animal.light.items() if light.window == "blocked"]
        assert abs(len(clear) - len(blocked)) == n % 2
        if n % 4 == 0:
            assert sum(clear) == sum(blocked)


def test_every_animal_is_as_likely_in_either_group_and_order() -> None:
    n = 1000
    opsin, clear_first = Counter[str](), Counter[str]()
    for seed in range(n):
        for name, animal in make_plan(STUDY, seed).animals.items():
            opsin[name] += animal.group == "opsin"
            clear_first[name] += animal.light[15].window == "clear"
    for name in MICE:  # 4.5 standard deviations of a fair coin
        assert abs(opsin[name] - n / 2) < 4.5 * (n / 4) ** 0.5
        assert abs(clear_first[name] - n / 2) < 4.5 * (n / 4) ** 0.5


def test_groups_may_be_listed() -> None:
    groups = {"opsin": MICE[:8], "control": MICE[8:]}
    plan = make_plan(replace(STUDY, groups=groups), 3)
    assert [name for name, a in plan.animals.items() if a.group == "opsin"] == list(MICE[:8])
    assert balance(plan) == (
        "light on day 15, 16: clear 8, blocked 8; control clear 4, blocked 4; opsin clear 4, blocked 4",
    )


def test_what_is_not_even_is_said() -> None:
    spec = PlanSpec(MICE[:7], {"opsin": 3, "control": 4})
    lines = balance(make_plan(spec, 1))
    assert lines[-1] == "opsin: 3 animals, an odd number: a day's windows differ by one"
    assert "odd" not in " ".join(balance(make_plan(replace(spec, blind=True), 1)))


def test_light_days_left_out_are_counted() -> None:
    rows = {**PLAN.animals, "M01": replace(PLAN.animals["M01"], light={})}
    assert "no light 1" in balance(replace(PLAN, animals=rows))[0]


def test_runs_of_days() -> None:
    assert runs([15, 16, 20, 21, 22, 30]) == "15, 16, 20–22, 30"


@given(specs(blind=True), seeds)
@few
def test_a_key_opens_its_plan_and_the_plan_tells_nothing(spec: PlanSpec, seed: int) -> None:
    plan, key = make_plan(spec, seed), plan_key(spec, seed)
    opened = unblind(plan, key)
    assert {name: a.group for name, a in opened.animals.items()} == allot(spec, seed)
    assert not opened.blind
    assert seed == key.seed != plan.seed
    codes = {a.group for a in plan.animals.values()}
    assert len(codes) == len(plan.animals)  # one code each: nobody sees who is in one group


def test_the_windows_of_a_blind_plan_are_those_of_the_open_one() -> None:
    blind, plan = make_plan(BLIND, 7), make_plan(STUDY, 7)
    assert {n: a.light for n, a in blind.animals.items()} == {n: a.light for n, a in plan.animals.items()}
    assert blind.digest != plan.digest


def test_rows_of_a_blind_plan_do_not_stand_by_group() -> None:
    groups = {"opsin": MICE[::2], "control": MICE[1::2]}
    plan = make_plan(replace(BLIND, subjects=(*MICE[::2], *MICE[1::2]), groups=groups), 7)
    assert tuple(plan.animals) == MICE


def test_a_changed_key_or_another_plan_s_key_does_not_fit() -> None:
    plan, key = make_plan(BLIND, 7), plan_key(BLIND, 7)
    other = "control" if key.groups["M03"] == "opsin" else "opsin"
    for wrong in (
        replace(key, groups={**key.groups, "M03": other}),
        replace(key, groups={n: g for n, g in key.groups.items() if n != "M03"}),
    ):
        with pytest.raises(ConfigError, match="does not fit the plan of thalamus at M03"):
            unblind(plan, wrong)
    with pytest.raises(ConfigError, match="does not fit the plan of thalamus at M01"):
        unblind(plan, plan_key(BLIND, 8))


def test_the_text_of_a_blind_plan_holds_neither_group_nor_seed() -> None:
    seed = 123456789012345
    plan, key = make_plan(BLIND, seed), plan_key(BLIND, seed)
    rows = plan_text(plan).split("animals:")[-1]
    assert "opsin" not in rows
    assert "control" not in rows
    assert str(seed) not in plan_text(plan)
    assert str(seed) in key_text(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": {"opsin": 8, "control": 7}}, "groups: 15 places for 16 animals: make them"),
        ({"groups": {"opsin": 8, "control": MICE[8:]}}, "groups.opsin: give sizes for all groups"),
        ({"groups": {"a": MICE[:9], "b": MICE[8:]}}, "groups.b: M09 is in a too: keep one"),
        ({"groups": {"a": MICE[:8], "b": MICE[8:15]}}, "groups: M16 must be one of the animals"),
        ({"subjects": (*MICE[:15], "M01")}, "animals: M01 stands twice: remove one"),
        ({"subjects": (*MICE[:15], "m01")}, "animals.m01: differs from M01 by case alone"),
        ({"subjects": (*MICE[:15], "a b")}, 'animals: "a b" is not a name of up to 32 letters'),
        ({"light_days": (15, 15)}, "light_days: 15 stands twice: remove one"),
        ({"light_days": (15, 17)}, "light_days: 17 is not within 1 … 16"),
        ({"expert_from_day": 16}, "animals.M01.15: light before rules.expert_from_day 16: move it"),
        ({"windows": ("clear", "open")}, 'rules.windows: "open" is none of clear, blocked'),
        ({"windows": ("clear", "clear")}, "rules.windows: clear stands twice: remove one"),
        ({"rules": Light(fraction=0.9)}, "rules.fraction: 0.9 cannot be reached with max_run 3"),
        ({"offset_days": {"M99": 1}}, "offset_days: M99 is none of the animals"),
        ({"offset_days": {"M01": -1}}, "animals.M01.offset_days: -1 is not within 0 … 366"),
        ({"days": 367}, "days: 367 is not within 1 … 366"),
        ({"study": "a\nb"}, "study: use up to 80 letters"),
        ({"subjects": (), "groups": {}}, "n_animals: 0 is not within 1 … 500"),
        ({"groups": {"all": 16}, "blind": True}, "blind: one group leaves nothing to hide"),
    ],
)
def test_a_study_that_cannot_be_planned(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        make_plan(replace(STUDY, **change), 7)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)


def test_a_seed_must_fit_a_double() -> None:
    for seed in (-1, 2**53):
        with pytest.raises(ConfigError, match="seed"):
            make_plan(STUDY, seed)
