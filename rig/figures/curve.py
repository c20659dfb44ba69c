"""The figure for the wall: what the mice learned, day by day, and what light takes away.

Each animal is a thin line, the group a thick one with its SEM; light days are shaded, and on them trials with light are
drawn apart from those without.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from rig.curves.learning import Floats, Learning
from rig.curves.stats import group_curve
from rig.curves.trajectory import SEGMENT_HZ
from rig.figures import GREY, GROUPS, INK, LIGHT, MARKERS, SHADE, new_figure, save, tidy

PANELS = (
    ("success", "rewarded trials, %", "Success", 100.0),
    ("reaction_first_s", "cue to first movement, s", "Reaction time", 1.0),
    ("cue_to_reward_s", "cue to reward, s", "Cue to reward", 1.0),
    ("movement_to_reward_s", "movement onset to reward, s", "Movement to reward", 1.0),
    ("within_r", "median pairwise r over 2 s", "Trajectory correlation within days", 1.0),
)
EXAMPLES = 14  # pushes drawn of a day
WIDE_IN, HIGH_IN, LEFT_IN, BELOW_IN = 11.5, 9.0, 0.62, 0.5
BESIDE = 0.3  # how far right of its day a point of trials with light stands, days


def draw_curves(groups: Mapping[str, Learning], path: Path, title: str = "") -> None:
    """Write the figure. ``groups``: curves by the group's name; one group needs no name."""
    one = max(groups.values(), key=lambda curves: len(curves.mice))
    likeness = Thread(target=lambda: one.matrices)  # while matplotlib loads, which takes as long
    likeness.start()
    figure = new_figure(WIDE_IN, HIGH_IN, layout=None)
    entries = sum(1 + bool(curves.light_days) for curves in groups.values())
    places = _Places(figure, -(-entries // 2))
    for i, (name, label, heading, scale) in enumerate(PANELS):
        axes = tidy(places.axes(i // 3, i % 3, 3), x="day", y=label, title=heading)
        _curve_panel(axes, groups, name, scale)
    likeness.join()
    _matrix_panel(figure, places.axes(1, 2, 3, bar=True), one)
    _example_panels(places, one)
    figure.suptitle(title or say(groups), fontsize=10.5, x=0.01, y=0.985, ha="left", va="top", color=INK)
    save(figure, path)


class _Places:
    """Where panels stand, in inches: a layout that measures every label takes longer than all else."""

    def __init__(self, figure: Any, legend_rows: int) -> None:
        self.figure = figure
        self._above_in = 0.3 + 0.155 * legend_rows  # heading and legend of a panel
        self._high_in = (HIGH_IN - 0.3 - 2 * self._above_in - 0.32 - 3 * BELOW_IN) / 3

    def axes(self, row: int, column: int, columns: int, *, bar: bool = False, **shared: Any) -> Any:
        """Axes in one of so many columns; only three of them leave room for labels between. ``bar``: and for one."""
        between_in = 0.72 if columns == 3 else 0.3
        wide_in = (WIDE_IN - LEFT_IN - 0.15 - between_in * (columns - 1)) / columns
        left_in = LEFT_IN + column * (wide_in + between_in)
        above_in = 0.3 + self._above_in * min(row + 1, 2) + (0.32 if row == 2 else 0)
        bottom_in = HIGH_IN - above_in - self._high_in - row * (self._high_in + BELOW_IN)
        return self._add(left_in, bottom_in, wide_in - (0.75 if bar else 0), **shared)

    def _add(self, left_in: float, bottom_in: float, wide_in: float, **shared: Any) -> Any:
        place = (left_in / WIDE_IN, bottom_in / HIGH_IN, wide_in / WIDE_IN, self._high_in / HIGH_IN)
        return self.figure.add_axes(place, **shared)


def say(groups: Mapping[str, Learning]) -> str:
    """What is shown, in one line."""
    parts = [f"{name + ': ' if len(groups) > 1 else ''}{len(c.mice)} mice" for name, c in groups.items()]
    days = sorted({day for curves in groups.values() for day in curves.days})
    lit = sorted({day for curves in groups.values() for day in curves.light_days})
    light = f"; light on day{'s' if len(lit) > 1 else ''} {', '.join(map(str, lit))} (shaded)" if lit else ""
    return f"{', '.join(parts)}; {len(days)} days; thin: each animal, thick: mean ± SEM{light}"


# --- curves -----------------------------------------------------------------------------------------------------------


def _curve_panel(axes: Any, groups: Mapping[str, Learning], name: str, scale: float) -> None:
    for k, (group, curves) in enumerate(groups.items()):
        days = np.array(curves.days)
        colour = GROUPS[k % len(GROUPS)]
        lit = np.isin(days, curves.light_days)
        # On a light day the line goes on through its trials without light: the others stand beside it.
        values = scale * np.where(lit, curves.values["off"][name], curves.values["all"][name])
        each = np.stack([np.broadcast_to(days, values.shape), values], axis=2)
        _thin(axes, each, color=GREY if len(groups) == 1 else colour, lw=0.6, alpha=0.45)
        of = group_curve(values)
        mean, sem = of.mean, np.nan_to_num(of.sem)
        axes.fill_between(days, mean - sem, mean + sem, color=colour, alpha=0.25, lw=0, zorder=2)
        known = int(np.isfinite(values).any(axis=1).sum())
        style = {"color": colour, "lw": 2.2, "marker": MARKERS[k % len(MARKERS)], "ms": 4, "zorder": 3}
        axes.plot(days, mean, label=f"{group or 'mean'} (n = {known})", **style)
        if lit.any():
            one = len(groups) == 1
            _lit_points(axes, curves, name, scale, lit, LIGHT if one else colour, "light on" if one else "light")
    _shade(axes, groups)
    axes.set_xlim(min(c.days[0] for c in groups.values()) - 0.6, max(c.days[-1] for c in groups.values()) + 0.6)
    axes.set_ylim(*((0, 102) if name == "success" else (min(0.0, axes.get_ylim()[0]), None)))
    axes.xaxis.get_major_locator().set_params(integer=True)
    # Above the curves, under the heading: nowhere within is free for every study.
    rows = -(-len(axes.get_legend_handles_labels()[0]) // 2)
    heading = {"pad": 6 + 11 * rows, "fontsize": 9.5, "fontweight": "bold", "color": INK}
    axes.set_title(axes.get_title(loc="left"), loc="left", **heading)
    place = {"loc": "lower left", "bbox_to_anchor": (-0.03, 0.985), "ncols": 2, "labelspacing": 0.2}
    axes.legend(fontsize=7.5, frameon=False, handlelength=1.4, columnspacing=0.9, handletextpad=0.4, **place)


def _thin(axes: Any, lines: Floats, **style: Any) -> None:
    """Many lines (lines, points, x and y), as one thing to draw."""
    from matplotlib.collections import LineCollection  # noqa: PLC0415

    axes.update_datalim(lines[np.isfinite(lines).all(axis=2)])
    axes.add_collection(LineCollection(list(lines), zorder=1, **style), autolim=False)


def _lit_points(axes: Any, curves: Learning, name: str, scale: float, lit: Any, colour: str, label: str) -> None:
    """Trials with light: an open diamond beside the day, each animal tied to its trials without."""
    days = np.array(curves.days)[lit]
    on, off = scale * curves.values["on"][name][:, lit], scale * curves.values["off"][name][:, lit]
    ends = np.broadcast_to(np.stack([days, days + BESIDE], axis=1), (*on.shape, 2))
    ties = np.stack([ends, np.stack([off, on], axis=2)], axis=3).reshape(-1, 2, 2)
    _thin(axes, ties[np.isfinite(ties).all(axis=(1, 2))], color=colour, lw=0.5, alpha=0.35)
    of = group_curve(on)
    style = {"fmt": "D", "color": colour, "mfc": "white", "mew": 1.6, "ms": 5.5, "lw": 1.6, "zorder": 4}
    n = int(np.isfinite(on).any(axis=1).sum())
    axes.errorbar(days + BESIDE, of.mean, np.nan_to_num(of.sem), label=f"{label} (n = {n})", **style)


def _shade(axes: Any, groups: Mapping[str, Learning]) -> None:
    for day in sorted({day for curves in groups.values() for day in curves.light_days}):
        axes.axvspan(day - 0.5, day + 0.5, color=SHADE, lw=0, zorder=0)
        style = {"fontsize": 7, "ha": "center", "va": "top", "rotation": 90, "color": INK, "zorder": 5}
        axes.text(day, 0.985, "light", transform=axes.get_xaxis_transform(), **style)


# --- correlation and examples -----------------------------------------------------------------------------------------


def _matrix_panel(figure: Any, axes: Any, curves: Learning) -> None:
    matrix = curves.matrix()
    tidy(axes, x="day", y="day", title=f"… and across days (n = {len(curves.mice)})")
    known = matrix[np.isfinite(matrix)]
    top = float(known.max()) if known.size else 1.0
    image = axes.imshow(
        matrix, cmap="viridis", aspect="auto", vmin=min(0.0, float(known.min()) if known.size else 0.0), vmax=top
    )
    step = max(1, len(curves.days) // 6)
    ticks = range(0, len(curves.days), step)
    for setter in (axes.set_xticks, axes.set_yticks):
        setter(list(ticks), [str(curves.days[i]) for i in ticks])
    box = axes.get_position()
    bar = figure.colorbar(image, cax=figure.add_axes((box.x1 + 0.008, box.y0, 0.011, box.height)))
    bar.set_label("median r, mean over mice", fontsize=8)
    bar.ax.tick_params(labelsize=7.5)


def _example_panels(places: _Places, curves: Learning) -> None:
    """Pushes of one animal, the one nearest the group in likeness on its last day without light."""
    mouse = _typical(curves)
    stages = _stages(curves, mouse)
    shared: Any = None
    for place, (heading, pushes, colour) in enumerate(stages):
        axes = places.axes(2, place, 4, sharey=shared)
        shared = shared or axes
        tidy(axes, x="s from movement onset", y="lever, mm" if place == 0 else "", title=heading)
        if place:
            axes.tick_params(labelleft=False)
        t_s = np.arange(pushes.shape[1]) / SEGMENT_HZ
        some = pushes[np.linspace(0, len(pushes) - 1, min(EXAMPLES, len(pushes))).astype(int)]
        _thin(axes, np.stack([np.broadcast_to(t_s, some.shape), some], axis=2), color=GREY, lw=0.6, alpha=0.7)
        axes.plot(t_s, pushes.mean(axis=0), color=colour, lw=2.2)
        axes.text(0.98, 0.97, f"n = {len(pushes)} pushes", transform=axes.transAxes, ha="right", va="top", fontsize=7.5)
        axes.set_xlim(0, t_s[-1])
        if heading.endswith("light on"):
            axes.set_facecolor(SHADE)


def _typical(curves: Learning) -> int:
    r = curves.values["off" if curves.light.any() else "all"]["within_r"]
    counts = np.array([sum(len(pushes) > 0 for pushes in by_day) for by_day in curves.pushes])
    last = np.array([row[np.isfinite(row)][-1] if np.isfinite(row).any() else np.nan for row in r])
    if not np.isfinite(last).any():
        return int(counts.argmax())
    return int(np.nanargmin(np.abs(last - np.nanmedian(last)) - 1e-9 * counts))


def _stages(curves: Learning, mouse: int) -> list[tuple[str, Floats, str]]:
    """(heading, pushes, colour) of the first day, one in the middle, the last without light, and the last with it."""
    name, by_day, lit = curves.mice[mouse], curves.pushes[mouse], curves.lit_pushes[mouse]
    have = [j for j, pushes in enumerate(by_day) if len(pushes)]
    if not have:
        return []
    dark = [j for j in have if not curves.light[mouse, j]] or have
    picked = dict.fromkeys((dark[0], dark[len(dark) // 2], have[-1]))
    stages = [(f"{name}, day {curves.days[j]}", by_day[j], GROUPS[0]) for j in picked]
    bright = [j for j, pushes in enumerate(lit) if len(pushes)]
    if bright:
        stages[-1] = (stages[-1][0] + ", light off", *stages[-1][1:]) if have[-1] in bright else stages[-1]
        stages.append((f"{name}, day {curves.days[bright[-1]]}, light on", lit[bright[-1]], LIGHT))
    return stages
