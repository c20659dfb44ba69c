"""Over days and mice: mean ± SEM, percentiles, light on against light off.

Floor 0: arrays in, numbers out; no files, no clock, no randomness, and no warnings: what cannot be
computed is NaN. The mixed model is in rig/curves/mixed.py. Group convention (mean ± SEM over mice) of [CR]
CRen2333/InhibitoryNeuron_LeverPress.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rig.curves.movement import Flags, Floats
from rig.errors import RigError

NAN = float("nan")

ROUNDING = 1e-12
"""Values whose spread is below this part of their size are equal but for rounding."""


# ---- mean ± SEM over mice ------------------------------------------------------------------------


@dataclass(frozen=True)
class GroupCurve:
    """A measure over sessions, (sessions,) each: mean, standard error and number of mice."""

    mean: Floats
    sem: Floats
    n_mice: Floats


def group_curve(by_mouse: ArrayLike) -> GroupCurve:
    """Mean ± SEM over mice of a measure, (mice, sessions), NaN where a mouse lacks a session [CR].

    SEM is the sample SD over the root of the number of mice that have the session; NaN with one
    mouse.
    """
    values = np.atleast_2d(np.asarray(by_mouse, dtype=np.float64))
    known = np.isfinite(values)
    n_mice = known.sum(axis=0).astype(np.float64)
    mean = _over(np.where(known, values, 0.0).sum(axis=0), n_mice)
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    sem = np.sqrt(_over(squares, (n_mice - 1.0) * n_mice))
    return GroupCurve(mean, sem, n_mice)


def pooled_percentiles(by_mouse: Sequence[ArrayLike], percentiles: Sequence[float] = (5.0, 50.0, 95.0)) -> Floats:
    """Percentiles of all mice's trials thrown together, as cue→reward is published [CR]."""
    pooled = np.concatenate([np.empty(0), *(np.ravel(values) for values in by_mouse)])
    pooled = pooled[np.isfinite(pooled)]
    if pooled.size == 0:
        return np.full(len(percentiles), np.nan)
    return np.asarray(np.percentile(pooled, percentiles), dtype=np.float64)


def _over(total: Floats, count: Floats) -> Floats:
    """Division that answers NaN where there is nothing to divide by."""
    unknown = np.full(np.shape(total), np.nan)
    return np.asarray(np.divide(total, count, out=unknown, where=count > 0), dtype=np.float64)


# ---- light on against light off ------------------------------------------------------------------


@dataclass(frozen=True)
class Paired:
    """Light on less light off over ``n`` pairs: two-sided tests and the size of the effect.

    ``p_t`` is of the paired t test, ``p_wilcoxon`` of the signed-rank test, ``effect_dz`` the mean
    difference over its SD (Cohen's d_z), ``ci95_low`` and ``ci95_high`` bound the mean difference
    (Student's t). All but the mean are NaN with one pair, or without spread between pairs. Sources:
    Student 1908; Wilcoxon 1945; Lakens 2013, Front. Psychol. 4:863 (d_z).
    """

    n: int
    mean: float
    sem: float
    ci95_low: float
    ci95_high: float
    t: float
    p_t: float
    p_wilcoxon: float
    effect_dz: float


@dataclass(frozen=True)
class LightEffect:
    """What the light does to a measure: each mouse by its days, all mice by their means.

    Element i of ``off``, ``on`` (mice,) and ``by_mouse`` belongs to ``mice[i]``: its mean over days
    and the statistics over its days. ``over_mice`` is the group's statistic, one pair a mouse.
    """

    mice: tuple[object, ...]
    off: Floats
    on: Floats
    by_mouse: tuple[Paired, ...]
    over_mice: Paired


def light_effect(mouse: ArrayLike, day: ArrayLike, light: ArrayLike, value: ArrayLike) -> LightEffect:
    """Light on against light off within days, from rows of (mouse, day, light, value), all (n,).

    Pairing within days keeps learning and bad days out of the comparison, and one pair a mouse keeps
    its days from counting as animals (Lazic 2010, BMC Neurosci. 11:5). The values of one mouse, day
    and light are averaged, then paired; days without both do not count, nor do mice without such a
    day. (For whole days of light let ``day`` number the pairs of days.) Rows with a NaN value are
    left out. Raises RigError for columns of unequal length.
    """
    who, when, lit = (np.ravel(np.asarray(column)) for column in (mouse, day, light))
    values = np.ravel(np.asarray(value, dtype=np.float64))
    if len({who.size, when.size, lit.size, values.size}) != 1:
        raise RigError("light effect: mouse, day, light and value must be equally long")
    known = np.isfinite(values)
    by_mouse: dict[object, Floats] = {}
    for name in dict.fromkeys(who.tolist()):
        pairs = _day_pairs(when, lit.astype(np.bool_), values, known & (who == name))
        if len(pairs):
            by_mouse[name] = pairs
    means = np.array([pairs.mean(axis=0) for pairs in by_mouse.values()]).reshape(-1, 2)
    return LightEffect(
        mice=tuple(by_mouse),
        off=means[:, 0],
        on=means[:, 1],
        by_mouse=tuple(paired(*pairs.T) for pairs in by_mouse.values()),
        over_mice=paired(*means.T),
    )


def _day_pairs(day: Any, light: Flags, value: Floats, rows: Flags) -> Floats:
    """(days, 2): mean without and with light of each day that has both."""
    pairs = []
    for one in dict.fromkeys(day[rows].tolist()):
        dark, lit = value[rows & (day == one) & ~light], value[rows & (day == one) & light]
        if dark.size and lit.size:
            pairs.append((dark.mean(), lit.mean()))
    return np.array(pairs, dtype=np.float64)


def paired(off: Floats, on: Floats) -> Paired:
    """Paired statistics of ``on - off``, (pairs,) each."""
    difference = on - off
    n = difference.size
    mean = float(difference.mean()) if n else NAN
    sd = float(difference.std(ddof=1)) if n > 1 else NAN
    # A spread that is only rounding would make any difference infinitely significant.
    if n < 2 or sd <= ROUNDING * float(np.abs([off, on]).max()):
        return Paired(n, mean, *(NAN,) * 7)
    from scipy import stats  # noqa: PLC0415 (it takes a second to come, and a group's mean does without it)

    sem = sd / float(np.sqrt(n))
    reach = float(stats.t.ppf(0.975, n - 1)) * sem
    return Paired(
        n=n,
        mean=mean,
        sem=sem,
        ci95_low=mean - reach,
        ci95_high=mean + reach,
        t=mean / sem,
        p_t=float(2.0 * stats.t.sf(abs(mean / sem), n - 1)),
        p_wilcoxon=float(stats.wilcoxon(difference).pvalue),
        effect_dz=mean / sd,
    )
