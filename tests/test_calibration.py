"""Calibrations: curves rise, inverses invert, and whatever was not measured is refused with its range and remedy."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from rig.calibration import (
    Calibrations,
    LaserCurve,
    LeverScale,
    find_rest,
    fit_valve,
    laser_curve,
    valve_curve,
)
from rig.calibration.age import age_warning, age_warnings, level_calibration
from rig.config import Config, Drop, Lever, Octave, SoundCalibration, Valve, from_plain, parse_config
from rig.errors import ConfigError

SHIPPED = parse_config((Path(__file__).parent.parent / "config.yaml").read_text(encoding="utf-8"))
TODAY = date(2025, 6, 1)


def refusal(ask: Callable[..., object], *arguments: Any) -> str:
    """The one line with which ``ask`` refuses."""
    with pytest.raises(ConfigError) as caught:
        ask(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def drops_of(times_ms: list[float], volumes_ul: list[float]) -> tuple[Drop, ...]:
    """A table of drops."""
    return tuple(Drop(open_ms=t, ul=v) for t, v in zip(times_ms, volumes_ul, strict=True))


@st.composite
def rising(draw: st.DrawFn) -> tuple[Drop, ...]:
    """Any table of drops that config.yaml takes: times and volumes rise, however crookedly."""
    n = draw(st.integers(5, 12))
    steps = st.lists(st.floats(0.01, 50), min_size=n, max_size=n)
    times, volumes = (list(itertools.accumulate(draw(steps), initial=draw(st.floats(0.1, 20)))) for _ in range(2))
    return drops_of(times, volumes)


# --- valve ------------------------------------------------------------------------------------------------------------


@given(rising())
@settings(deadline=None)
def test_the_valve_curve_rises_whatever_was_weighed(drops: tuple[Drop, ...]) -> None:
    curve = fit_valve(drops)
    assert curve.b >= 0
    assert curve.c >= 0
    times_us = np.unique(np.linspace(curve.low_us, curve.high_us, 50).astype(int))
    volumes = [curve.volume_ul(int(t)) for t in times_us]
    assert all(later > earlier for earlier, later in itertools.pairwise(volumes))


@given(rising(), st.floats(0, 1))
@settings(deadline=None)
def test_the_opening_time_is_the_nearest_microsecond(drops: tuple[Drop, ...], where: float) -> None:
    curve = fit_valve(drops)
    low, high = curve.range_ul
    ul = min(low + where * (high - low), high)
    open_us = curve.open_us(ul)
    off_ul = abs(curve.volume_ul(open_us) - ul)
    slack = 1e-9 * high
    for neighbour_us in (open_us - 1, open_us + 1):
        if curve.low_us <= neighbour_us <= curve.high_us:
            assert off_ul <= abs(curve.volume_ul(neighbour_us) - ul) + slack


@given(rising())
@settings(deadline=None)
def test_no_allowed_curve_fits_better(drops: tuple[Drop, ...]) -> None:
    """SciPy's bounded least squares, another algorithm, is the witness."""
    t = np.array([drop.open_ms for drop in drops])
    ul = np.array([drop.ul for drop in drops])
    x = t / t.max()
    columns = np.stack([np.ones_like(x), x, x * x], axis=1)
    witness = lsq_linear(columns, ul, bounds=([-np.inf, 0, 0], np.inf), method="bvls")
    curve = fit_valve(drops)
    ours = np.sum((curve.a + curve.b * t + curve.c * t * t - ul) ** 2)
    assert ours <= 2 * witness.cost * (1 + 1e-6) + 1e-9


@given(st.floats(-3, 3), st.floats(0.05, 1), st.floats(0, 0.01))
def test_a_true_quadratic_is_found_again(a: float, b: float, c: float) -> None:
    times = [20.0, 30, 45, 60, 90]
    curve = fit_valve(drops_of(times, [a + 4 + b * t + c * t * t for t in times]))
    assert (curve.a, curve.b, curve.c) == pytest.approx((a + 4, b, c), abs=1e-9)


@pytest.mark.parametrize(
    ("volumes", "zero"),
    [([2.0, 5, 7, 8, 8.5], "c"), ([2.0, 2.1, 2.5, 4, 9], "b")],
    ids=["bends down: a straight line", "bends up: no linear part"],
)
def test_crooked_drops_end_on_a_bound(volumes: list[float], zero: str) -> None:
    curve = fit_valve(drops_of([20, 30, 40, 50, 60], volumes))
    assert getattr(curve, zero) == 0
    assert curve.b + curve.c > 0


def test_volumes_outside_are_refused_with_a_range_that_holds() -> None:
    curve = valve_curve(SHIPPED.valve)
    for ul in (2.0, 14.5, 0.0, -1.0, float("nan"), float("inf")):
        message = refusal(curve.open_us, ul)
        found = re.fullmatch(
            r"config\.yaml: valve\.drops: \S+ ul is outside the calibrated (\S+)–(\S+) ul; "
            "weigh more drops with rig calibrate valve",
            message,
        )
        assert found
        assert 14000 < curve.open_us(float(found[1])) < curve.open_us(float(found[2])) <= 70000
    for open_us in (14_999, 70_001):
        assert "ms is outside the calibrated 15–70 ms; weigh more" in refusal(curve.volume_ul, open_us)


