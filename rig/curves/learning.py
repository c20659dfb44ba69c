"""A study's curves: rows of the archive in, mice × days out.

Floor 0: no files, no database, no drawing. Measures are :mod:`rig.curves`'s, one number a session; what is added here
is which session is which day of which mouse, and how the group stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.curves.stats import GroupCurve, group_curve
from rig.curves.trajectory import FEWEST_PUSHES
from rig.errors import RecordError
from rig.record.entry import WHICH, pushes_mm

Floats = NDArray[np.float64]
Row = Mapping[str, Any]

WATER = "water_ul"  # of the session as a whole, by its summary: with light or without has no meaning
NAMES = (
    "success",
    "reaction_first_s",
    "cue_to_reward_s",
    "within_r",
    "cue_to_movement_s",
    "movement_to_reward_s",
    "reaction_rewarded_s",
    "reaction_active_s",
    "duration_s",
    "amplitude_mm",
    "peak_speed_mm_per_s",
    "rise_s",
    "early_presses_per_trial",
    "n_trials",
    "n_rewarded",
    "n_cued",
    WATER,
)


@dataclass(frozen=True)
class Learning:
    """The curves of some mice.

    ``days`` are the numbers of the days shown; ``values[which][name]`` is (mice, days), NaN where a mouse lacks the
    day; ``light`` (mice, days) says where some trials had light; ``pushes[mouse][day]`` is (pushes, samples) mm from
    movement onset, those without light, and ``lit_pushes`` those with.
    """

    mice: tuple[str, ...]
    days: tuple[int, ...]
    values: dict[str, dict[str, Floats]]
    light: NDArray[np.bool_]
    pushes: tuple[tuple[Floats, ...], ...]
    lit_pushes: tuple[tuple[Floats, ...], ...]

    def group(self, name: str, which: str = "all") -> GroupCurve:
        """Mean ± SEM over mice, day by day."""
        return group_curve(self.values[which][name])

    @property
    def light_days(self) -> tuple[int, ...]:
        """The days on which any mouse had light."""
        return tuple(
            day for day, lit in zip(self.days, np.atleast_1d(self.light.any(axis=0)).tolist(), strict=True) if lit
        )

    @cached_property
    def matrices(self) -> Floats:
        """(mice, days, days): within-session r on the diagonal, across-session r beside it; pushes without light."""
        return np.array([quick_matrix(by_day) for by_day in self.pushes]).reshape(-1, len(self.days), len(self.days))

    def matrix(self) -> Floats:
        """(days, days): the mean of :attr:`matrices` over mice."""
        return group_curve(self.matrices.reshape(len(self.mice), -1)).mean.reshape(len(self.days), len(self.days))

    def only(self, mice: Sequence[str]) -> Learning:
        """The same for some of the mice."""
        rows = [self.mice.index(mouse) for mouse in mice]
        values = {which: {name: curve[rows] for name, curve in curves.items()} for which, curves in self.values.items()}
        parts = (tuple(pushes[i] for i in rows) for pushes in (self.pushes, self.lit_pushes))
        return Learning(tuple(mice), self.days, values, self.light[rows], *parts)


def learning(sessions: Sequence[Row], found: Mapping[str, Row]) -> Learning:
    """Curves from the archive's session rows (in the order they were run) and measures by uid.

    A session's day is its plan's, or else its place among the animal's days on record. Where an animal has several
    sessions on one date the one with the most trials counts. Raises RecordError where there is nothing to show.
    """
    chosen = _one_a_day([row for row in sessions if row["uid"] in found])
    if not chosen:
        raise RecordError("no measured session of these animals is in the archive: run `rig archive sync`")
    mice = tuple(dict.fromkeys(mouse for mouse, _ in chosen))
    days = tuple(sorted({day for _, day in chosen}))
    shape = (len(mice), len(days))
    values = {which: {name: np.full(shape, np.nan) for name in NAMES} for which in WHICH}
    light = np.zeros(shape, np.bool_)
    none = np.empty((0, 0))
    pushes, lit = ([[none] * len(days) for _ in mice] for _ in range(2))
    for (mouse, day), row in chosen.items():
        i, j, one = mice.index(mouse), days.index(day), found[row["uid"]]
        light[i, j] = row["n_light"] > 0
        for which in WHICH:
            for name in NAMES:
                value = one["measures"][which].get(name)
                values[which][name][i, j] = np.nan if value is None else value
        water_ul = row.get("water_ul")
        values["all"][WATER][i, j] = np.nan if water_ul is None else water_ul
        if "pushes" in one:
            every, with_light = pushes_mm(one["pushes"], one["samples"]), np.frombuffer(one["pushes_lit"], np.bool_)
            pushes[i][j], lit[i][j] = every[~with_light], every[with_light]
    return Learning(mice, days, values, light, tuple(map(tuple, pushes)), tuple(map(tuple, lit)))


def _one_a_day(rows: Sequence[Row]) -> dict[tuple[str, int], Row]:
    by_date: dict[tuple[str, str], Row] = {}
    for row in rows:
        place = (row["subject"], row["date"])
        if place not in by_date or row["n_trials"] > by_date[place]["n_trials"]:
            by_date[place] = row
    counts: dict[str, int] = {}
    chosen: dict[tuple[str, int], Row] = {}
    for (mouse, _), row in sorted(by_date.items(), key=lambda item: (natural(item[0][0]), item[0][1])):
        counts[mouse] = counts.get(mouse, 0) + 1
        chosen[mouse, row["day"] or counts[mouse]] = row
    return chosen


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts M2 before M10."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for c in name + " ":
        if c.isdigit():
            digits += c
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((-1, c))
    return tuple(parts)


def quick_matrix(sessions: Sequence[Floats]) -> Floats:
    """:func:`rig.curves.trajectory.correlation_matrix` for one mouse, with one matrix product for all sessions.

    Stored pushes are whole and never constant, so that nothing has to be left out; a test holds the two against each
    other.
    """
    sizes = [len(pushes) for pushes in sessions]
    n = len(sessions)
    matrix = np.full((n, n), np.nan)
    ends = np.cumsum(sizes)
    usable = [pushes for pushes in sessions if len(pushes)]
    if not usable:
        return matrix
    rows = np.concatenate(usable).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(length > 0, length, 1)
    r = rows @ rows.T
    for i in range(n):
        mine = slice(ends[i] - sizes[i], ends[i])
        if sizes[i] < FEWEST_PUSHES:
            continue
        matrix[i, i] = _median(r[mine, mine][np.tril_indices(sizes[i], -1)])
        for j in range(i):
            if sizes[j] >= FEWEST_PUSHES:
                matrix[i, j] = matrix[j, i] = _median(r[mine, ends[j] - sizes[j] : ends[j]])
    return matrix


def _median(values: NDArray[np.float32]) -> float:
    """As ``np.median``, which takes ten times as long: it parts the values at two places, and that is the slow way."""
    middle = values.size // 2
    parted = np.partition(values, middle, axis=None)
    return float(parted[middle] if values.size % 2 else (parted[:middle].max() + parted[middle]) / 2)
