"""Onsets: the best way wins, a missing edge is a fault, the residuals are counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.sound.onset import SETTLE_NS, Method, Onset, OnsetTruth, SyncMissed, SyncStray

MS = 1_000_000
WAIT_NS = 20 * MS


def test_the_edge_beats_the_converters_time() -> None:
    truth = OnsetTruth(WAIT_NS)
    truth.started(1, "cue", 1000 * MS, 3 * MS, asked_ns=1000 * MS)
    truth.edge(board_us=777, host_ns=1002 * MS, error_ns=40_000)
    (onset,) = truth.settle(1003 * MS)
    assert onset == Onset(1, "cue", 1002 * MS, 777, 40_000, Method.SYNC, 1000 * MS)
    report = truth.report()
    assert report["sync_count"] == 1
    assert report["scheduled_median_us"] == 2000
    assert report["sync_minus_dac_median_us"] == 2000


def test_the_edge_may_be_seen_before_the_start_is_told() -> None:
    truth = OnsetTruth(WAIT_NS)
    truth.edge(777, 1002 * MS, 40_000)
    assert truth.settle(1003 * MS) == []
    truth.started(1, "cue", 1000 * MS, 3 * MS)
    (onset,) = truth.settle(1004 * MS)
    assert isinstance(onset, Onset)
    assert onset.method == Method.SYNC


def test_a_missing_edge_is_a_fault_and_the_converters_time_stands_in() -> None:
    truth = OnsetTruth(WAIT_NS)
    truth.started(1, "cue", 1000 * MS, 3 * MS)
    assert truth.settle(1000 * MS + SETTLE_NS) == []
    missed, onset = truth.settle(1001 * MS + SETTLE_NS)
    assert missed == SyncMissed(1, "cue", 1000 * MS, SETTLE_NS)
    assert onset == Onset(1, "cue", 1000 * MS, None, 3 * MS, Method.DAC, 0)
    assert truth.report()["missed_count"] == 1


def test_an_edge_of_no_sound_is_a_fault() -> None:
    truth = OnsetTruth(WAIT_NS)
    truth.edge(777, 1000 * MS, 0)
    assert truth.settle(1001 * MS + WAIT_NS + SETTLE_NS) == [SyncStray(1000 * MS, 777)]


def test_an_edge_too_far_from_the_sound_is_not_its_own() -> None:
    truth = OnsetTruth(WAIT_NS)
    truth.started(1, "cue", 1000 * MS, 3 * MS)
    truth.edge(777, 1021 * MS, 0)
    outcomes = truth.settle(2000 * MS)
    assert [type(outcome) for outcome in outcomes] == [SyncStray, SyncMissed, Onset]


def test_without_a_sync_wire_no_edge_is_missed() -> None:
    truth = OnsetTruth()
    truth.started(1, "cue", 1000 * MS, 3 * MS)
    (onset,) = truth.settle(2000 * MS)
    assert isinstance(onset, Onset)
    assert onset.method == Method.DAC


def test_an_underrun_widens_what_had_not_left_yet() -> None:
    truth = OnsetTruth()
    truth.started(1, "old", 900 * MS, MS)
    truth.started(2, "cue", 1005 * MS, MS)
    truth.underrun(1000 * MS, 10 * MS)
    errors = {o.sound: o.error_ns for o in truth.settle(2000 * MS) if isinstance(o, Onset)}
    assert errors == {"old": MS, "cue": 11 * MS}


def test_the_pin_is_exact_and_silence_says_so() -> None:
    truth = OnsetTruth()
    assert truth.pin(1, "cue", 777, 1000 * MS, 500) == Onset(1, "cue", 1000 * MS, 777, 500, Method.PIN, 0)
    assert truth.unsounded(2, "cue", 1000 * MS).method == Method.NONE
    assert truth.report() == {"none_count": 1, "pin_count": 1}


@given(
    st.lists(st.tuples(st.integers(60, 500), st.one_of(st.none(), st.integers(-19, 19))), min_size=1, max_size=30),
    st.integers(1, 40),
)
def test_every_sound_gets_one_onset_and_its_own_edge(sounds: list[tuple[int, int | None]], every: int) -> None:
    """Sounds further apart than the wait: each edge goes to its own, each missing one is told."""
    truth, now_ms, seen = OnsetTruth(WAIT_NS), 1000, []
    for token, (apart_ms, edge_ms) in enumerate(sounds, 1):
        now_ms += apart_ms
        truth.started(token, "cue", now_ms * MS, MS)
        if edge_ms is not None:
            truth.edge(token, (now_ms + edge_ms) * MS, 1000)
        if token % every == 0:
            seen += truth.settle(now_ms * MS)
    seen += truth.settle((now_ms + 1000) * MS)
    onsets = {o.token: o for o in seen if isinstance(o, Onset)}
    assert sorted(onsets) == list(range(1, len(sounds) + 1))
    assert sum(isinstance(o, Onset) for o in seen) == len(sounds)
    assert not any(isinstance(o, SyncStray) for o in seen)
    assert {o.token for o in seen if isinstance(o, SyncMissed)} == {
        t for t, (_, edge) in enumerate(sounds, 1) if edge is None
    }
    for token, (_, edge_ms) in enumerate(sounds, 1):
        assert onsets[token].method == (Method.DAC if edge_ms is None else Method.SYNC)
        assert onsets[token].board_us == (None if edge_ms is None else token)


def test_the_report_gives_the_distribution() -> None:
    truth = OnsetTruth()
    for token in range(100):
        truth.started(token, "cue", 10**9 * token + 1000 * token, 1, asked_ns=10**9 * token or 1)
    truth.settle(10**12)
    report = truth.report()
    assert report["scheduled_residual_count"] == 100
    assert report["scheduled_median_abs_us"] == pytest.approx(49.5, abs=0.1)
    assert report["scheduled_worst_abs_us"] == pytest.approx(99)
