"""The C core against the reference, on random trials: event for event, field for field, pin for pin."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from bodies import Heard, Reference, Told, difference, run_host, run_reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from late import RING, Foretold, Late
from reference import Event
from scenarios import Maker, Scenario, Table, generator, on_rule, push, ready, rule, state

from rig import wire

GRIDS_US = (1, 50, 100)
SEEDS = range(220)


def both(scenario: Scenario) -> Told:
    args = scenario.start_us, scenario.happenings, scenario.end_us
    told = run_host(*args)
    parted = difference(run_reference(*args), told, scenario.start_us)
    assert not parted, parted
    return told


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.sampled_from(GRIDS_US))
def test_core_and_reference_agree_on_short_scenarios(rng: random.Random, grid_us: int) -> None:
    both(Maker(rng, grid_us).scenario(pushes=3, changes=4, talk=2))


@pytest.fixture(scope="module")
def long_run() -> Counter[str]:
    """Every seed's long scenario on both bodies; how often each thing occurred."""
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        rng = random.Random(seed)
        scenario = Maker(rng, rng.choice(GRIDS_US)).scenario()
        told = both(scenario)
        seen["wrap"] += scenario.start_us >> 32 != scenario.end_us >> 32
        seen.update(word for event in told.events for word in words(event.name, event.fields))
        seen["tone"] += any(pins[1] for pins in told.pins.values())
        seen["dimmed"] += any(0 < level < 255 for pins in told.pins.values() for level in pins[2:])
    return seen


ENUMS = {
    ("rule", "decision"): wire.Decision,
    ("generator", "mark"): wire.GeneratorMark,
    ("fault", "fault"): wire.Fault,
    ("trial_end", "reason"): wire.EndReason,
    ("applied", "status"): wire.Status,
}


def words(name: str, fields: dict[str, Any]) -> list[str]:
    """What an event stands for in the count: its name, and its kind of decision, mark, fault, reason or status."""
    found = [name]
    for (event, key), numbers in ENUMS.items():
        if event == name:
            found.append(f"{name} {numbers(fields[key]).name}")
    return found


def test_everything_occurs_in_the_long_run(long_run: Counter[str]) -> None:
    expected = {f"rule {d.name}" for d in wire.Decision} | {f"generator {m.name}" for m in wire.GeneratorMark}
    expected |= {f"fault {f.name}" for f in wire.Fault if f != wire.Fault.NOT_ARMED}
    expected |= {f"trial_end {r.name}" for r in wire.EndReason}
    expected |= {f"applied {s.name}" for s in wire.Status}
    expected |= {"wrap", "tone", "dimmed", "zeroed", "sound_due", "sound_off", "output", "input", "armed", "lever"}
    missing = {word for word in expected if long_run[word] < 5}
    assert not missing, {word: long_run[word] for word in missing}


def test_most_of_the_long_run_is_decisions_not_refusals(long_run: Counter[str]) -> None:
    assert long_run["rule PRESS"] > 100
    assert long_run["applied OK"] > 10 * long_run["applied BAD_TABLE"]
    assert long_run["trial_begin"] > 2 * len(SEEDS)


# --- late steps -------------------------------------------------------------------------------------------------------


def decided(events: list[Event]) -> list[Event]:
    """Events without what may depend on when the step came: lateness, and the samples it takes (with their peaks)."""
    loose = {"late_us", "peak_counts"}
    return [
        Event(e.name, e.board_us, {key: value for key, value in e.fields.items() if key not in loose})
        for e in events
        if e.name != "lever"
    ]


def late_and_prompt(rng: random.Random, scenario: Scenario) -> tuple[Late, Reference]:
    late, prompt = Late(scenario.start_us), Reference(scenario.start_us)
    patience = rng.choice((2, 5, 30))
    for h, following in zip(scenario.happenings, [*scenario.happenings[1:], Heard(scenario.end_us)], strict=True):
        late.take(h)
        prompt.take(h)
        if h.t_us < following.t_us and (late.waiting >= RING or rng.randrange(patience) == 0):
            late.step(rng.randrange(h.t_us, following.t_us))
    late.step(scenario.end_us)
    prompt.step(scenario.end_us)
    return late, prompt


def check_late(rng: random.Random, scenario: Scenario) -> tuple[int, int]:
    late, prompt = late_and_prompt(rng, scenario)
    expected, found = Told(decided(prompt.events), {}), Told(decided(late.events), {})
    parted = difference(expected, found, scenario.start_us)
    assert not parted, parted
    dimmed = sum(check_foretold(told, prompt) for told in late.foretold)
    return len(late.foretold), dimmed


