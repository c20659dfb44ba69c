"""One session as it is looked at: every trial on the time of its cue, with outcome, presses, lever and light.

Floor 0: a journal's columns in, arrays and lines of text out; no files, no drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig import wire
from rig.curves.trajectory import SEGMENT_HZ
from rig.errors import RecordError
from rig.record.columns import Columns, Ints
from rig.record.entry import Entry, SessionBytes, press_rows

Floats = NDArray[np.float64]
BEFORE_S, AFTER_S = 1.0, 10.0  # of the lever, around each cue
SHOWN_S = 4.0  # in a line of text
WIDE = 60  # trials in a line of text
BLOCKS = "▁▂▃▄▅▆▇█"
_LICK, _LASER = 1 << wire.INPUTS.index("lick"), 1 << wire.OUTPUTS.index("laser")
_REST_SAMPLES = 20  # before the cue, from whose median each trace is measured


@dataclass(frozen=True)
class SessionView:
    """The trials with a cue, in order; every time is s after the trial's cue, NaN where there is none.

    ``presses_s`` and ``licks_s`` hold an array a trial, ``light_s`` one of (pulses, 2); ``lever_mm`` is
    (trials, samples) at 100 Hz from ``BEFORE_S`` before the cue, from where it stood then, NaN where not recorded.
    """

    title: str
    trial: tuple[int, ...]
    outcome: tuple[str, ...]
    lit: NDArray[np.bool_]
    end_s: Floats
    reward_s: Floats
    presses_s: tuple[Floats, ...]
    licks_s: tuple[Floats, ...]
    light_s: tuple[Floats, ...]
    lever_mm: Floats

    @property
    def rewarded(self) -> NDArray[np.bool_]:
        """Which of them were."""
        return np.array([outcome == "rewarded" for outcome in self.outcome], np.bool_)

    @property
    def lever_s(self) -> Floats:
        """When each sample of ``lever_mm`` was taken."""
        return np.arange(self.lever_mm.shape[1]) / SEGMENT_HZ - BEFORE_S


def session_view(session: SessionBytes, entry: Entry) -> SessionView:
    """The session's trials. Raises RecordError where no trial has a cue."""
    trials = [trial for trial in entry.trials if trial.cue_us is not None]
    if not trials:
        raise RecordError("no trial of this session has a cue: there is nothing to draw")
    cue_us = np.array([trial.cue_us for trial in trials], np.int64)
    begin_us = np.array([trial.begin_us for trial in trials], np.int64)
    bounds_us = [*begin_us.tolist(), int(session.columns.board_us.max()) + 1]
    presses_us = session.columns.board_us[press_rows(session.columns)]
    pulses_us = _pulses(session.columns)

    def seconds(times: Sequence[int | None]) -> Floats:
        return np.array([np.nan if t is None else (t - c) / 1e6 for t, c in zip(times, cue_us.tolist(), strict=True)])

    def by_trial(times_us: Ints) -> tuple[Floats, ...]:
        first = np.searchsorted(times_us if times_us.ndim == 1 else times_us[:, 0], bounds_us)
        return tuple((times_us[a:b] - c) / 1e6 for a, b, c in zip(first, first[1:], cue_us, strict=False))

    row = entry.session
    light_s = by_trial(pulses_us)
    return SessionView(
        title=f"{row.subject} {row.session}: {row.protocol}, {row.n_trials} trials, {row.n_rewarded} rewarded"
        + (f", {row.n_light} with light" if row.n_light else ""),
        trial=tuple(trial.trial for trial in trials),
        outcome=tuple(trial.outcome or "" for trial in trials),
        lit=np.array([len(pulses) > 0 for pulses in light_s], np.bool_),
        end_s=seconds([trial.end_us for trial in trials]),
        reward_s=seconds([trial.reward_us for trial in trials]),
        presses_s=by_trial(presses_us),
        licks_s=by_trial(_licks(session.columns)),
        light_s=light_s,
        lever_mm=_levers(session, cue_us),
    )