def test_the_shipped_valve() -> None:
    curve = valve_curve(SHIPPED.valve)
    assert SHIPPED.valve.drops
    for drop in SHIPPED.valve.drops:
        assert curve.volume_ul(round(1000 * drop.open_ms)) == pytest.approx(drop.ul, rel=0.02)


def test_a_slip_of_the_pen_is_found() -> None:
    wrong = drops_of([15, 25, 35, 50, 70], [2.2, 4.3, 4.4, 9.6, 14.0])
    message = refusal(valve_curve, Valve(drops=wrong))
    assert message.startswith("config.yaml: valve.drops[2]: 4.4 ul at 35 ms, where the curve through all drops has ")
    assert message.endswith("weigh it again with rig calibrate valve")


def test_nothing_weighed_and_nothing_measured() -> None:
    bare = parse_config("rig: r\nlever: {mm_per_count: 0.01, travel_mm: [-1, 8]}\n")
    calibrations = Calibrations.of(bare, "my.yaml")
    assert refusal(calibrations.open_us, 8.0) == "my.yaml: valve.drops: none weighed yet; run: rig calibrate valve"
    assert refusal(calibrations.volume_ul, 8000) == "my.yaml: valve.drops: none weighed yet; run: rig calibrate valve"
    assert refusal(calibrations.light_level, 1.0) == "my.yaml: laser.power: none measured yet; run: rig calibrate laser"
    assert calibrations.counts(3.0) == 300


def test_volumes_that_do_not_rise_measurably() -> None:
    flat = drops_of([1, 2, 3, 4, 5], [8.0] * 5)
    assert "hardly rise" in refusal(fit_valve, flat)


# --- laser ------------------------------------------------------------------------------------------------------------


@st.composite
def laser_curves(draw: st.DrawFn) -> LaserCurve:
    """Any laser table that config.yaml takes."""
    levels = sorted(draw(st.sets(st.integers(0, 255), min_size=2, max_size=10)))
    steps = draw(st.lists(st.floats(0.01, 5), min_size=len(levels) - 1, max_size=len(levels) - 1))
    powers = list(itertools.accumulate(steps, initial=draw(st.floats(0, 2))))
    return LaserCurve(tuple(levels), tuple(powers), draw(st.floats(powers[0] or 0.01, 60)))


@given(laser_curves(), st.floats(0, 1))
@settings(deadline=None)
def test_the_level_is_the_nearest_allowed(curve: LaserCurve, where: float) -> None:
    low, high = curve.mw[0], min(curve.mw[-1], curve.max_mw)
    mw = min(max(low + where * (high - low), low), high)
    level = curve.light_level(mw)
    measured = range(curve.levels[0], curve.levels[-1] + 1)
    allowed = [other for other in measured if curve.power_mw(other) <= curve.max_mw]
    assert level in allowed
    nearest = min(abs(curve.power_mw(other) - mw) for other in allowed)
    assert abs(curve.power_mw(level) - mw) <= nearest + 1e-9


@given(laser_curves())
def test_measured_powers_give_their_levels(curve: LaserCurve) -> None:
    for level, mw in zip(curve.levels, curve.mw, strict=True):
        assert curve.power_mw(level) == mw
        if mw <= curve.max_mw:
            assert curve.light_level(mw) == level


def test_light_beyond_the_curve_is_refused() -> None:
    curve = laser_curve(SHIPPED.laser)
    assert refusal(curve.light_level, 25.2) == "config.yaml: laser.max_mw: 25.2 mW is above 25 mW; ask for less"
    wide = LaserCurve(curve.levels, curve.mw, 100)
    beyond = "mW is outside the calibrated 0–25.5 mW; measure more levels with rig calibrate laser"
    for mw in (25.6, -0.1, float("nan")):
        assert refusal(wide.light_level, mw) == f"config.yaml: laser.power: {mw:g} {beyond}"
    assert "level 256 is outside 0–255; measure more" in refusal(curve.power_mw, 256)
    assert curve.light_level(0) == 0


# --- lever ------------------------------------------------------------------------------------------------------------


def lever(**values: Any) -> Lever:
    """A lever of 0.01 mm a count."""
    return Lever(**{"mm_per_count": 0.01, "travel_mm": (-1.0, 8.0), **values})


@given(st.booleans(), st.floats(0.0005, 1), st.floats(-1, 8))
def test_counts_and_back(invert: bool, mm_per_count: float, mm: float) -> None:
    scale = LeverScale.of(lever(invert=invert, mm_per_count=mm_per_count))
    counts = scale.counts(mm)
    assert abs(scale.mm(counts) - mm) <= mm_per_count / 2 * (1 + 1e-9)
    assert scale.each_mm(np.array([counts, 0])).tolist() == [scale.mm(counts), 0.0]
    if mm > mm_per_count:
        assert (counts < 0) == invert