def check_foretold(told: Foretold, prompt: Reference) -> bool:
    """What an interrupt wrote at once is what is decided for that time, with the levels of lights that come on.

    A light that stays on is never told brighter than it will be; true where it was told a ramp's next step.
    """
    before = prompt.pins[max(t_us for t_us in prompt.pins if t_us < told.t_us)]
    decided = [before, *prompt.moments.get(told.t_us, [])]
    coming = told.outputs & ~before[0]
    lit = [2 + o for o in (1, 2) if coming >> o & 1]
    staying = [2 + o for o in (1, 2) if (told.outputs & before[0]) >> o & 1]
    fitting = [
        p
        for p in decided
        if p[0] == told.outputs
        and all(p[i] == told.levels[i - 3] for i in lit)
        and all(p[i] >= told.levels[i - 3] for i in staying)
    ]
    assert fitting, f"{told}: decided was {decided}"
    return any(before[i] > p[i] == told.levels[i - 3] for p in fitting for i in staying)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.sampled_from(GRIDS_US))
def test_a_late_step_decides_the_same_at_the_same_times(rng: random.Random, grid_us: int) -> None:
    check_late(rng, Maker(rng, grid_us).scenario(pushes=3, changes=4, talk=2))


@pytest.mark.parametrize(("moves", "outputs"), [(3, [1]), (4, []), (5, [])])
def test_what_a_window_armed_by_the_deadline_will_find_counts_no_hysteresis(moves: int, outputs: list[int]) -> None:
    """Armed at its very edge, or in its hysteresis, a window is not entered: the state is passed at once."""
    window = rule(wire.Rule.WINDOW, 2, 12, hysteresis_counts=3)
    passing = state([(on_rule(0, wire.Decision.LEAVE), 2)], outputs=1, rules=1)
    table = Table(1, [state(after_us=1000, after_to=1), passing, state(outputs=2)], [window])
    late, prompt = Late(0), Reference(0)
    for h in [*push(10, 6), *ready(700), *table.commands(800), *push(900, -moves, gap_us=10)]:
        late.take(h)
        prompt.take(h)
    late.step(2000)
    prompt.step(2000)
    assert [told.outputs for told in late.foretold] == outputs
    assert prompt.moments[1800][-1][0] == (outputs or [2])[0]


@pytest.mark.parametrize(("stop", "levels"), [(0, [(31, 255)]), (1, [])])
def test_a_train_that_is_stopped_between_pulses_dims_nothing_any_more(stop: int, levels: list[tuple[int, int]]) -> None:
    laser = wire.OUTPUTS.index("laser")
    train = generator(wire.Generator.TRAIN, output=laser, level=31, width_us=1000, period_us=5000)
    states = [state(start=1, after_us=3000, after_to=1), state(stop=stop, outputs=1 << laser)]
    late, prompt = Late(0), Reference(0)
    for h in [*ready(700), *Table(1, states, [], [train]).commands(800)]:
        late.take(h)
        prompt.take(h)
    for now_us in (1900, 4000):
        late.step(now_us)
    prompt.step(4000)
    assert [told.levels for told in late.foretold if told.t_us == 3800] == levels
    assert prompt.pins[3800][2 + laser] == (255 if stop else 31)


LASER = wire.OUTPUTS.index("laser")
COMES_ON_LATER = generator(wire.Generator.PULSE, output=LASER, level=100, delay_us=600, width_us=9000, ramp_us=3200)
SHINES = [generator(wire.Generator.PULSE, output=LASER, level=level, width_us=9000) for level in (100, 31)]


@pytest.mark.parametrize(
    ("generators", "then", "told"),
    [
        pytest.param([COMES_ON_LATER], {"stop": 1}, [(1 << LASER, 100)], id="comes on and ramps at once"),
        pytest.param([COMES_ON_LATER], {"start": 1, "outputs": 1 << LASER}, [], id="comes on and is started anew"),
        pytest.param(SHINES, {"stop": 1, "start": 2}, [(1 << LASER, 31)], id="a dimmer light takes its place"),
        pytest.param(SHINES[::-1], {"stop": 1, "start": 2}, [(1 << LASER, 31)], id="a brighter light takes its place"),
    ],
)
def test_lights_that_change_with_the_state_are_foretold_as_they_will_be(
    generators: list[dict[str, int]], then: dict[str, int], told: list[tuple[int, int]]
) -> None:
    """Never brighter: of a light that stays on, the dimmer of two levels may be shown until the step comes."""
    table = Table(1, [state(start=1, after_us=600, after_to=1), state([], after_us=5000, **then)], [], generators)
    late, prompt = Late(0), Reference(0)
    for h in [*ready(700), *table.commands(800)]:
        late.take(h)
        prompt.take(h)
    for now_us in (900, 2000):
        late.step(now_us)
    prompt.step(2000)
    assert [(one.outputs, one.levels[0]) for one in late.foretold if one.t_us == 1400] == told
    for one in late.foretold:
        check_foretold(one, prompt)


def test_late_steps_of_long_scenarios_and_what_interrupts_foretell() -> None:
    foretold = dimmed = 0
    for seed in range(1000, 1130):
        rng = random.Random(seed)
        told, steps = check_late(rng, Maker(rng, rng.choice(GRIDS_US)).scenario())
        foretold, dimmed = foretold + told, dimmed + steps
    assert foretold > 800
    assert dimmed > 50