def _pulses(columns: Columns) -> Ints:
    """(pulses, 2): when the laser went on and off, board µs; one that never went off ends with the record."""
    rows = columns.rows("output")
    lit = (columns.bodies("output", rows)[:, :2].copy().view("<u2").ravel() & _LASER) > 0
    before = np.append(False, lit[:-1])
    on, off = columns.board_us[rows[lit & ~before]], columns.board_us[rows[~lit & before]]
    if len(off) < len(on):
        off = np.append(off, columns.board_us.max())
    return np.stack([on, off], axis=1)


def _licks(columns: Columns) -> Ints:
    rows = columns.rows("input")
    levels, changed = columns.bodies("input", rows)[:, :4].copy().view("<u2").reshape(-1, 2).T
    up = (levels & changed & _LICK) > 0
    return np.asarray(columns.board_us[rows[up]])


def _levers(session: SessionBytes, cue_us: Ints) -> Floats:
    lags = np.arange(round((BEFORE_S + AFTER_S) * SEGMENT_HZ) + 1) / SEGMENT_HZ - BEFORE_S
    try:
        begin_us, lever_mm, hz = session.lever_mm()
    except RecordError:
        return np.full((len(cue_us), len(lags)), np.nan)
    at = np.rint(((cue_us - begin_us) / 1e6)[:, None] * hz + lags * hz).astype(np.int64)
    inside = (at >= 0) & (at < len(lever_mm))
    traces = np.where(inside, lever_mm[np.clip(at, 0, len(lever_mm) - 1)], np.nan)
    cue = int(BEFORE_S * SEGMENT_HZ)
    known = np.isfinite(traces[:, cue - _REST_SAMPLES : cue]).all(axis=1)
    rest = np.median(traces[:, cue - _REST_SAMPLES : cue], axis=1)
    return np.asarray(traces - np.where(known, rest, np.nan)[:, None], np.float64)


# --- in the terminal --------------------------------------------------------------------------------------------------


def view_lines(view: SessionView) -> list[str]:
    """The same in a few lines: a sign a trial, and the mean lever after the cue."""
    signs = "".join(
        "●" if hit else "·" if outcome else " " for hit, outcome in zip(view.rewarded, view.outcome, strict=True)
    )
    marks = "".join("▲" if lit else " " for lit in view.lit)
    lines = ["● rewarded, · not" + (", ▲ light" if view.lit.any() else "")]
    for first in range(0, len(signs), WIDE):
        lines.append(f"{view.trial[first]:>4} {signs[first : first + WIDE]}")
        if view.lit[first : first + WIDE].any():
            lines.append(f"     {marks[first : first + WIDE].rstrip()}")
    for which, said in ((~view.lit, "light off" if view.lit.any() else "all"), (view.lit, "light on")):
        mean = mean_lever(view, which)
        if mean is not None:
            shown = mean[view.lever_s <= SHOWN_S][::10]
            lines.append(f"lever {_spark(shown)} {said}: mean of {int(which.sum())}, up to {shown.max():.1f} mm")
    return [*lines, f"      {'':{int(10 * BEFORE_S)}}↑ cue; {-BEFORE_S:g} to {SHOWN_S:g} s"] if lines[1:] else lines


def mean_lever(view: SessionView, which: NDArray[np.bool_]) -> Floats | None:
    """The mean trace of some trials; None where there is none."""
    traces = view.lever_mm[which]
    known = np.isfinite(traces)
    if not known.any():
        return None
    return np.asarray(np.where(known, traces, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _spark(values: Floats) -> str:
    low, span = min(0.0, values.min()), np.ptp(values) or 1.0
    return "".join(BLOCKS[int(min(0.999, max(0.0, (v - low) / span)) * len(BLOCKS))] for v in values.tolist())
