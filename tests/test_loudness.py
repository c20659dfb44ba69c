"""Sound calibrations: what they answer, and what they refuse to answer."""

from __future__ import annotations

import contextlib
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.errors import ConfigError
from rig.sound.loudness import REFUSE_AFTER_DAYS, WARN_AFTER_DAYS, LevelCalibration

DAY = date(2025, 3, 1)
TABLE = ((1000.0, 90.0), (2000.0, 96.0), (4000.0, 93.0))


def calibration(table: tuple[tuple[float, float], ...] = TABLE) -> LevelCalibration:
    return LevelCalibration(DAY, "amp", 20.0, table)


def test_measured_octaves_come_back_and_between_them_the_middle() -> None:
    cal = calibration()
    assert [cal.at_db(hz) for hz, _ in TABLE] == [90.0, 96.0, 93.0]
    assert cal.at_db(1000 * 2**0.5) == pytest.approx(93.0)


@given(st.floats(1000, 4000))
def test_between_octaves_never_beyond_the_neighbours(hz: float) -> None:
    low, high = (90.0, 96.0) if hz <= 2000 else (93.0, 96.0)
    assert low - 1e-9 <= calibration().at_db(hz) <= high + 1e-9


@pytest.mark.parametrize("hz", [999.9, 4000.1, 0.0])
def test_refused_outside_the_octaves(hz: float) -> None:
    with pytest.raises(ConfigError, match=r"outside the calibrated 1000–4000 Hz"):
        calibration().at_db(hz)


@given(st.integers(-400, 400))
def test_age_passes_then_warns_then_refuses(age_days: int) -> None:
    today = DAY + timedelta(days=age_days)
    if age_days < 0 or age_days > REFUSE_AFTER_DAYS:
        with pytest.raises(ConfigError, match="rig sound calibrate"):
            calibration().warning(today, "amp", 20.0)
    else:
        assert bool(calibration().warning(today, "amp", 20.0)) == (age_days > WARN_AFTER_DAYS)


def test_holds_only_for_its_device_and_attenuation() -> None:
    with pytest.raises(ConfigError, match='device "amp", not "other"'):
        calibration().warning(DAY, "other", 20.0)
    with pytest.raises(ConfigError, match="20 dB attenuation, the rig is set to 10 dB"):
        calibration().warning(DAY, "amp", 10.0)


def test_comes_back_from_its_own_dictionary() -> None:
    assert LevelCalibration.from_dict(calibration().to_dict()) == calibration()


@pytest.mark.parametrize("key", ["measured_on", "device", "attenuation_db", "full_scale_db"])
def test_a_missing_key_is_named(key: str) -> None:
    data = calibration().to_dict()
    del data[key]
    with pytest.raises(ConfigError, match=f"levels: key '{key}' is missing"):
        LevelCalibration.from_dict(data, "levels")


@pytest.mark.parametrize(
    "table",
    [(), ((1000.0, 90.0), (1000.0, 91.0)), ((1000.0, float("nan")),), ((-1.0, 90.0),), ((2000.0, 1.0), (1000.0, 1.0))],
)
def test_a_table_that_cannot_be_read_off_is_refused(table: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ConfigError):
        calibration(table)


@settings(max_examples=30)
@given(st.recursive(st.none() | st.text() | st.floats(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_data_is_a_calibration_or_one_line(data: object) -> None:
    fields = {"measured_on": "2025-03-01", "device": "amp", "attenuation_db": 0, "full_scale_db": data}
    with contextlib.suppress(ConfigError):  # any other error would be a traceback for the user
        LevelCalibration.from_dict(fields)
