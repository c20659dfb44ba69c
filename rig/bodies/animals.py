"""Who pushes the lever in a simulation: nobody, a simulated mouse, a recorded encoder trace, recorded pushes.

An animal yields lever edges; whoever moves a paw does it through :class:`Paw`, which adds the lever's inertia and turns
millimetres into counts. Files are read here, and nothing else of the world is touched.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from rig.errors import ConfigError, did_you_mean
from rig.mouse import Mouse
from rig.mouse.animal import draw_animal

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Edges = tuple[IntArray, IntArray]  # times (board µs) and count changes
NO_EDGES: Edges = (np.empty(0, np.int64), np.empty(0, np.int64))


class Animal(Protocol):
    """What the simulated world asks of an animal. Times are board µs that never wrap."""

    def edges(self, start_us: int, end_us: int) -> Edges:
        """Lever edges with ``start_us < t <= end_us``. The next call may begin earlier than this one ended."""

    def licks_us(self, start_us: int, end_us: int) -> list[int]:
        """Onsets of licks in the time given."""

    def hears(self, t_us: int, tone_hz: int) -> bool:
        """A tone began. Returns whether what lies ahead changed."""

    def tastes(self, t_us: int) -> bool:
        """Water came. Returns whether what lies ahead changed."""

    def feels_light(self, t_us: int, on: bool) -> bool:
        """The laser was switched. Returns whether what lies ahead changed."""


class Nobody:
    """An empty rig."""

    def edges(self, start_us: int, end_us: int) -> Edges:
        """See :class:`Animal`."""
        return NO_EDGES

    def licks_us(self, start_us: int, end_us: int) -> list[int]:
        """See :class:`Animal`."""
        return []

    def hears(self, t_us: int, tone_hz: int) -> bool:
        """See :class:`Animal`."""
        return False

    def tastes(self, t_us: int) -> bool:
        """See :class:`Animal`."""
        return False

    def feels_light(self, t_us: int, on: bool) -> bool:
        """See :class:`Animal`."""
        return False


class Trace(Nobody):
    """A recorded encoder trace, played from the session's start; a jump of several counts stays one edge."""

    def __init__(self, t_us: IntArray, counts: IntArray) -> None:
        steps = np.diff(counts, prepend=counts[:1])
        moved = steps != 0
        self._t_us, self._steps = t_us[moved] - t_us[0], steps[moved]
        self._origin_us: int | None = None

    def edges(self, start_us: int, end_us: int) -> Edges:
        """See :class:`Animal`."""
        if self._origin_us is None:
            self._origin_us = start_us
        first, last = np.searchsorted(self._t_us, [start_us - self._origin_us, end_us - self._origin_us], "right")
        return self._t_us[first:last] + self._origin_us, self._steps[first:last]


class Hand(Protocol):
    """A paw: see :class:`rig.mouse.Mouse`."""

    def hand_mm(self, start_us: int, n: int) -> FloatArray | None: ...

    def licks_us(self, start_us: int, end_us: int) -> list[int]: ...

    def hears(self, t_us: int, tone_hz: int) -> bool: ...

    def tastes(self, t_us: int) -> bool: ...

    def feels_light(self, t_us: int, on: bool) -> bool: ...


