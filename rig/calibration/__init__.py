"""Physical amounts to the board's numbers and back: water, light, lever travel.

Floor 0: arithmetic on the tables of config.yaml; no files, no clock. A calibration answers for what was measured and
for nothing beyond it: everything else is a ConfigError that names the range, the key and the remedy. How loud a sound
is stands in ``rig.sound.loudness``; whether a calibration is too old, in ``rig.calibration.age``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rig.config import Config, Drop, Laser, Lever, Valve
from rig.errors import ConfigError

FILE = "config.yaml"
MAX_MISFIT = 0.2  # ours: a drop further than this from the curve is a slip of the pen or of the scale
FLAT = 1e-9  # a rise by less than this part of the largest volume is rounding
REST_SAMPLES = 100
VALVE_REMEDY = "weigh more drops with rig calibrate valve"
LASER_REMEDY = "measure more levels with rig calibrate laser"


# --- valve ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ValveCurve:
    """Volume of a drop, ``a + b·t + c·t²`` microlitres for an opening of t ms; b, c >= 0 and not both 0.

    So it rises wherever t > 0, and every volume in its range has one opening time. ``a`` may be negative: a valve
    takes some milliseconds to open. It holds from ``low_us`` to ``high_us``, the shortest and longest time weighed.
    """

    a: float
    b: float
    c: float
    low_us: int
    high_us: int
    file: str = FILE

    @property
    def range_ul(self) -> tuple[float, float]:
        """Smallest and largest calibrated volume."""
        return self._ul(self.low_us), self._ul(self.high_us)

    def volume_ul(self, open_us: int) -> float:
        """The water that an opening time gives. Raises ConfigError outside the times weighed."""
        if not self.low_us <= open_us <= self.high_us:
            times = _range(self.low_us / 1000, self.high_us / 1000)
            raise ConfigError(f"{self.file}: valve.drops: {open_us / 1000:g} ms is outside {times} ms; {VALVE_REMEDY}")
        return self._ul(open_us)

    def open_us(self, ul: float) -> int:
        """The opening time that gives ``ul`` microlitres, to the nearest microsecond. Raises ConfigError outside."""
        low, high = self.range_ul
        if not low <= ul <= high:
            volumes = _range(low, high)
            raise ConfigError(f"{self.file}: valve.drops: {ul:g} ul is outside {volumes} ul; {VALVE_REMEDY}")
        # The root of the quadratic written so that c = 0 is nothing special and nothing cancels.
        rest = max(ul - self.a, 0.0)
        root = self.b + math.sqrt(self.b * self.b + 4 * self.c * rest)
        return min(max(round(1000 * 2 * rest / root), self.low_us), self.high_us)

    def _ul(self, open_us: int) -> float:
        t_ms = open_us / 1000
        return self.a + t_ms * (self.b + t_ms * self.c)


def fit_valve(drops: Sequence[Drop], file: str = FILE) -> ValveCurve:
    """The least-squares curve through weighed drops (times and volumes rising) with b, c >= 0.

    With two bounded unknowns the best curve is free in both, or lies on a bound and is free in the other: all three
    are fitted and the best that keeps the bounds is taken, which is exact. (A constant is never best, as volumes
    rise.) Monotone by construction, where interpolation would follow every error of the scale.
    """
    t_ms = np.array([drop.open_ms for drop in drops], dtype=np.float64)
    ul = np.array([drop.ul for drop in drops], dtype=np.float64)
    scale_ms = t_ms.max()
    x = t_ms / scale_ms  # the columns become alike in size, so that the fit is well conditioned
    best: tuple[float, NDArray[np.float64]] | None = None
    for powers in ((1, 2), (1,), (2,)):
        columns = np.stack([x**0, *(x**power for power in powers)], axis=1)
        found = np.linalg.lstsq(columns, ul, rcond=None)[0]
        if found[1:].min() < 0 or found[1:].max() <= FLAT * ul.max():
            continue
        misfit = float(np.sum((columns @ found - ul) ** 2))
        if best is None or misfit < best[0]:
            whole = np.zeros(3)
            whole[[0, *powers]] = found
            best = misfit, whole
    if best is None:
        raise ConfigError(f"{file}: valve.drops: the volumes hardly rise with the opening time; {VALVE_REMEDY}")
    a, b, c = (float(value) / float(scale_ms) ** power for power, value in enumerate(best[1]))
    return ValveCurve(a, b, c, round(1000 * float(t_ms.min())), round(1000 * float(t_ms.max())), file)


def valve_curve(valve: Valve, file: str = FILE) -> ValveCurve:
    """The curve of a rig's valve. Raises ConfigError where no drops were weighed, or where one does not fit."""
    if not valve.drops:
        raise ConfigError(f"{file}: valve.drops: none weighed yet; run: rig calibrate valve")
    curve = fit_valve(valve.drops, file)
    for i, drop in enumerate(valve.drops):
        expected_ul = curve.volume_ul(round(1000 * drop.open_ms))
        if abs(expected_ul - drop.ul) > MAX_MISFIT * drop.ul:
            raise ConfigError(
                f"{file}: valve.drops[{i}]: {drop.ul:g} ul at {drop.open_ms:g} ms, where the curve through all drops "
                f"has {expected_ul:.3g} ul; weigh it again with rig calibrate valve"
            )
    return curve


