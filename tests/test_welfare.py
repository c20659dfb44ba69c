"""Water owed and weight lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.subject.welfare import daily_ul, likely_weight, top_up_ul, weight_share, weight_warning


def test_a_mouse_of_25_g_is_owed_a_millilitre() -> None:
    assert daily_ul(25) == daily_ul(None) == 1000
    assert top_up_ul(20, 300) == 500


@given(st.floats(10, 60), st.floats(0, 5000))
def test_nothing_is_owed_to_who_had_enough_and_never_less_than_nothing(weight_g: float, given_ul: float) -> None:
    due_ul = top_up_ul(weight_g, given_ul)
    assert due_ul >= 0
    assert due_ul + given_ul >= daily_ul(weight_g) - 1e-9


@pytest.mark.parametrize(("weight_g", "warned"), [(20.0, False), (19.99, True), (25.0, False), (12.0, True)])
def test_the_warning_begins_below_80_percent(weight_g: float, warned: bool) -> None:
    said = weight_warning("M07", weight_g, 25.0)
    assert bool(said) == warned
    if warned:
        assert "under 80 %" in said
        assert "M07" in said


def test_what_was_never_weighed_is_not_warned_of() -> None:
    assert weight_share(None, 25.0) is weight_share(20.0, None) is None
    assert weight_warning("M07", None, 25.0) == weight_warning("M07", 20.0, None) == ""


def test_a_slip_of_the_scale() -> None:
    assert likely_weight(23.4)
    assert not likely_weight(2.34)
    assert not likely_weight(234)
