"""Segments, their correlations and the shape of pushes, on data whose answers are known."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.curves.movement import Floats
from rig.curves.trajectory import (
    SPANS_S,
    across_session_correlation,
    adjacent_correlation,
    amplitude_mm,
    correlation_matrix,
    extract_segments,
    peak_speed_mm_per_s,
    rise_s,
    within_session_correlation,
)
from rig.errors import RecordError

PUSHES = Path(__file__).parents[2] / "shared" / "traces" / "lever_pushes.csv.gz"

# Three shapes at right angles to one another, each with mean 0: their r with one another is 0.
A, B, C = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, -1.0, -1.0, 1.0])


# ---- recorded pushes -----------------------------------------------------------------------------


def recorded_sessions() -> dict[str, Floats]:
    """(pushes, 201) a session: the two seconds from movement onset, at 100 Hz."""
    rows: dict[str, dict[str, list[float]]] = {}
    with gzip.open(PUSHES, "rt", newline="") as file:
        for row in csv.DictReader(file):
            if 0 <= int(row["t_ms"]) <= 2000:
                session = rows.setdefault(row["session"], {})
                session.setdefault(row["push"], []).append(float(row["lever_v"]))
    return {name: np.array(list(session.values())) for name, session in rows.items()}


@pytest.mark.skipif(not PUSHES.exists(), reason="../shared/traces/lever_pushes.csv.gz is not there")
def test_recorded_pushes_correlate_as_published() -> None:
    described = json.loads(PUSHES.with_suffix("").with_suffix(".json").read_text())["sessions_here"]
    sessions = recorded_sessions()
    assert sessions.keys() == described.keys()
    assert len(sessions) == 11
    for name, segments in sessions.items():
        assert segments.shape == (described[name]["pushes"], 201)
        r = within_session_correlation(segments)
        assert r == pytest.approx(described[name]["within_session_r_2s"], abs=1e-3)


@pytest.mark.skipif(not PUSHES.exists(), reason="../shared/traces/lever_pushes.csv.gz is not there")
def test_matrix_of_recorded_pushes_is_that_of_the_pairs() -> None:
    sessions = list(recorded_sessions().values())
    matrix = correlation_matrix(sessions)
    np.testing.assert_array_equal(matrix, matrix.T)
    for i, a in enumerate(sessions):
        for j, b in enumerate(sessions):
            pairs = np.asarray(np.corrcoef(a, b))[: len(a), len(a) :]
            kept = pairs[np.tril_indices(len(a), -1)] if i == j else pairs
            assert matrix[i, j] == pytest.approx(np.median(kept), abs=1e-12)


# ---- correlations known beforehand ---------------------------------------------------------------


def test_within_is_the_median_pair_without_self_pairs() -> None:
    """Pairs of A, A, A, B: three of r 1, three of r 0; with self-pairs the median would be 1."""
    assert within_session_correlation([A, A, A, B]) == pytest.approx(0.5)
    assert within_session_correlation([A, 3.0 * A + 7.0, B]) == pytest.approx(0.0)
    assert within_session_correlation([A, A, -A]) == pytest.approx(-1.0)


def test_across_is_the_median_of_the_whole_block() -> None:
    """Against A, A, B: each A gives 1, 1, 0, the C gives 0, 0, 0."""
    assert across_session_correlation([A, A, C], [A, A, B]) == pytest.approx(0.0)
    assert across_session_correlation([A, A, A], [A, A, B]) == pytest.approx(1.0)
    assert across_session_correlation([A, A, A], [-A, -A, -2.0 * A]) == pytest.approx(-1.0)


def test_fewer_than_three_pushes_have_no_correlation() -> None:
    assert np.isnan(within_session_correlation([A, A]))
    assert np.isnan(within_session_correlation(np.empty((0, 4))))
    assert np.isnan(within_session_correlation([]))
    assert np.isnan(across_session_correlation([A, A], [A, A, A]))
    assert np.isnan(across_session_correlation([A, A, A], np.empty((0, 4))))


def test_constant_and_incomplete_pushes_are_left_out() -> None:
    still, lost = np.full(4, 0.1), np.array([1.0, np.nan, 1.0, 1.0])
    assert within_session_correlation([A, still, A, lost, A, B, 0.0 * A]) == pytest.approx(0.5)
    assert np.isnan(within_session_correlation([A, still, A, lost]))
    assert np.isnan(across_session_correlation([A, A, still], [A, A, A]))
    nearly_still = 0.3 + 1e-17 * A
    assert np.isnan(within_session_correlation([A, A, nearly_still]))


def test_the_unit_of_the_lever_does_not_matter() -> None:
    pushes = np.random.default_rng(2).standard_normal((5, 50))
    r = within_session_correlation(pushes)
    for scale in (1e-200, 1e-6, 1e6, 1e200):
        assert within_session_correlation(pushes * scale) == pytest.approx(r, rel=1e-9)


def test_matrix_and_its_neighbours() -> None:
    matrix = correlation_matrix([[A, A, A], [A, A, B], np.empty((0, 4)), [B, B, B]])
    nan = np.nan
    expected = [[1.0, 1.0, nan, 0.0], [1.0, 0.0, nan, 0.0], [nan] * 4, [0.0, 0.0, nan, 1.0]]
    np.testing.assert_allclose(matrix, expected, atol=1e-12)
    np.testing.assert_allclose(adjacent_correlation(matrix), [1.0, nan, nan], atol=1e-12)
    assert correlation_matrix([]).shape == (0, 0)


def test_sessions_of_different_spans_are_refused() -> None:
    with pytest.raises(RecordError, match="4 and 3 samples a push"):
        across_session_correlation([A, A, A], [A[:3], A[:3], A[:3]])
    with pytest.raises(RecordError, match="3 dimensions"):
        within_session_correlation(np.zeros((2, 2, 2)))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 12), m=st.integers(3, 9))
def test_correlations_are_those_of_numpy(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((n, 20)), rng.standard_normal((m, 20))
    pairs = np.asarray(np.corrcoef(a))[np.tril_indices(n, -1)]
    assert within_session_correlation(a) == pytest.approx(np.median(pairs))
    block = np.asarray(np.corrcoef(a, b))[:n, n:]
    assert across_session_correlation(a, b) == pytest.approx(np.median(block))


# ---- segments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("span_s", SPANS_S)
def test_segments_begin_at_the_onset_and_include_both_ends(span_s: float) -> None:
    trace = np.arange(10_000, dtype=np.float64)
    segments = extract_segments(trace, [101.5, 103.25], start_s=100.0, span_s=span_s)
    assert segments.shape == (2, round(span_s * 100) + 1)
    assert segments[0, :3].tolist() == [1500.0, 1510.0, 1520.0]
    assert segments[1, 0] == 3250.0
    assert segments[:, -1].tolist() == [1500.0 + span_s * 1000, 3250.0 + span_s * 1000]


def test_segments_that_do_not_fit_are_nan_in_their_row() -> None:
    trace = np.arange(3000, dtype=np.float64)
    segments = extract_segments(trace, [-0.001, 0.0, np.nan, 0.999, 1.0])
    assert np.isnan(segments).all(axis=1).tolist() == [True, False, True, False, True]
    assert segments[3, -1] == 2999.0
    assert extract_segments(trace, []).shape == (0, 201)


# ---- shape ---------------------------------------------------------------------------------------


def test_a_ramp_has_the_amplitude_speed_and_rise_it_was_given() -> None:
    """From 1 to 5 mm in 20 ms: 200 mm/s, and 80 % of it in 16 ms."""
    push = np.concatenate([1.0 + 0.2 * np.arange(21), np.full(100, 5.0), np.linspace(5.0, 1.0, 300)])
    assert amplitude_mm(push) == pytest.approx(4.0)
    assert peak_speed_mm_per_s(push) == pytest.approx(200.0)
    assert rise_s(push) == pytest.approx(0.016)


def test_a_drift_before_the_push_is_not_part_of_its_rise() -> None:
    drift = np.linspace(0.0, 0.3, 500)
    push = np.concatenate([drift, 0.3 + 3.7 * np.arange(1, 21) / 20.0, np.full(50, 4.0)])
    assert rise_s(push) == pytest.approx(0.001 * (3.3 - 0.1) / (3.7 / 20.0), rel=1e-6)


def test_pushes_that_never_rise_have_no_rise() -> None:
    assert np.isnan(rise_s(np.zeros(50)))
    assert np.isnan(rise_s(np.linspace(1.0, 0.0, 50)))
    assert np.isnan(rise_s(np.empty(0)))
    assert np.isnan(amplitude_mm(np.empty(0)))
    assert np.isnan(peak_speed_mm_per_s(np.zeros(5)))
    assert amplitude_mm(np.linspace(1.0, 0.0, 50)) == 0.0
