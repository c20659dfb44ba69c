"""The press rule against a literal reading of it, and at its edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.curves.movement import Floats
from rig.curves.presses import PressRule, find_presses_s


def ramp(rest_ms: int, rise_ms: int, after_ms: int = 100) -> Floats:
    """At rest (1.5 mm) until ``rest_ms``, at 3 mm for the first time ``rise_ms`` later."""
    between = np.full(rise_ms - 1, 2.0)
    return np.concatenate([np.full(rest_ms + 1, 1.5), between, np.full(after_ms, 3.0)])


def test_a_press_is_timed_where_it_reaches_the_press_threshold() -> None:
    assert find_presses_s(ramp(300, 50), start_s=10.0).tolist() == [10.35]


@pytest.mark.parametrize(("rise_ms", "presses"), [(1, 1), (199, 1), (200, 1), (201, 0)])
def test_a_press_takes_no_more_than_200_ms(rise_ms: int, presses: int) -> None:
    assert find_presses_s(ramp(300, rise_ms)).size == presses


@pytest.mark.parametrize(("apart_ms", "presses"), [(999, 1), (1000, 2)])
def test_no_second_press_within_a_second(apart_ms: int, presses: int) -> None:
    lever = np.zeros(3000)
    lever[500:510] = lever[500 + apart_ms : 510 + apart_ms] = 4.0
    assert find_presses_s(lever).size == presses


def test_a_lever_that_starts_pressed_or_never_rests_gives_no_press() -> None:
    assert find_presses_s(np.full(500, 4.0)).size == 0
    assert find_presses_s(np.tile([2.0, 4.0], 500)).size == 0
    assert find_presses_s(np.zeros(500)).size == 0
    assert find_presses_s(np.empty(0)).size == 0


def literal_presses(lever: Floats, rule: PressRule) -> list[int]:
    found: list[int] = []
    for i in range(1, len(lever)):
        if not (lever[i] >= rule.press_mm > lever[i - 1]):
            continue
        if found and i - found[-1] < rule.refractory_s * 1000:
            continue
        window = lever[max(0, i - round(rule.within_s * 1000)) : i]
        if (window <= rule.rest_mm).any():
            found.append(i)
    return found


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(0.0, 4.0), st.integers(1, 300)), max_size=25),
    refractory_ms=st.integers(200, 1500),
)
def test_presses_are_those_of_the_rule(steps: list[tuple[float, int]], refractory_ms: int) -> None:
    lever = np.concatenate([np.empty(0), *(np.full(length, mm) for mm, length in steps)])
    rule = PressRule(refractory_s=refractory_ms / 1000.0)
    expected = literal_presses(lever, rule)
    np.testing.assert_allclose(find_presses_s(lever, rule=rule), np.array(expected) / 1000.0)