class Paw:
    """A paw on the lever: inertia (a critically damped lever of ``natural_hz``), then counts."""

    def __init__(self, hand: Hand, counts_per_mm: float, natural_hz: float = 25.0) -> None:
        self._hand = hand
        self._counts_per_mm = counts_per_mm
        w = 2 * np.pi * natural_hz
        self._b, self._a = signal.bilinear([w * w], [1, 2 * w, w * w], fs=1000)
        self._rest = np.zeros(2)
        # Where the last call began, and how the lever stood there: a call that begins earlier than the last one ended
        # (the animal changed its mind) winds forward from there.
        self._grid_us: int | None = None
        self._state = self._rest
        self._counts = 0
        self._hand_mm: FloatArray | None = None

    def edges(self, start_us: int, end_us: int) -> Edges:
        """See :class:`Animal`."""
        grid_us = self._wind_to(start_us)
        n = (end_us - grid_us) // 1000 + 1
        self._hand_mm = self._hand.hand_mm(grid_us, n)
        if self._hand_mm is None and self._state is self._rest and self._counts == 0:
            return NO_EDGES
        t_us, steps = self._move(grid_us, self._hand_mm if self._hand_mm is not None else np.zeros(n))
        first, last = np.searchsorted(t_us, (start_us, end_us), "right")
        return t_us[first:last], steps[first:last]

    def _wind_to(self, start_us: int) -> int:
        if self._grid_us is None:
            self._grid_us = start_us
        n = (start_us - self._grid_us) // 1000
        if n > 0:
            if self._hand_mm is not None or self._state is not self._rest or self._counts:
                past = self._hand_mm[:n] if self._hand_mm is not None else np.zeros(n)
                if len(past) < n:
                    past = np.pad(past, (0, n - len(past)))
                _, self._state, self._counts = self._lever(past)
            self._grid_us += 1000 * n
        return self._grid_us

    def _lever(self, hand_mm: FloatArray) -> tuple[FloatArray, FloatArray, int]:
        """Where the lever is, in counts not yet whole, while the hand moves so; its state and counts afterwards."""
        lever_mm, state = signal.lfilter(self._b, self._a, hand_mm, zi=self._state)
        if max(map(abs, state.tolist())) < 1e-6 and not hand_mm.any():
            state = self._rest
        lever = lever_mm * self._counts_per_mm
        return lever, state, round(float(lever[-1])) if len(lever) else self._counts

    def _move(self, grid_us: int, hand_mm: FloatArray) -> Edges:
        """Edges while the hand moves so."""
        counts = np.empty(len(hand_mm) + 1)
        counts[0], counts[1:] = self._counts, np.rint(self._lever(hand_mm)[0])
        steps = (counts[1:] - counts[:-1]).astype(np.int64)
        moved = np.flatnonzero(steps)
        size = np.abs(steps[moved])
        # Several counts within a millisecond are spread evenly over it.
        which = np.repeat(np.arange(len(moved)), size)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(size) - size, size)
        t_us = grid_us + 1000 * moved[which] + (1000 * (2 * nth + 1)) // (2 * size[which])
        return t_us, np.sign(steps[moved])[which]

    def licks_us(self, start_us: int, end_us: int) -> list[int]:
        """See :class:`Animal`."""
        return self._hand.licks_us(start_us, end_us)

    def hears(self, t_us: int, tone_hz: int) -> bool:
        """See :class:`Animal`."""
        return self._hand.hears(t_us, tone_hz)

    def tastes(self, t_us: int) -> bool:
        """See :class:`Animal`."""
        return self._hand.tastes(t_us)

    def feels_light(self, t_us: int, on: bool) -> bool:
        """See :class:`Animal`."""
        return self._hand.feels_light(t_us, on)


