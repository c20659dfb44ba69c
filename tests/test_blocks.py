"""The parts that protocols share, and that the shared parameters of the cued tasks are the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_table import PlainBench

from rig import (
    END,
    LASER,
    NEXT_FILE,
    SCAN_START,
    SYNC,
    Code,
    Past,
    Press,
    Pulse,
    State,
    Train,
    Trial,
    Window,
    hz,
    mm,
    ms,
    mw,
    s,
)
from rig.experiment.blocks import between, interval, light_for, scan_trigger, trial_mark
from rig.experiment.protocol import load_protocol
from rig.experiment.table import Limits, compile_trial
from rig.experiment.task import Result
from rig.session.course import lasts
from rig.units import Time

QUIET = Window(-1 * mm, 1 * mm)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 99))
def test_a_time_between_two(low: int, high: int, seed: int) -> None:
    found = between(Time(low), Time(high), random.Random(seed))
    assert low <= found.us <= max(low, high)


def test_the_mark_of_a_trial_counts_from_one_and_wraps() -> None:
    past = Past([Result(n, "rewarded", {}) for n in range(1, 4096)])
    assert trial_mark("code", Past()) == Code(SYNC, 1)
    assert trial_mark("code", past) == Code(SYNC, 0)
    assert trial_mark("pulse", past) == Pulse(SYNC, 5 * ms)


def test_an_interval_without_a_still_part_is_one_state() -> None:
    (state,) = interval(4 * s, 0 * s, QUIET)
    assert (state.name, state.after) == ("iti", (4 * s, END))


def test_movement_in_the_still_part_begins_it_again() -> None:
    press = Press(1 * mm, 3 * mm)
    states = interval(4 * s, 1 * s, QUIET, watch=press, stop=Pulse(LASER, 1 * s))
    assert [state.name for state in states] == ["iti", "still", "iti_again"]
    assert [state.after for state in states] == [(3 * s, "still"), (1 * s, END), None]
    assert [target for state in states[1:] for _, target in state.when] == ["iti_again", "still"]
    assert all(state.watch == (press,) for state in states)
    assert [bool(state.stop) for state in states] == [True, False, False]


def test_the_still_part_may_be_all_of_the_interval() -> None:
    assert interval(1 * s, 2 * s, QUIET)[0].after == (100 * ms, "still")


@given(st.integers(50_000, 10**7), st.integers(1, 200), st.integers(50, 4_000))
def test_pulses_fill_their_time_and_no_more(length: int, rate: int, width: int) -> None:
    made = light_for(LASER, Time(length), 0 * ms, rate=rate * hz, width=Time(width), power=5 * mw)
    assert isinstance(made, Train)
    assert lasts(made).us <= max(length, width)
    assert length - lasts(made).us < 2 * made.period.us
    trial = Trial(State("a", start=made, after=(20 * s, END)))
    assert compile_trial(trial, PlainBench(), Limits()).generators[0]["count"] == made.count


def test_light_without_a_rate_is_steady() -> None:
    made = light_for(LASER, 2 * s, 1 * s, rate=0 * hz, width=5 * ms, power=5 * mw, ramp=100 * ms)
    assert made == Pulse(LASER, 2 * s, 1 * s, power=5 * mw, ramp=100 * ms)


@pytest.mark.parametrize("name", sorted(load_protocol("cued_lever").params))
def test_the_task_is_the_same_with_inactivation(name: str) -> None:
    plain, lit = (load_protocol(protocol).params for protocol in ("cued_lever", "cued_lever_inactivation"))
    assert lit[name] == plain[name]


def test_triggers_for_the_microscope() -> None:
    later = Past([Result(1, "rewarded", {})])
    assert [scan_trigger("none", past) for past in (Past(), later)] == [(), ()]
    assert [scan_trigger("session", past) for past in (Past(), later)] == [(Pulse(SCAN_START, 10 * ms),), ()]
    assert scan_trigger("trials", later) == (Pulse(NEXT_FILE, 10 * ms),)
