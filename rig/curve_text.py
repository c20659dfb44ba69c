"""Curves as numbers and words: rows for CSV, plain data for JSON, a table for the terminal.

Floor 0: curves in, text and numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rig.curves.stats import light_effect
from rig.entry import WHICH
from rig.learning import NAMES, Floats, Learning

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


def plain_curves(curves: Learning) -> dict[str, Any]:
    """Everything that the figure shows, in JSON's types."""
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
        plain["likeness_r"] = _plain(curves.matrix())
    if curves.light.any():
        plain["light_effect"] = {name: effect(curves, name) for name in EFFECTS}
    return plain


def effect(curves: Learning, name: str) -> dict[str, float | int | None]:
    """Trials with light against those without, within light days, one pair a mouse (:mod:`rig.curves.stats`)."""
    mice, days = np.nonzero(curves.light)
    rows = [
        (m, d, on, curves.values[WHICH[1 + on]][name][m, d]) for m, d in zip(mice, days, strict=True) for on in (0, 1)
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return {key: _number(value) for key, value in vars(light_effect(*columns).over_mice).items()}


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


def _plain(values: Floats) -> Any:
    return [_plain(row) for row in values] if values.ndim > 1 else [_number(value) for value in values]


def _number(value: Any) -> Any:
    number = float(value)
    if math.isnan(number):
        return None
    return int(number) if isinstance(value, (int, np.integer)) else number