class RecordedPushes:
    """Recorded pushes, one drawn in answer to each cue: (n, samples) mm at 1 kHz, moving from ``lead_ms``."""

    def __init__(self, pushes: FloatArray, lead_ms: int, seed: int) -> None:
        self._pushes, self._lead_ms = pushes, lead_ms
        self._rng = np.random.default_rng([seed, 2])
        self._playing: tuple[int, FloatArray] | None = None
        self._water_us = -(10**9)

    def hand_mm(self, start_us: int, n: int) -> FloatArray | None:
        """See :class:`Hand`."""
        if self._playing is None:
            return None
        begin_us, push_mm = self._playing
        first = (start_us - begin_us) // 1000
        if first >= len(push_mm):
            self._playing = None
            return None
        index = np.arange(first, first + n)
        return np.where((index >= 0) & (index < len(push_mm)), push_mm[np.clip(index, 0, len(push_mm) - 1)], 0.0)

    def licks_us(self, start_us: int, end_us: int) -> list[int]:
        """See :class:`Hand`."""
        return []

    def hears(self, t_us: int, tone_hz: int) -> bool:
        """See :class:`Hand`."""
        if t_us - self._water_us < 1_000_000:
            return False
        reaction_us = int(1e6 * self._rng.lognormal(np.log(0.4), 0.5)) // 1000 * 1000
        push_mm = self._pushes[int(self._rng.integers(len(self._pushes)))]
        # The recording's own lead-in is skipped where the animal answers sooner than it lasts.
        skip = max(0, self._lead_ms - reaction_us // 1000)
        self._playing = (t_us + reaction_us - 1000 * (self._lead_ms - skip), push_mm[skip:])
        return True

    def tastes(self, t_us: int) -> bool:
        """See :class:`Hand`."""
        self._water_us = t_us
        return False

    def feels_light(self, t_us: int, on: bool) -> bool:
        """See :class:`Hand`."""
        return False


# --- files ------------------------------------------------------------------------------------------------------------


def _rows(path: Path, columns: tuple[str, ...]) -> list[list[float]]:
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or [])]
            if missing:
                raise ConfigError(f"{path}: no column {missing[0]!r}; expected a header {','.join(columns)}")
            rows = []
            for row in reader:
                try:
                    rows.append([float(row[name]) for name in columns])
                except (TypeError, ValueError):
                    raise ConfigError(f"{path}:{reader.line_num}: expected numbers under {','.join(columns)}") from None
    except (OSError, EOFError, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not rows:
        raise ConfigError(f"{path}: holds no rows")
    return rows


def read_trace(path: Path) -> tuple[IntArray, IntArray]:
    """``t_us,count`` of a recorded encoder, gzip or plain, in order of time. ConfigError names file and line."""
    data = np.array(_rows(path, ("t_us", "count"))).astype(np.int64)
    back = np.flatnonzero(np.diff(data[:, 0]) < 0)
    if len(back):
        raise ConfigError(f"{path}:{back[0] + 3}: time runs backwards (t_us must not fall)")
    return data[:, 0], data[:, 1]


def read_pushes(path: Path, mm_per_v: float = 6.0) -> tuple[FloatArray, int]:
    """Recorded pushes ``session,push,t_ms,lever_v`` as (pushes, samples) mm at 1 kHz, and their lead-in in ms.

    Each push is taken from its own rest (the median before onset) and turned so that pushing is positive.
    """
    data = np.array(_rows(path, ("session", "push", "t_ms", "lever_v")))
    keys = data[:, 0] * 1e6 + data[:, 1]
    t_ms = data[keys == keys[0], 2]
    if len(t_ms) < 2 or len(data) % len(t_ms):
        raise ConfigError(f"{path}: pushes are not all of the same length")
    volts = data[:, 3].reshape(-1, len(t_ms))
    volts = volts - np.median(volts[:, t_ms < 0], axis=1, keepdims=True)
    volts *= -1.0 if volts[:, (t_ms > 0) & (t_ms <= 1000)].mean() < 0 else 1.0
    fine_ms = np.arange(t_ms[0], t_ms[-1] + 1)
    fine = np.array([np.interp(fine_ms, t_ms, push) for push in volts]) * mm_per_v
    fade = np.minimum(1.0, np.arange(len(fine_ms))[::-1] / 200.0)  # back to rest at the end of the recording
    return fine * fade, int(-t_ms[0])


def make_animal(text: str, counts_per_mm: float, seed: int) -> Animal:
    """An animal from what ``--animal`` says: ``mouse[:…]``, ``none``, ``trace:FILE`` or ``pushes:FILE``."""
    kind, _, file = text.partition(":")
    if kind == "mouse":
        return Paw(_mouse(file, seed), counts_per_mm)
    if kind == "none":
        return Nobody()
    if kind == "trace":
        return Trace(*read_trace(Path(file)))
    if kind == "pushes":
        return Paw(RecordedPushes(*read_pushes(Path(file)), seed), counts_per_mm)
    hint = did_you_mean(kind, ("mouse", "none", "trace", "pushes"))
    raise ConfigError(f"--animal {text}: expected mouse, none, trace:FILE or pushes:FILE{hint}")


MOUSE_WORDS = ("study", "number", "day", "light")


def _mouse(text: str, seed: int) -> Mouse:
    """``number=3,day=14,study=1,light=0``: each may be left out; ``study`` is then the session's seed."""
    said: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in MOUSE_WORDS:
            raise ConfigError(
                f"--animal mouse:{text}: {name}{did_you_mean(name, MOUSE_WORDS)}: expected number=3,day=14"
            )
        try:
            said[name] = float(value) if name == "light" else int(value)
        except ValueError:
            raise ConfigError(f"--animal mouse:{text}: {name} is {value!r}: expected a number") from None
        if said[name] < (name in ("number", "day")) or (name == "light" and said[name] > 1):
            raise ConfigError(f"--animal mouse:{text}: {name} is {value}: number and day count from 1, light is 0 to 1")
    asked = {"study": seed, "number": 1, "day": 7, "light": 0.75, **said}
    animal = draw_animal(int(asked["study"]), int(asked["number"]), light_effect=asked["light"])
    return Mouse(animal, int(asked["day"]))
