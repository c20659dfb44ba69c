"""Whether a rig's calibrations may be trusted today.

Floor 0: dates in, one line or a ConfigError out; today is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from rig.config import Config, Sound
from rig.errors import ConfigError
from rig.sound.loudness import LevelCalibration

FILE = "config.yaml"
LEVER_WARN_DAYS, LEVER_REFUSE_DAYS = 1, 90  # the lever is looked at daily; the rest as for the valve
PARTS = ("lever", "valve", "laser", "sound")


def level_calibration(sound: Sound, file: str = FILE) -> LevelCalibration | None:
    """The sound calibration as ``rig.sound.loudness`` takes it, or None."""
    if sound.calibration is None:
        return None
    measured = sound.calibration
    table = tuple((octave.hz, octave.full_scale_db) for octave in measured.octaves)
    return LevelCalibration(measured.calibrated, measured.device, measured.attenuation_db, table)


def age_warning(key: str, calibrated: date | None, today: date, warn_days: int, refuse_days: int) -> str:
    """An empty string, or one line when a calibration grows old; ConfigError when it must not be used.

    ``key`` names it as ``valve.calibrated``. Older than ``refuse_days`` is tested before older than ``warn_days``:
    the other way round, the refusal can never be reached.
    """
    part = key.partition(".")[0]
    remedy = "run: rig sound calibrate" if part == "sound" else f"run: rig calibrate {part}"
    if calibrated is None:
        raise ConfigError(f"{key}: no date, so it cannot be trusted; {remedy}")
    age_days = (today - calibrated).days
    if age_days < 0:
        raise ConfigError(f"{key}: {calibrated} lies after today, {today}; correct it or the computer's clock")
    if age_days > refuse_days:
        raise ConfigError(f"{key}: {age_days} days old, refused after {refuse_days}; {remedy}")
    if age_days > warn_days:
        return f"{key}: {age_days} days old, refused after {refuse_days}; {remedy}"
    return ""


def age_warnings(config: Config, today: date, needs: Iterable[str] = PARTS, file: str = FILE) -> list[str]:
    """One line for each calibration that grows old, of those a session ``needs`` (names of PARTS).

    Raises ConfigError for one that is missing or too old. Only bodies that an animal may be at are asked: a simulated
    valve does not age.
    """
    if not config.real:
        return []
    try:
        found = [_part_warning(config, part, today) for part in needs]
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    return [f"{file}: {warning}" for warning in found if warning]


def _part_warning(config: Config, part: str, today: date) -> str:
    if part == "sound":
        levels = level_calibration(config.sound)
        if levels is None:
            raise ConfigError("sound.calibration: missing; run: rig sound calibrate")
        return levels.warning(today, config.sound.device or "none", config.sound.attenuation_db)
    if part == "lever":
        return age_warning("lever.calibrated", config.lever.calibrated, today, LEVER_WARN_DAYS, LEVER_REFUSE_DAYS)
    section = config.valve if part == "valve" else config.laser
    return age_warning(
        f"{part}.calibrated", section.calibrated, today, section.warn_after_days, section.refuse_after_days
    )
