"""The measures of a session: from trial times made up by hand, and from a lever trace end to end."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from rig.curves import measures as curves
from rig.curves.measures import measure_session
from rig.curves.movement import Floats, MovementRule
from rig.curves.presses import PressRule
from rig.curves.trials import Trials, TrialTimes, make_trials
from rig.errors import RecordError

NAN = float("nan")

# Five trials: cued hits, a miss that moved late, a hit under way at its cue, a cued hit.
BY_HAND = TrialTimes(
    cue_s=np.array([10.0, 30.0, 50.0, 70.0, 90.0]),
    reward_s=np.array([12.0, 34.0, NAN, 70.5, 99.0]),
    rewarded=np.array([True, True, False, True, True]),
    light=np.array([False, True, False, True, False]),
    still=np.array([True, True, True, False, True]),
    cued=np.array([True, True, False, False, True]),
    movement_s=np.array([11.5, 33.0, NAN, 69.5, 98.75]),
    movement_end_s=np.array([13.5, 36.0, NAN, 72.0, 99.75]),
    first_movement_s=np.array([11.5, 31.0, 58.0, NAN, 90.25]),
    first_active_s=np.array([11.5, 30.001, 58.0, 70.001, 90.25]),
    early_presses=np.array([0.0, 3.0, 1.0, 0.0, 1.0]),
    amplitude_mm=np.array([4.0, 5.0, NAN, 99.0, 4.5]),
    peak_speed_mm_per_s=np.array([100.0, 300.0, NAN, 999.0, 200.0]),
    rise_s=np.array([0.03, 0.01, NAN, 0.9, 0.02]),
)


def test_success_is_over_all_trials() -> None:
    assert curves.success(BY_HAND) == 0.8


def test_the_three_reaction_times_differ_in_movement_trials_and_average() -> None:
    assert curves.reaction_rewarded_s(BY_HAND) == 3.0  # median of 1.5, 3.0, 8.75
    assert curves.reaction_first_s(BY_HAND) == 1.25  # median of 1.5, 1.0, 8.0, 0.25
    assert curves.reaction_active_s(BY_HAND) == pytest.approx(1.751 / 3)  # mean of 1.5, 0.001, 0.25


def test_times_between_cue_movement_and_reward() -> None:
    assert curves.cue_to_movement_s(BY_HAND) == 3.0
    assert curves.movement_to_reward_s(BY_HAND) == 0.5  # median of 0.5, 1.0, 0.25
    assert curves.cue_to_reward_s(BY_HAND) == 4.0  # median of 2, 4, 9
    assert curves.duration_s(BY_HAND) == 2.0  # median of 2, 3, 1
    assert curves.early_presses_per_trial(BY_HAND) == 1.0


def test_every_measure_of_some_trials() -> None:
    shapes = np.array([[1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [NAN] * 3, [NAN] * 3, [-1.0, 1.0, 0.0]])
    measures = curves.measure_trials(BY_HAND, shapes)
    assert (measures.n_trials, measures.n_rewarded, measures.n_cued) == (5, 4, 3)
    assert measures.within_r == pytest.approx(-1.0)  # median of 1, -1, -1
    assert measures.amplitude_mm == 4.5
    assert measures.peak_speed_mm_per_s == 200.0
    assert measures.rise_s == 0.02


def test_no_trials_and_no_cued_trials_have_no_measures() -> None:
    none = curves.measure_trials(BY_HAND.select(np.zeros(5, bool)), np.empty((0, 201)))
    counts = {"n_trials", "n_rewarded", "n_cued"}
    assert all(np.isnan(value) for name, value in asdict(none).items() if name not in counts)
    uncued = replace(BY_HAND, cued=np.zeros(5, bool))
    assert np.isnan(curves.reaction_rewarded_s(uncued))
    assert curves.reaction_first_s(uncued) == 1.25


# ---- end to end ----------------------------------------------------------------------------------

PUSH_AFTER_MS = [300, 500, 900, 700, 400, 600]
HELD_MS = [400, 200, 600, 300, 500, 250]
PRESSED_MS = 3  # the push goes a millimetre a millisecond; the third stands at 3 mm
EARLY = [0, 2]
"""The trials whose cue follows a press made in the interval, five seconds before."""


def session_mm() -> Floats:
    """Six trials, cues 10 s apart from 10 s on; each push 4 mm in 4 ms, held, back in 4 ms."""
    lever = np.zeros(75_000)

    def push(start: int, held: int) -> None:
        lever[start : start + 4] = [1.0, 2.0, 3.0, 4.0]
        lever[start + 4 : start + 4 + held] = 4.0
        lever[start + 4 + held : start + 7 + held] = [3.0, 2.0, 1.0]

    for trial, (after, held) in enumerate(zip(PUSH_AFTER_MS, HELD_MS, strict=True)):
        push(10_000 * (trial + 1) + after, held)
        if trial in EARLY:
            push(10_000 * (trial + 1) - 5000, 100)
    return lever


def session_trials(start_s: float = 0.0) -> Trials:
    """The third trial is a miss: its press was not rewarded; odd trials have light."""
    cue_s = start_s + 10.0 * np.arange(1, 7)
    reward_s = cue_s + (np.array(PUSH_AFTER_MS) + PRESSED_MS - 1) / 1000.0
    rewarded = np.array([True, True, False, True, True, True])
    light = np.arange(6) % 2 == 1
    reward_s[~rewarded] = NAN
    return make_trials(cue_s, reward_s, rewarded, light=light, window_s=5.0)


def test_a_session_end_to_end() -> None:
    """Noiseless pushes as sharp as these are found to the sample, so every answer is exact."""
    session = measure_session(session_trials(), session_mm(), 1000.0)
    assert session.movements.onset.size == 8
    assert session.times.cued.tolist() == [True, True, False, True, True, True]
    assert session.times.early_presses.tolist() == [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    measures = session.all
    assert measures.success == pytest.approx(5 / 6)
    assert measures.reaction_rewarded_s == pytest.approx(0.5)  # .3 .5 .7 .4 .6
    assert measures.reaction_first_s == pytest.approx(0.55)  # and the miss at .9
    assert measures.reaction_active_s == pytest.approx(0.5)
    assert measures.cue_to_movement_s == pytest.approx(0.5)
    assert measures.movement_to_reward_s == pytest.approx(0.002)
    assert measures.cue_to_reward_s == pytest.approx(0.502)
    assert measures.duration_s == pytest.approx(0.307)  # held .4 .2 .3 .5 .25, and 7 ms
    assert measures.amplitude_mm == 4.0
    assert measures.peak_speed_mm_per_s == pytest.approx(800.0)  # 4 mm within 5 ms
    assert measures.rise_s == pytest.approx(0.0032)
    assert measures.early_presses_per_trial == pytest.approx(1 / 3)


def test_a_session_split_by_light() -> None:
    session = measure_session(session_trials(), session_mm(), 1000.0)
    off, on = session.light_off, session.light_on
    assert (off.n_trials, off.n_cued, on.n_trials, on.n_cued) == (3, 2, 3, 3)
    assert off.success == pytest.approx(2 / 3)
    assert on.success == 1.0
    assert off.reaction_rewarded_s == pytest.approx(0.35)
    assert on.reaction_rewarded_s == pytest.approx(0.6)
    assert np.isnan(off.within_r)
    assert on.within_r > 0.5


def test_the_segments_of_a_session_are_its_cued_pushes() -> None:
    session = measure_session(session_trials(), session_mm(), 1000.0, span_s=0.5)
    assert session.segments.shape == (5, 51)
    assert session.segments[:, 0].tolist() == [1.0] * 5
    held = np.array(HELD_MS)[session.times.cued]
    expected = np.array([[4.0 if 10 * k < h + 4 else 0.0 for k in range(1, 51)] for h in held])
    away_from_return = np.array([[abs(10 * k - h - 5) > 4 for k in range(1, 51)] for h in held])
    assert np.all((session.segments[:, 1:] == expected) | ~away_from_return)


def test_the_clock_and_the_rate_of_the_lever_do_not_matter() -> None:
    plain = asdict(measure_session(session_trials(), session_mm(), 1000.0).all)
    later = measure_session(session_trials(500.0), session_mm(), 1000.0, start_s=500.0)
    assert asdict(later.all) == pytest.approx(plain, abs=1e-9)
    fast = measure_session(session_trials(), np.repeat(session_mm(), 10), 10_000.0).all
    for name in ("reaction_first_s", "cue_to_movement_s", "duration_s", "cue_to_reward_s"):
        assert getattr(fast, name) == pytest.approx(plain[name], abs=0.003)


def test_a_record_whose_length_does_not_factor_gives_the_same() -> None:
    """74,923 is a prime number; the few samples cut off for speed hold no trial."""
    plain = asdict(measure_session(session_trials(), session_mm(), 1000.0).all)
    prime = measure_session(session_trials(), session_mm()[:74_923], 1000.0)
    assert prime.movements.n_samples < 74_923
    assert asdict(prime.all) == pytest.approx(plain)


def test_presses_the_board_reported_are_taken_as_they_are() -> None:
    session = measure_session(session_trials(), session_mm(), 1000.0, press_s=[1.0, 2.0, 3.0])
    assert session.times.early_presses.tolist() == [3.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    deaf = PressRule(press_mm=9.0)
    session = measure_session(session_trials(), session_mm(), 1000.0, press_rule=deaf)
    assert session.all.early_presses_per_trial == 0.0


def test_the_rule_is_the_callers() -> None:
    deaf = MovementRule(threshold_mm_per_s=1e6)
    session = measure_session(session_trials(), session_mm(), 1000.0, rule=deaf)
    assert session.movements.onset.size == 0
    assert session.all.n_cued == 0
    assert session.all.success == pytest.approx(5 / 6)


def test_sessions_without_trials_or_with_a_broken_trace() -> None:
    empty = measure_session(make_trials([], [], []), session_mm(), 1000.0)
    assert empty.all.n_trials == 0
    assert np.isnan(empty.all.success)
    unrecorded = measure_session(session_trials(), [], 1000.0)
    assert unrecorded.all.n_cued == 0
    assert unrecorded.all.success == pytest.approx(5 / 6)
    with pytest.raises(RecordError, match="sample 7"):
        measure_session(session_trials(), [0.0] * 7 + [NAN], 1000.0)