# --- laser ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LaserCurve:
    """Measured power at command levels, linear between them: it rises wherever the measurements do."""

    levels: tuple[int, ...]
    mw: tuple[float, ...]
    max_mw: float
    file: str = FILE

    def power_mw(self, level: int) -> float:
        """The power at a command level. Raises ConfigError beyond the levels measured."""
        if not self.levels[0] <= level <= self.levels[-1]:
            levels = f"{self.levels[0]}–{self.levels[-1]}"
            raise ConfigError(f"{self.file}: laser.power: level {level} is outside {levels}; {LASER_REMEDY}")
        return float(np.interp(level, self.levels, self.mw))

    def light_level(self, mw: float) -> int:
        """The level whose power is nearest to ``mw``, never above ``max_mw``. Raises ConfigError beyond the curve."""
        if mw > self.max_mw:
            raise ConfigError(f"{self.file}: laser.max_mw: {mw:g} mW is above {self.max_mw:g} mW; ask for less")
        if not self.mw[0] <= mw <= self.mw[-1]:
            powers = _range(self.mw[0], self.mw[-1])
            raise ConfigError(f"{self.file}: laser.power: {mw:g} mW is outside {powers} mW; {LASER_REMEDY}")
        below = max(math.floor(float(np.interp(mw, self.mw, self.levels))), self.levels[0])
        above = min(below + 1, self.levels[-1])
        nearer = above if self.power_mw(above) - mw < mw - self.power_mw(below) else below
        return nearer if self.power_mw(nearer) <= self.max_mw else below


def laser_curve(laser: Laser, file: str = FILE) -> LaserCurve:
    """The curve of a rig's laser. Raises ConfigError where no power was measured."""
    if not laser.power:
        raise ConfigError(f"{file}: laser.power: none measured yet; run: rig calibrate laser")
    points = laser.power
    return LaserCurve(tuple(p.level for p in points), tuple(p.mw for p in points), laser.max_mw, file)


# --- lever ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LeverScale:
    """Counts of the board (zero at rest) to millimetres, push positive; ``mm_per_count`` bears the rig's sign."""

    mm_per_count: float
    travel_mm: tuple[float, float]
    file: str = FILE

    @classmethod
    def of(cls, lever: Lever, file: str = FILE) -> Self:
        """The scale of a rig's lever."""
        return cls(-lever.mm_per_count if lever.invert else lever.mm_per_count, lever.travel_mm, file)

    def counts(self, mm: float) -> int:
        """The count nearest to a threshold. Raises ConfigError for one that the lever cannot reach."""
        low, high = self.travel_mm
        if not low <= mm <= high:
            raise ConfigError(
                f"{self.file}: lever.travel_mm: {mm:g} mm is outside the lever's {low:g} to {high:g} mm; "
                "choose another threshold, or measure the travel again"
            )
        return round(mm / self.mm_per_count)

    def mm(self, counts: int) -> float:
        """Where the lever is; no limits, as it is where it is."""
        return counts * self.mm_per_count

    def each_mm(self, counts: NDArray[np.int32] | NDArray[np.int64]) -> NDArray[np.float64]:
        """The same for an array of counts."""
        return np.asarray(counts * self.mm_per_count, dtype=np.float64)


@dataclass(frozen=True)
class Rest:
    """Where the lever rests: its mean position and the SD around it."""

    counts: int
    sd_mm: float


def find_rest(samples_counts: Sequence[int], lever: Lever, file: str = FILE) -> Rest:
    """The rest position from 100 samples or more. Raises ConfigError for fewer, or where the lever moves."""
    if len(samples_counts) < REST_SAMPLES:
        raise ConfigError(f"{len(samples_counts)} samples are too few to zero the lever; take {REST_SAMPLES} or more")
    samples = np.asarray(samples_counts, dtype=np.float64)
    sd_mm = float(samples.std(ddof=1)) * lever.mm_per_count
    if sd_mm > lever.max_rest_sd_mm:
        raise ConfigError(
            f"{file}: lever.max_rest_sd_mm: the lever moves at rest (SD {sd_mm:.3g} mm, limit "
            f"{lever.max_rest_sd_mm:g} mm); let it come to rest and zero again"
        )
    return Rest(round(float(samples.mean())), sd_mm)


# --- all of a rig -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibrations:
    """What a rig's calibrations turn physical amounts into. Water and light are None until they were measured."""

    lever: LeverScale
    valve: ValveCurve | None
    laser: LaserCurve | None
    config: Config
    file: str = FILE

    @classmethod
    def of(cls, config: Config, file: str = FILE) -> Self:
        """Every calibration in a configuration. Raises ConfigError for one that contradicts itself."""
        valve = valve_curve(config.valve, file) if config.valve.drops else None
        laser = laser_curve(config.laser, file) if config.laser.power else None
        return cls(LeverScale.of(config.lever, file), valve, laser, config, file)

    def counts(self, length_mm: float) -> int:
        """Lever travel to counts. Raises ConfigError outside the travel."""
        return self.lever.counts(length_mm)

    def open_us(self, volume_ul: float) -> int:
        """Water to valve opening time. Raises ConfigError outside the drops weighed."""
        return (self.valve or valve_curve(self.config.valve, self.file)).open_us(volume_ul)

    def volume_ul(self, open_us: int) -> float:
        """Valve opening time to water. Raises ConfigError outside the drops weighed."""
        return (self.valve or valve_curve(self.config.valve, self.file)).volume_ul(open_us)

    def light_level(self, power_mw: float) -> int:
        """Light power to command level. Raises ConfigError beyond the curve or above max_mw."""
        return (self.laser or laser_curve(self.config.laser, self.file)).light_level(power_mw)


def _range(low: float, high: float) -> str:
    """A range for a message, rounded inwards, so that what it promises holds."""
    inner = math.ceil(low * 100) / 100, math.floor(high * 100) / 100
    low, high = inner if inner[0] < inner[1] else (low, high)
    return f"the calibrated {low:g}–{high:g}"
