"""Quantities: exact, and never mixed up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.errors import ProtocolError
from rig.units import UNITS, Quantity, Time, db, hz, khz, minute, mm, ms, mw, parse, s, ul, us


def test_amounts_are_exact_integers() -> None:
    assert (300 * ms).us == 300_000
    assert (0.1 * mm).base == 100
    assert (6 * ul).ul == 6.0
    assert 1 * khz == 1000 * hz
    assert 2 * minute == 120 * s
    assert (10 * hz).period == 100 * ms


def test_arithmetic_keeps_the_dimension() -> None:
    assert 1 * s - 200 * ms == 800 * ms
    assert (1 * s) / (250 * ms) == 4.0
    assert max(3 * mm, 2 * mm) == 3 * mm
    assert not 0 * ms
    assert -(2 * mm) == -2 * mm


@pytest.mark.parametrize("wrong", [lambda: 1 * s + 1 * mm, lambda: 1 * s < 1 * ul, lambda: (1 * s) * (1 * s)])  # type: ignore[operator]
def test_dimensions_do_not_mix(wrong: object) -> None:
    with pytest.raises(ProtocolError):
        wrong()  # type: ignore[operator]


def test_different_dimensions_are_never_equal() -> None:
    assert Time(1000) != 1 * mm
    assert len({1 * ms, Time(1000), 1 * mm}) == 2


@given(st.sampled_from([us, ms, s, mm, ul, mw, hz, khz, db]), st.integers(-(10**11), 10**11))
def test_text_reads_back_exactly(unit: Quantity, base: int) -> None:
    amount = type(unit)(base)
    assert parse(str(amount)) == amount


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("3", "a number and a unit"),
        ("3 mmm", 'did you mean "mm"'),
        ("fast", "a number and a unit"),
        ("3 parsec", "known:"),
    ],
)
def test_bad_text_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        parse(text)


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except ProtocolError:
        return
    assert type(found) in {type(unit) for unit in UNITS.values()}


def test_a_number_beyond_all_measure_is_refused() -> None:
    with pytest.raises(ProtocolError, match="1e400"):
        parse("1e400 s")
