"""What the mouse did in each trial, from movements made up so that every answer is known."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.curves.movement import Movements
from rig.curves.trials import Trials, TrialTimes, count_early_presses, make_trials, time_trials
from rig.errors import RecordError

NAN = float("nan")


def timed(trials: Trials, bouts_ms: list[tuple[int, int]], n_samples: int = 60_000, start_s: float = 0.0) -> TrialTimes:
    bounds = np.array(bouts_ms, dtype=np.int64).reshape(-1, 2)
    movements = Movements(bounds[:, 0], bounds[:, 1], n_samples, start_s)
    return time_trials(trials, movements, np.zeros(n_samples), [])


def one_trial(bouts_ms: list[tuple[int, int]], cue_s: float = 10.0, reward_s: float = 12.0) -> TrialTimes:
    return timed(make_trials([cue_s], [reward_s], [np.isfinite(reward_s)]), bouts_ms)


# ---- the rewarded movement and the cued trial ----------------------------------------------------


def test_the_rewarded_movement_is_the_last_to_start_up_to_the_reward() -> None:
    times = one_trial([(10_200, 10_500), (11_100, 13_000), (12_001, 12_500)])
    assert times.cued.tolist() == [True]
    assert times.movement_s.tolist() == [11.1]
    assert times.movement_end_s.tolist() == [13.0]
    assert times.first_movement_s.tolist() == [10.2]
    assert times.first_active_s.tolist() == [10.2]
    assert one_trial([(12_000, 12_600)]).movement_s.tolist() == [12.0]


@pytest.mark.parametrize(
    ("bouts_ms", "still", "cued"),
    [
        ([(9_000, 9_900), (11_000, 12_500)], True, True),  # ended 100 ms before the cue
        ([(9_000, 9_901), (11_000, 12_500)], False, False),  # moved 100 ms before it
        ([(9_950, 9_960), (11_000, 12_500)], False, False),  # moved within it
        ([(9_000, 12_500)], False, False),  # moving throughout
        ([(10_000, 12_500)], True, False),  # starts with the cue, not after it
        ([(10_001, 12_500)], True, True),
        ([(9_000, 9_800)], True, False),  # nothing that reaches into the trial
        ([(12_001, 12_500)], True, False),  # nothing before the reward
        ([], True, False),
    ],
)
def test_a_cued_trial_is_still_before_the_cue_and_moves_after_it(
    bouts_ms: list[tuple[int, int]], still: bool, cued: bool
) -> None:
    times = one_trial(bouts_ms)
    assert times.still.tolist() == [still]
    assert times.cued.tolist() == [cued]


def test_a_movement_under_way_at_the_cue_is_known_but_not_cued() -> None:
    times = one_trial([(9_500, 12_500)])
    assert times.movement_s.tolist() == [9.5]
    assert times.first_active_s.tolist() == [10.001]
    np.testing.assert_equal(times.first_movement_s, [NAN])


def test_an_unrewarded_trial_has_a_first_movement_up_to_its_time_out() -> None:
    np.testing.assert_equal(one_trial([(20_000, 21_000)], reward_s=NAN).first_movement_s, [20.0])
    np.testing.assert_equal(one_trial([(20_001, 21_000)], reward_s=NAN).first_movement_s, [NAN])
    times = one_trial([(15_000, 16_000)], reward_s=NAN)
    assert times.cued.tolist() == [False]
    np.testing.assert_equal(times.movement_s, [NAN])


def test_the_first_active_sample_is_before_the_next_cue() -> None:
    trials = make_trials([10.0, 20.0], [12.0, 22.0], [True, True])
    times = timed(trials, [(19_999, 23_000)])
    np.testing.assert_equal(times.first_active_s, [19.999, 20.001])
    times = timed(trials, [(20_000, 23_000)])
    np.testing.assert_equal(times.first_active_s, [NAN, 20.001])


@pytest.mark.parametrize(("n_samples", "cued"), [(12_000, False), (12_001, True)])
def test_a_trial_that_runs_past_the_record_is_not_judged(n_samples: int, cued: bool) -> None:
    trials = make_trials([10.0], [12.0], [True])
    assert timed(trials, [(11_000, 11_900)], n_samples).cued.tolist() == [cued]
    before = timed(trials, [(1_000, 1_900)], 60_000, start_s=10.001)
    assert not before.still.any()
    assert np.isnan(before.first_active_s).all()


@pytest.mark.parametrize(("ends_ms", "cued"), [(100, True), (99, False)])
def test_clocks_that_start_elsewhere_change_nothing(ends_ms: int, cued: bool) -> None:
    """0.1 + 0.2 is not 0.3 in binary: an event on a sample must stay on it.

    Every trial stands on its limits: a movement ends 99 or 100 ms before the cue, and the rewarded one
    starts with the reward.
    """
    cues = range(300, 49_000, 300)
    bouts = [b for cue in cues for b in ((cue - 150, cue - ends_ms), (cue + 50, cue + 60))]
    for start_s in (0.0, 0.1, 1e3 + 0.3, 86_400.7):
        cue_s = start_s + np.array(cues) / 1000.0
        times = timed(make_trials(cue_s, cue_s + 0.05, np.ones(cue_s.size)), bouts, start_s=start_s)
        assert times.cued.tolist() == [cued] * cue_s.size
        np.testing.assert_allclose(times.movement_s, cue_s + 0.05, atol=1e-9)


@pytest.mark.parametrize(("offset", "active_s"), [(10_001, NAN), (10_002, 10.001)])
def test_a_movement_that_ends_with_the_cue_is_not_active_after_it(offset: int, active_s: float) -> None:
    np.testing.assert_equal(one_trial([(9_000, offset)]).first_active_s, [active_s])


def test_selecting_trials_keeps_every_column_in_step() -> None:
    trials = make_trials([10.0, 20.0], [12.0, 22.0], [True, True], light=[False, True])
    lit = timed(trials, [(11_000, 11_900), (21_500, 21_900)])
    lit = lit.select(lit.light)
    assert len(lit) == 1
    assert lit.movement_s.tolist() == [21.5]
    assert {getattr(lit, field.name).shape for field in fields(lit)} == {(1,)}


def test_the_shape_of_the_push_is_taken_from_the_sample_before_its_onset() -> None:
    lever = np.zeros(20_000)
    lever[11_000:11_500] = np.minimum(0.2 * np.arange(1, 501), 4.0)
    movements = Movements(np.array([11_000]), np.array([11_500]), lever.size)
    times = time_trials(make_trials([10.0], [11.02], [True]), movements, lever, [])
    assert times.amplitude_mm.tolist() == [4.0]
    np.testing.assert_allclose(times.peak_speed_mm_per_s, [200.0])
    np.testing.assert_allclose(times.rise_s, [0.016])


# ---- the same, trial by trial and sample by sample -----------------------------------------------


def literal_trial(
    active: list[bool], cue: int, end: int, reward: int | None, next_cue: int
) -> tuple[bool, bool, int | None, int | None, int | None]:
    """still, cued, rewarded onset, first onset, first active sample; times in samples."""
    onsets = [i for i in range(len(active)) if active[i] and (i == 0 or not active[i - 1])]
    still = not any(active[max(0, cue - 100) : cue])
    rewarded = None
    if reward is not None:
        started = [i for i in onsets if i <= reward]
        if started:
            stop = started[-1]
            while stop < len(active) and active[stop]:
                stop += 1
            rewarded = started[-1] if stop > cue else None
    cued = still and rewarded is not None and rewarded > cue
    first = next((i for i in onsets if cue < i <= end), None)
    moving = next((i for i in range(cue + 1, next_cue) if active[i]), None)
    return still, cued, rewarded, first, moving


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[tuple[int, int, bool]], int]:
    """Movements, trials (cue, end, rewarded) and the number of samples, all in samples."""
    edges = sorted(draw(st.sets(st.integers(1, 2500), max_size=16)))
    bouts = list(zip(edges[0::2], edges[1::2], strict=False))
    cues = sorted(draw(st.sets(st.integers(0, 2500), min_size=1, max_size=6)))
    trials = []
    for cue, following in zip(cues, [*cues[1:], 2600], strict=True):
        trials.append((cue, draw(st.integers(cue, following - 1)), draw(st.booleans())))
    return bouts, trials, 2600


@settings(max_examples=300, deadline=None)
@given(session=sessions())
def test_trials_are_those_of_the_definitions(
    session: tuple[list[tuple[int, int]], list[tuple[int, int, bool]], int],
) -> None:
    bouts, rows, n = session
    cue_s = np.array([cue for cue, _, _ in rows]) / 1000.0
    end_s = np.array([end for _, end, _ in rows]) / 1000.0
    hit = np.array([rewarded for _, _, rewarded in rows])
    trials = make_trials(cue_s, np.where(hit, end_s, NAN), hit, end_s=end_s)
    times = timed(trials, bouts, n)
    active = [any(a <= i < b for a, b in bouts) for i in range(n)]
    for i, (cue, end, rewarded) in enumerate(rows):
        next_cue = rows[i + 1][0] if i + 1 < len(rows) else n
        expected = literal_trial(active, cue, end, end if rewarded else None, next_cue)
        seconds = [NAN if sample is None else sample / 1000.0 for sample in expected[2:]]
        assert (times.still[i], times.cued[i]) == expected[:2]
        np.testing.assert_equal([times.movement_s[i], times.first_movement_s[i], times.first_active_s[i]], seconds)


# ---- early presses -------------------------------------------------------------------------------


def test_early_presses_are_those_between_a_trials_end_and_the_next_cue() -> None:
    trials = make_trials([10.0, 30.0, 50.0], [12.0, NAN, 51.0], [True, False, True])
    presses = [1.0, 5.0, 10.0, 12.0, 12.5, 29.0, 35.0, 40.0, 40.5, 60.0]
    assert count_early_presses(presses, trials).tolist() == [2.0, 2.0, 1.0]
    assert count_early_presses(presses[::-1], trials, last_s=2.0).tolist() == [0.0, 1.0, 0.0]
    assert count_early_presses([], trials).tolist() == [0.0, 0.0, 0.0]


# ---- checks --------------------------------------------------------------------------------------


def test_a_trial_ends_at_its_reward_or_its_time_out() -> None:
    trials = make_trials([1.0, 20.0], [3.0, NAN], [1, 0], window_s=7.0)
    assert trials.end_s.tolist() == [3.0, 27.0]
    assert trials.light.tolist() == [False, False]
    assert len(trials) == 2
    assert len(make_trials([], [], [])) == 0
    given = make_trials([1.0], [3.0], [True], end_s=[4.0])
    assert given.end_s.tolist() == [4.0]


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        (([1.0, 2.0], [1.5], [True, True]), "reward_s has 1 elements, cue_s has 2"),
        (([1.0], [1.5], [True, False]), "rewarded has 2 elements"),
        (([1.0, NAN], [1.5, NAN], [True, False]), r"trial 1 \(counted from 0\): cue_s is not"),
        (([2.0, 1.0], [2.5, 1.5], [True, True]), "trial 1 .* does not follow the cue before"),
        (([1.0, 2.0], [1.5, NAN], [True, True]), "trial 1 .* rewarded but reward_s"),
        (([1.0, 2.0], [1.5, 1.9], [True, True]), "trial 1 .* rewarded but reward_s"),
    ],
)
def test_trials_that_contradict_themselves_are_refused(
    columns: tuple[list[float], list[float], list[bool]], fault: str
) -> None:
    with pytest.raises(RecordError, match=fault):
        make_trials(*columns)


def test_ends_and_light_are_checked_too() -> None:
    with pytest.raises(RecordError, match="end_s does not follow"):
        make_trials([1.0], [NAN], [False], end_s=[0.5])
    with pytest.raises(RecordError, match="light has 2 elements"):
        make_trials([1.0], [NAN], [False], light=[True, False])
