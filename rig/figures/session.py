"""One session: a raster of its trials with outcome and light, the lever of each, and the traces aligned to the cue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rig.figures import GREY, GROUPS, INK, LIGHT, PALE, new_figure, save, tidy
from rig.record.view import AFTER_S, BEFORE_S, SessionView, mean_lever

BLUE = GROUPS[0]
MOST_TRACES = 60  # drawn thin; the mean is of all


def draw_session(view: SessionView, path: Path) -> None:
    """Write the figure; PNG, SVG or PDF by the file's ending."""
    figure = new_figure(11.5, 7.6)
    grid = figure.add_gridspec(2, 2, height_ratios=(2.2, 1), width_ratios=(1.15, 1))
    raster = tidy(figure.add_subplot(grid[0, 0]), x="s from cue", y="trial", title="Trials")
    _raster(raster, view)
    lever = tidy(figure.add_subplot(grid[0, 1], sharey=raster), x="s from cue", title="Lever, mm from its rest")
    _heat(figure, lever, view)
    traces = tidy(figure.add_subplot(grid[1, 0]), x="s from cue", y="lever, mm", title="Lever aligned to the cue")
    _traces(traces, view)
    delays = tidy(figure.add_subplot(grid[1, 1]), x="trial", y="cue to reward, s", title="Cue to reward")
    _delays(delays, view)
    figure.suptitle(view.title, fontsize=10.5, x=0.01, ha="left", color=INK)
    save(figure, path)


def _raster(axes: Any, view: SessionView) -> None:
    trial = np.array(view.trial)
    ends = np.where(np.isfinite(view.end_s), view.end_s, 0)
    axes.hlines(trial, 0, ends, color=PALE, lw=1.2, zorder=1, label="waiting for a press")
    for number, pulses in zip(trial, view.light_s, strict=True):
        if len(pulses):
            axes.hlines([number] * len(pulses), pulses[:, 0], pulses[:, 1], color=LIGHT, lw=2.4, alpha=0.55, zorder=2)
    if view.lit.any():
        axes.plot([], [], color=LIGHT, lw=2.4, alpha=0.55, label=f"light on (n = {int(view.lit.sum())})")
    _ticks(axes, trial, view.licks_s, ".", GREY, 1.5, "lick")
    _ticks(axes, trial, view.presses_s, "|", INK, 5, "press")
    hit = view.rewarded
    axes.plot(view.reward_s[hit], trial[hit], "o", ms=3.2, color=BLUE, zorder=5, label=f"reward (n = {int(hit.sum())})")
    axes.plot(ends[~hit], trial[~hit], "x", ms=4, color=INK, zorder=5, label=f"no reward (n = {int((~hit).sum())})")
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_xlim(-BEFORE_S, AFTER_S + 1)
    axes.set_ylim(trial[-1] + 1, trial[0] - 1)
    axes.legend(fontsize=7, loc="lower right", frameon=False, ncols=3, bbox_to_anchor=(1, 0.99), handlelength=1.4)


def _ticks(axes: Any, trial: Any, times: Any, marker: str, colour: str, size: float, label: str) -> None:
    counts = [len(one) for one in times]
    if sum(counts):
        style = {"ms": size, "color": colour, "zorder": 4, "label": label, "ls": "none"}
        axes.plot(np.concatenate(times), np.repeat(trial, counts), marker, **style)


def _heat(figure: Any, axes: Any, view: SessionView) -> None:
    known = view.lever_mm[np.isfinite(view.lever_mm)]
    top = float(np.percentile(known, 99)) if known.size else 1.0
    trial = np.array(view.trial)
    extent = (-BEFORE_S, AFTER_S, trial[-1] + 0.5, trial[0] - 0.5)
    style = {"cmap": "cividis", "vmin": 0, "vmax": max(top, 0.5), "aspect": "auto", "interpolation": "nearest"}
    image = axes.imshow(view.lever_mm, extent=extent, **style)
    axes.axvline(0, color="white", lw=0.8)
    lit = trial[view.lit]
    axes.plot(np.full(len(lit), AFTER_S + 0.25), lit, "<", ms=4, color=LIGHT, clip_on=False, label="light on")
    axes.set_xlim(-BEFORE_S, AFTER_S)
    if len(lit):
        axes.legend(fontsize=7, loc="lower right", framealpha=0.9, edgecolor="none")
    bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.04)
    bar.set_label("mm", fontsize=8)
    bar.ax.tick_params(labelsize=7.5)


def _traces(axes: Any, view: SessionView) -> None:
    dark = (~view.lit, BLUE, "light off" if view.lit.any() else "all trials")
    for which, colour, said in (dark, (view.lit, LIGHT, "light on")):
        mean = mean_lever(view, which)
        if mean is None:
            continue
        traces = view.lever_mm[which]
        some = traces[np.linspace(0, len(traces) - 1, min(MOST_TRACES, len(traces))).astype(int)]
        axes.plot(view.lever_s, some.T, color=colour, lw=0.4, alpha=0.16, zorder=1)
        axes.plot(view.lever_s, mean, color=colour, lw=2.2, zorder=3, label=f"{said}, mean (n = {int(which.sum())})")
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_xlim(-BEFORE_S, AFTER_S)
    known = view.lever_mm[np.isfinite(view.lever_mm)]
    if known.size:  # the few that were pushing when the cue came begin high and fall far below
        axes.set_ylim(min(-0.5, float(np.percentile(known, 0.5))), max(1.0, float(np.percentile(known, 99.9))))
    axes.legend(fontsize=7.5, frameon=False, loc="upper right")


def _delays(axes: Any, view: SessionView) -> None:
    trial, hit = np.array(view.trial), view.rewarded
    for which, colour, marker, said in ((~view.lit, BLUE, "o", "light off"), (view.lit, LIGHT, "D", "light on")):
        mine = hit & which
        if mine.any():
            fill = {"mfc": "white"} if marker == "D" else {}
            label = said if view.lit.any() else "rewarded trials"
            axes.plot(trial[mine], view.reward_s[mine], marker, ms=4, color=colour, label=label, **fill)
    missed = trial[~hit]
    axes.plot(missed, np.full(len(missed), AFTER_S), "x", ms=4, color=INK, label="not rewarded", clip_on=False)
    axes.set_ylim(0, AFTER_S * 1.05)
    axes.legend(fontsize=7.5, frameon=False, loc="upper right", ncols=3, bbox_to_anchor=(1, 1.16))