def test_thresholds_outside_the_travel_are_refused() -> None:
    scale = LeverScale.of(lever())
    assert refusal(scale.counts, 8.01) == (
        "config.yaml: lever.travel_mm: 8.01 mm is outside the lever's -1 to 8 mm; "
        "choose another threshold, or measure the travel again"
    )
    for mm in (-1.1, float("nan"), float("inf")):
        refusal(scale.counts, mm)
    assert scale.mm(900) == 9.0  # where the lever is, it is


def test_rest_is_found_at_rest_only() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(57, 2, 100).round().astype(int).tolist()
    rest = find_rest(noise, lever())
    assert rest.counts == 57
    assert rest.sd_mm == pytest.approx(0.02, rel=0.3)
    message = refusal(find_rest, (np.array(noise) * 10).tolist(), lever())
    assert message.startswith("config.yaml: lever.max_rest_sd_mm: the lever moves at rest (SD 0.")
    assert "limit 0.05 mm" in message
    assert "99 samples are too few" in refusal(find_rest, noise[:99], lever())
    assert find_rest([5] * 100, lever(invert=True)).sd_mm == 0


# --- age --------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 500))
@example(30, 60, 30)
@example(30, 60, 31)
@example(30, 60, 90)
@example(30, 60, 91)
def test_every_age_has_its_answer(warn_days: int, more_days: int, age_days: int) -> None:
    refuse_days = warn_days + more_days
    arguments = ("valve.calibrated", TODAY - timedelta(age_days), TODAY, warn_days, refuse_days)
    if age_days > refuse_days:
        assert refusal(age_warning, *arguments) == (
            f"valve.calibrated: {age_days} days old, refused after {refuse_days}; run: rig calibrate valve"
        )
    else:
        assert bool(age_warning(*arguments)) == (age_days > warn_days)


def test_no_date_and_a_date_to_come() -> None:
    assert refusal(age_warning, "laser.calibrated", None, TODAY, 30, 90) == (
        "laser.calibrated: no date, so it cannot be trusted; run: rig calibrate laser"
    )
    assert "lies after today" in refusal(age_warning, "laser.calibrated", TODAY + timedelta(1), TODAY, 30, 90)


def real_rig(**days: int) -> Config:
    """A rig with a board, calibrated so many days ago."""
    data = SHIPPED.plain() | {"body": "serial", "board": "mega2560"}
    for part, age_days in days.items():
        data[part]["calibrated"] = str(TODAY - timedelta(age_days))
    return from_plain(data)


def test_a_session_is_told_what_it_needs_to_know() -> None:
    config = real_rig(lever=0, valve=31, laser=91)
    assert age_warnings(config, TODAY, ["lever"]) == []
    assert age_warnings(config, TODAY, ["lever", "valve"]) == [
        "config.yaml: valve.calibrated: 31 days old, refused after 90; run: rig calibrate valve"
    ]
    assert refusal(age_warnings, config, TODAY, ["lever", "valve", "laser"]).startswith(
        "config.yaml: laser.calibrated: 91 days old, refused after 90; "
    )
    assert "rig.yaml: lever.calibrated: no date" in refusal(age_warnings, real_rig(), TODAY, ["lever"], "rig.yaml")
    assert len(age_warnings(real_rig(lever=2), TODAY, ["lever"])) == 1


def test_the_simulated_rig_does_not_age() -> None:
    assert age_warnings(SHIPPED, TODAY) == []


def test_sound_is_asked_as_loudness_asks() -> None:
    config = real_rig()
    assert refusal(age_warnings, config, TODAY, ["sound"]) == (
        "config.yaml: sound.calibration: missing; run: rig sound calibrate"
    )
    assert level_calibration(config.sound) is None
    data = config.plain()
    data["sound"] |= {"device": "usb", "attenuation_db": 10.0}
    measured = SoundCalibration(
        calibrated=TODAY - timedelta(40),
        device="usb",
        attenuation_db=10.0,
        octaves=(Octave(hz=3000, full_scale_db=90), Octave(hz=12000, full_scale_db=94)),
    )
    octaves = [{"hz": o.hz, "full_scale_db": o.full_scale_db} for o in measured.octaves]
    data["sound"]["calibration"] = {
        **{"calibrated": str(measured.calibrated), "device": "usb", "attenuation_db": 10.0},
        "octaves": octaves,
    }
    calibrated = from_plain(data)
    assert calibrated.sound.calibration == measured
    levels = level_calibration(calibrated.sound)
    assert levels is not None
    assert levels.at_db(6000) == pytest.approx(92)
    assert "40 days old" in age_warnings(calibrated, TODAY, ["sound"])[0]
    data["sound"]["attenuation_db"] = 20.0
    assert "10 dB attenuation" in refusal(age_warnings, from_plain(data), TODAY, ["sound"])
