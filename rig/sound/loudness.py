"""How loud full scale is: the dated table from frequency to dB SPL that one rig measured at one attenuation.

Floor 0: arithmetic on a small table. It reads no file and no clock; today's date is an argument. A calibration answers
only for what was measured: between its lowest and highest octave, on its device, at its attenuation, and not for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.errors import ConfigError

WARN_AFTER_DAYS = 31
REFUSE_AFTER_DAYS = 92
TOLERANCE_DB = 0.5  # what a calibration must reproduce, octave by octave
_REMEDY = "run: rig sound calibrate"


@dataclass(frozen=True)
class LevelCalibration:
    """dB SPL of a full-scale sine (peak 1.0) at each measured frequency; ascending (hz, dB) pairs."""

    measured_on: date
    device: str
    attenuation_db: float
    full_scale_db: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Refuse a table that cannot be interpolated: empty, unordered, or with a figure that is none."""
        table = self.full_scale_db
        if not table:
            raise ConfigError(f"sound calibration of {self.measured_on}: no octave in it; {_REMEDY}")
        if any(not (np.isfinite(hz) and np.isfinite(db) and hz > 0) for hz, db in table):
            raise ConfigError(f"sound calibration of {self.measured_on}: not a number in it; {_REMEDY}")
        if any(low >= high for (low, _), (high, _) in pairwise(table)):
            raise ConfigError(f"sound calibration of {self.measured_on}: frequencies not ascending")

    @property
    def range_hz(self) -> tuple[float, float]:
        """Lowest and highest calibrated frequency."""
        return self.full_scale_db[0][0], self.full_scale_db[-1][0]

    def warning(self, today: date, device: str, attenuation_db: float) -> str:
        """An empty string, or one line when the calibration grows old; ConfigError when it must not be used."""
        if device != self.device:
            raise ConfigError(f'sound calibration is of device "{self.device}", not "{device}"; {_REMEDY}')
        if abs(attenuation_db - self.attenuation_db) > 0.01:
            raise ConfigError(
                f"sound calibration holds at {self.attenuation_db:g} dB attenuation, "
                f"the rig is set to {attenuation_db:g} dB; set it back or {_REMEDY}"
            )
        age_days = (today - self.measured_on).days
        if age_days < 0:
            raise ConfigError(f"sound calibration is dated {self.measured_on}, after today; {_REMEDY}")
        # The refusal is tested before the warning, or it could never be reached.
        if age_days > REFUSE_AFTER_DAYS:
            raise ConfigError(f"sound calibration is {age_days} days old (limit {REFUSE_AFTER_DAYS}); {_REMEDY}")
        if age_days > WARN_AFTER_DAYS:
            return f"sound calibration is {age_days} days old (refused after {REFUSE_AFTER_DAYS}); {_REMEDY}"
        return ""

    def at_db(self, tone_hz: float) -> float:
        """dB SPL of a full-scale sine at ``tone_hz``, linear in dB between octaves; ConfigError outside them."""
        low, high = self.range_hz
        if not low <= tone_hz <= high:
            raise ConfigError(f"{tone_hz:g} Hz is outside the calibrated {low:g}–{high:g} Hz; {_REMEDY}")
        return float(self.each_db(np.array([tone_hz]))[0])

    def each_db(self, freq_hz: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The same for an array of frequencies in hertz, all of them inside the range (unchecked here)."""
        table_hz, table_db = np.array(self.full_scale_db, dtype=np.float64).T
        return np.asarray(np.interp(np.log2(freq_hz), np.log2(table_hz), table_db), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a YAML file or a manifest."""
        return {
            "measured_on": self.measured_on.isoformat(),
            "device": self.device,
            "attenuation_db": self.attenuation_db,
            "full_scale_db": {float(hz): float(db) for hz, db in self.full_scale_db},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "sound calibration") -> LevelCalibration:
        """Read what ``to_dict`` wrote; ConfigError names ``where`` and the key that is missing or wrong."""
        try:
            table = sorted((float(hz), float(db)) for hz, db in data["full_scale_db"].items())
            return cls(
                date.fromisoformat(str(data["measured_on"])),
                str(data["device"]),
                float(data["attenuation_db"]),
                tuple(table),
            )
        except KeyError as missing:
            raise ConfigError(f"{where}: key {missing} is missing; {_REMEDY}") from None
        except (TypeError, ValueError, AttributeError) as fault:
            raise ConfigError(f"{where}: {fault}; {_REMEDY}") from None
