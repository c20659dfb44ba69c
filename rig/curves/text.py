"""Curves as numbers and words: rows for CSV, plain data for JSON, a table for the terminal.

Floor 0: curves in, text and numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rig.curves.learning import NAMES, Floats, Learning
from rig.curves.mixed import MixedModel, mixed_model
from rig.curves.stats import light_effect
from rig.record.entry import WHICH

CSV_HEADER = ("group", "mouse", "day", "light_day", "trials", *NAMES)
BLOCKS = "▁▂▃▄▅▆▇█"
EFFECTS = ("success", "reaction_first_s", "cue_to_reward_s", "movement_to_reward_s", "within_r")


def curve_rows(groups: Mapping[str, Learning]) -> Iterator[tuple[Any, ...]]:
    """Rows under CSV_HEADER: one a mouse, day and set of trials (all, those without light, those with)."""
    for group, curves in groups.items():
        for i, mouse in enumerate(curves.mice):
            for j, day in enumerate(curves.days):
                for which in WHICH if curves.light[i, j] else WHICH[:1]:
                    values = [_number(curves.values[which][name][i, j]) for name in NAMES]
                    if any(value is not None for value in values):
                        yield (group, mouse, day, bool(curves.light[i, j]), which, *values)


def plain_curves(curves: Learning, *, statistics: bool = False) -> dict[str, Any]:
    """Everything that the figure shows, in JSON's types; with ``statistics`` what light does and the mixed models."""
    plain: dict[str, Any] = {
        "mice": list(curves.mice),
        "days": list(curves.days),
        "light_days": list(curves.light_days),
        "light": curves.light.tolist(),
        "measures": {},
    }
    for name in NAMES:
        plain["measures"][name] = {}
        for which in WHICH if curves.light.any() else WHICH[:1]:
            group = curves.group(name, which)
            plain["measures"][name][which] = {
                "by_mouse": _plain(curves.values[which][name]),
                "mean": _plain(group.mean),
                "sem": _plain(group.sem),
                "n": [int(n) for n in group.n_mice],
            }
    if any(len(pushes) for by_day in curves.pushes for pushes in by_day):
        plain["across_session_r"] = _plain(curves.matrix())
    if statistics and curves.light.any():
        plain["light_effect"] = {name: effect(curves, name) for name in EFFECTS}
    if statistics:
        plain["mixed_model"] = {name: _plain_fields(trend(curves, name)) for name in EFFECTS}
    return plain


def effect(curves: Learning, name: str) -> dict[str, Any]:
    """Trials with light against those without, within light days, one pair a mouse (:mod:`rig.curves.stats`)."""
    mice, days = np.nonzero(curves.light)
    rows = [
        (m, d, on, curves.values[WHICH[1 + on]][name][m, d]) for m, d in zip(mice, days, strict=True) for on in (0, 1)
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return _plain_fields(light_effect(*columns).over_mice)


def light_cells(curves: Learning, name: str) -> tuple[str, ...]:
    """:func:`effect` for a table: pairs, difference, its 95 % CI, p twice, d_z."""
    found = effect(curves, name)
    low, high = _said(found["ci95_low"]), _said(found["ci95_high"])
    keys = ("p_t", "p_wilcoxon", "effect_dz")
    return (str(found["n"]), _said(found["mean"]), f"{low} to {high}", *(_said(found[key]) for key in keys))


def trend_cells(curves: Learning, name: str) -> tuple[str, ...]:
    """:func:`trend` for a table: mice, change a day, its SE, p, and what there is to say of the fit."""
    fit = trend(curves, name)
    doubt = "" if fit.converged and not fit.on_boundary else "on the boundary" if fit.converged else "no fit"
    return (str(fit.n_mice), *(_said(_number(value)) for value in (fit.slope, fit.slope_se, fit.p)), doubt)


def trend(curves: Learning, name: str) -> MixedModel:
    """How a measure changes by the day: ``measure ~ day + (day | mouse)`` over sessions without light."""
    values = np.where(curves.light, np.nan, curves.values["all"][name])
    mouse, day = np.indices(values.shape)
    return mixed_model(values, np.array(curves.days)[day], mouse)


def sparkline(values: Floats) -> str:
    """A line of blocks, one a day, from the smallest value to the largest; a blank where there is none."""
    known = values[np.isfinite(values)]
    if not known.size:
        return " " * len(values)
    low, span = known.min(), np.ptp(known)
    part = (values - low) / (span or 1.0)
    return "".join(" " if math.isnan(p) else BLOCKS[round(p * (len(BLOCKS) - 1))] for p in part.tolist())


def mean_sem(mean: float, sem: float, digits: int) -> str:
    """``12.3 ± 0.4``, or a dash."""
    if math.isnan(mean):
        return "–"
    return f"{mean:.{digits}f}" + ("" if math.isnan(sem) else f" ± {sem:.{digits}f}")


def _said(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _plain_fields(found: Any) -> dict[str, Any]:
    kept = (bool, str)
    return {key: value if isinstance(value, kept) else _number(value) for key, value in vars(found).items()}


def _plain(values: Floats) -> Any:
    return [_plain(row) for row in values] if values.ndim > 1 else [_number(value) for value in values]


def _number(value: Any) -> Any:
    number = float(value)
    if math.isnan(number):
        return None
    return int(number) if isinstance(value, (int, np.integer)) else number
