"""The shape of pushes: segments of the lever trace, how alike, how far and how fast they are.

Floor 0: arrays in, arrays out; no files, no clock. A set of segments is (pushes, samples), one
push a row, in mm; a row that holds a NaN (the push ran past the record) is left out wherever rows
are compared. Sources [AP] [CR] [WR]: see rig/curves/movement.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from rig.curves.movement import SAMPLE_HZ, Floats
from rig.errors import RecordError

SPANS_S = (0.5, 2.0, 3.0)
"""The spans in use, from movement onset; 2 s is the one in the published figures [CR]."""

SEGMENT_HZ = 100.0
"""Segments are compared at 100 samples a second [CR]: 2 s are 201 samples, both ends included."""

FEWEST_PUSHES = 3
"""A session with fewer pushes has no correlation: NaN [CR]."""

ROUNDING = 1e-12
"""A push that varies by less than this part of its largest value is constant but for rounding."""

SPEED_SAMPLES = 5
"""Peak speed is taken over five samples (5 ms), as long as the published velocity mean [AP]."""


def extract_segments(trace_mm: Floats, onset_s: ArrayLike, start_s: float = 0.0, span_s: float = 2.0) -> Floats:
    """The lever from each onset for ``span_s``, both ends included: (onsets, samples), in mm.

    ``trace_mm`` is a 1 kHz trace begun at ``start_s``; every tenth sample is taken as it stands.
    Row i belongs to onset i; it is all NaN where the onset is NaN or the trace does not hold the
    whole span.
    """
    onsets = np.atleast_1d(np.asarray(onset_s, dtype=np.float64))
    lags = np.rint(np.arange(round(span_s * SEGMENT_HZ) + 1) * (SAMPLE_HZ / SEGMENT_HZ)).astype(int)
    segments = np.full((onsets.size, lags.size), np.nan)
    first = np.rint((onsets - start_s) * SAMPLE_HZ)
    whole = (first >= 0) & (first + lags[-1] < trace_mm.size)  # false for NaN
    segments[whole] = trace_mm[first[whole].astype(np.int64)[:, None] + lags]
    return segments


# ---- how alike pushes are ------------------------------------------------------------------------


def within_session_correlation(segments: ArrayLike) -> float:
    """Median Pearson r of every pair of pushes of one session, no push with itself [CR].

    NaN with fewer than three usable pushes. A constant push has no r and is left out. ([WR] counts
    every push with itself too, which lifts the median of a small session.)
    """
    unit = _unit_rows(segments)
    if len(unit) < FEWEST_PUSHES:
        return float("nan")
    r = (unit @ unit.T)[np.tril_indices(len(unit), -1)]
    return float(np.median(r.clip(-1.0, 1.0)))


def across_session_correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Median Pearson r of every push of one session with every push of another [CR] [WR].

    NaN where either session has fewer than three usable pushes ([CR] asks it of their sum).
    """
    return _across(_unit_rows(a), _unit_rows(b))


def correlation_matrix(sessions: Sequence[ArrayLike]) -> Floats:
    """Session by session: within-session r on the diagonal, across-session r beside it [CR] [WR].

    ``sessions`` holds one segments array a session, all with the same number of samples; an empty
    array stands for a missing session. Returns (sessions, sessions), symmetric.
    """
    units = [_unit_rows(segments) for segments in sessions]
    matrix = np.full((len(units), len(units)), np.nan)
    for i, segments in enumerate(sessions):
        matrix[i, i] = within_session_correlation(segments)
        for j in range(i):
            matrix[i, j] = matrix[j, i] = _across(units[i], units[j])
    return matrix


def adjacent_correlation(matrix: Floats) -> Floats:
    """Each session with the next, from ``correlation_matrix``: (sessions - 1,) [CR]."""
    return np.diagonal(matrix, 1).copy()


def _across(unit_a: Floats, unit_b: Floats) -> float:
    if min(len(unit_a), len(unit_b)) < FEWEST_PUSHES:
        return float("nan")
    if unit_a.shape[1] != unit_b.shape[1]:
        raise RecordError(
            f"sessions have {unit_a.shape[1]} and {unit_b.shape[1]} samples a push: extract both with one span_s"
        )
    return float(np.median((unit_a @ unit_b.T).clip(-1.0, 1.0)))


def _unit_rows(segments: ArrayLike) -> Floats:
    """Usable pushes with mean 0 and length 1: the product of two rows is their Pearson r."""
    rows = np.atleast_2d(np.asarray(segments, dtype=np.float64))
    if rows.ndim != 2:
        raise RecordError(f"segments have {rows.ndim} dimensions: give (pushes, samples)")
    rows = rows[np.isfinite(rows).all(axis=1)] if rows.size else np.empty((0, rows.shape[1]))
    if rows.size == 0:
        return rows
    centred = rows - rows.mean(axis=1, keepdims=True)
    varies = np.ptp(rows, axis=1) > ROUNDING * np.abs(rows).max(axis=1)
    centred = centred[varies]
    # Scaled before squaring, so that neither a tiny nor a huge unit leaves the range of a float.
    centred /= np.abs(centred).max(axis=1, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True), dtype=np.float64)


# ---- how far and how fast pushes go --------------------------------------------------------------


def amplitude_mm(push_mm: Floats) -> float:
    """How far a push goes: its furthest position less its first; one push at 1 kHz."""
    return float(push_mm.max() - push_mm[0]) if push_mm.size else float("nan")


def peak_speed_mm_per_s(push_mm: Floats) -> float:
    """The fastest 5 ms of a push at 1 kHz, NaN for a shorter one; 5 Hz low-pass would hide it."""
    if push_mm.size <= SPEED_SAMPLES:
        return float("nan")
    step_mm = push_mm[SPEED_SAMPLES:] - push_mm[:-SPEED_SAMPLES]
    return float(step_mm.max() * SAMPLE_HZ / SPEED_SAMPLES)


def rise_s(push_mm: Floats) -> float:
    """How long a push at 1 kHz takes from 10 to 90 % of its amplitude; NaN if it never rises.

    Up to the first sample at 90 %, from the last time before it at 10 %, both between samples: a
    slow drift before the push proper does not count as part of it.
    """
    top_mm = amplitude_mm(push_mm)
    if not top_mm > 0:
        return float("nan")
    part = (push_mm - push_mm[0]) / top_mm
    high = int((part >= 0.9).argmax())
    low = int(np.flatnonzero(part[:high] <= 0.1)[-1])
    from_low = low + (0.1 - part[low]) / (part[low + 1] - part[low])
    to_high = high - (part[high] - 0.9) / (part[high] - part[high - 1])
    return float((to_high - from_low) / SAMPLE_HZ)
