"""Quantities with units, for the authoring surface: ``300*ms``, ``6*ul``, ``3*mm``.

Below this surface everything is an integer in the base unit (µs, µm, nl, mHz, µW, mdB), so nothing is rounded twice.
Adding a time to a volume, or giving one where the other is asked for, is a ProtocolError. May not: do any I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import ClassVar, Self

from rig.errors import ProtocolError, did_you_mean


@total_ordering
@dataclass(frozen=True, eq=False, slots=True)
class Quantity:
    """An amount of one dimension, held as an integer of ``base`` units."""

    base: int
    dimension: ClassVar[str] = "quantity"
    shown: ClassVar[tuple[tuple[str, int], ...]] = ()

    def __mul__(self, factor: float) -> Self:
        if isinstance(factor, Quantity):
            raise ProtocolError(f"{self} × {factor}: a product of two quantities has no meaning here")
        return type(self)(round(self.base * factor))

    __rmul__ = __mul__

    def __truediv__(self, other: Self | float) -> float:
        if isinstance(other, Quantity):
            return self.base / self._same(other)
        raise ProtocolError(f"{self} / {other}: write {self} * {1 / other:g}")

    def __add__(self, other: Self) -> Self:
        return type(self)(self.base + self._same(other))

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.base - self._same(other))

    def __neg__(self) -> Self:
        return type(self)(-self.base)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Quantity) and self.base == other.base

    def __lt__(self, other: Self) -> bool:
        return self.base < self._same(other)

    def __hash__(self) -> int:
        return hash((self.dimension, self.base))

    def __bool__(self) -> bool:
        return self.base != 0

    def __str__(self) -> str:
        for name, size in self.shown:
            if abs(self.base) >= size or size == self.shown[-1][1]:
                return f"{self.base / size:.12g} {name}"  # exact: parse() reads it back
        return f"{self.base}"

    __repr__ = __str__

    def _same(self, other: object) -> int:
        if type(other) is not type(self) or not isinstance(other, Quantity):
            raise ProtocolError(f"{self} is a {self.dimension}, {other} is not: give both the same unit")
        return other.base


class Time(Quantity):
    """Durations; base 1 µs."""

    dimension = "time"
    shown = (("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1))

    @property
    def us(self) -> int:
        """Microseconds."""
        return self.base

    @property
    def seconds(self) -> float:
        """Seconds."""
        return self.base / 1e6


class Length(Quantity):
    """Lever travel; base 1 µm."""

    dimension = "length"
    shown = (("mm", 1000),)

    @property
    def mm(self) -> float:
        """Millimetres."""
        return self.base / 1e3


class Volume(Quantity):
    """Water; base 1 nl."""

    dimension = "volume"
    shown = (("ul", 1000),)

    @property
    def ul(self) -> float:
        """Microlitres."""
        return self.base / 1e3


class Frequency(Quantity):
    """Tones and trains; base 1 mHz."""

    dimension = "frequency"
    shown = (("khz", 1_000_000), ("hz", 1_000))

    @property
    def hz(self) -> float:
        """Hertz."""
        return self.base / 1e3

    @property
    def period(self) -> Time:
        """The time of one cycle."""
        return Time(round(1e9 / self.base))


class Power(Quantity):
    """Light; base 1 µW."""

    dimension = "power"
    shown = (("mw", 1000),)

    @property
    def mw(self) -> float:
        """Milliwatts."""
        return self.base / 1e3


class Level(Quantity):
    """Sound pressure level re 20 µPa; base 1/1000 dB."""

    dimension = "sound level"
    shown = (("db", 1000),)

    @property
    def db(self) -> float:
        """Decibels SPL."""
        return self.base / 1e3


us, ms, s, minute = Time(1), Time(1_000), Time(1_000_000), Time(60_000_000)
mm, ul, mw, db = Length(1_000), Volume(1_000), Power(1_000), Level(1_000)
hz, khz = Frequency(1_000), Frequency(1_000_000)

UNITS: dict[str, Quantity] = {
    **{"us": us, "µs": us, "ms": ms, "s": s, "min": minute},
    **{"mm": mm, "ul": ul, "µl": ul, "mw": mw, "hz": hz, "khz": khz, "db": db},
}


def parse(text: str) -> Quantity:
    """Read ``"300 ms"`` or ``"3mm"``. Raises ProtocolError naming the nearest known unit."""
    found = re.fullmatch(r"\s*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*([a-zµ]+)\s*", text, re.IGNORECASE)
    if not found:
        raise ProtocolError(f'"{text}": expected a number and a unit, such as "300 ms"')
    number, name = found.groups()
    unit = UNITS.get(name.lower())
    if unit is None:
        hint = did_you_mean(name.lower(), UNITS) or f" (known: {', '.join(UNITS)})"
        raise ProtocolError(f'"{text}": unknown unit "{name}"{hint}')
    if not abs(float(number)) < 1e12:
        raise ProtocolError(f'"{text}": {number} is beyond all measure')
    return unit * float(number)
