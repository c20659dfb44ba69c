"""What a session shows of learning: success, reaction times, pushes and how alike they are.

Floor 0: arrays in, numbers out; no files, no clock, no randomness. A session comes in as its
trials and its lever trace on one clock, in seconds and millimetres (push positive), and leaves as
`SessionMeasures`. The trace into movements: rig/curves/movement.py. Trial by trial: rig/curves/trials.py.
Segments and their correlation: rig/curves/trajectory.py. Over days and mice: rig/curves/stats.py.

Sources: [AP] petersaj/AP_scripts_komiyamalab, [CR] CRen2333/InhibitoryNeuron_LeverPress,
[WR] wjakewright/Lab_Analyses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rig.curves.movement import (
    Floats,
    MovementRule,
    Movements,
    parse_movements,
    quick_length,
    to_1khz,
)
from rig.curves.presses import PressRule, find_presses_s
from rig.curves.trajectory import extract_segments, within_session_correlation
from rig.curves.trials import Trials, TrialTimes, time_trials

# ---- one number a session ------------------------------------------------------------------------
# Each takes the trials to judge (all, or those with light) and gives NaN where none of them counts.


def success(times: TrialTimes) -> float:
    """Rewarded trials as a part of all trials [CR]."""
    return _mean(times.rewarded.astype(np.float64))


def reaction_rewarded_s(times: TrialTimes) -> float:
    """Reaction time (a): rewarded-movement onset less cue, median over cued trials [CR] [AP]."""
    return _median((times.movement_s - times.cue_s)[times.cued])


def reaction_first_s(times: TrialTimes) -> float:
    """Reaction time (b): first movement onset after the cue less cue, median over all trials [CR].

    The published learning curve of reaction time. A movement under way at the cue is not a first
    onset.
    """
    return _median(times.first_movement_s - times.cue_s)


def reaction_active_s(times: TrialTimes) -> float:
    """Reaction time (c): first moving sample after the cue less cue, mean [WR].

    Over rewarded trials that were still before the cue. Where the lever never moved before the
    next cue, [WR] counts 0 s; here the trial is left out.
    """
    return _mean((times.first_active_s - times.cue_s)[times.rewarded & times.still])


def cue_to_movement_s(times: TrialTimes) -> float:
    """From cue to rewarded movement, median over cued rewarded trials: variant (a) by its own name
    [CR].
    """
    return reaction_rewarded_s(times)


def movement_to_reward_s(times: TrialTimes) -> float:
    """From rewarded-movement onset to reward, median over cued rewarded trials [CR]."""
    return _median((times.reward_s - times.movement_s)[times.cued])


def cue_to_reward_s(times: TrialTimes) -> float:
    """From cue to reward, median over cued rewarded trials [CR]."""
    return _median((times.reward_s - times.cue_s)[times.cued])


def duration_s(times: TrialTimes) -> float:
    """How long the rewarded movement lasts, median over cued rewarded trials [CR]."""
    return _median((times.movement_end_s - times.movement_s)[times.cued])


def early_presses_per_trial(times: TrialTimes) -> float:
    """Presses between one trial's end and the next cue, mean over trials."""
    return _mean(times.early_presses)


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.mean(known)) if known.size else float("nan")


# ---- a session -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measures:
    """Every measure of a set of trials, as defined above; NaN where no trial counts for it."""

    n_trials: int
    n_rewarded: int
    n_cued: int
    success: float
    reaction_rewarded_s: float
    reaction_first_s: float
    reaction_active_s: float
    cue_to_movement_s: float
    movement_to_reward_s: float
    cue_to_reward_s: float
    duration_s: float
    within_r: float
    """Median trajectory correlation of the rewarded movements of cued trials, within the set."""
    amplitude_mm: float
    """Median over cued trials, as are the next two."""
    peak_speed_mm_per_s: float
    rise_s: float
    early_presses_per_trial: float


@dataclass(frozen=True)
class SessionMeasures:
    """A session's measures over all trials, those without light and those with; and their basis."""

    all: Measures
    light_off: Measures
    light_on: Measures
    times: TrialTimes
    segments: Floats
    """(cued trials, samples): the pushes of cued trials, for correlation across sessions."""
    movements: Movements


def measure_session(
    trials: Trials,
    lever_mm: ArrayLike,
    lever_hz: float,
    *,
    start_s: float = 0.0,
    press_s: ArrayLike | None = None,
    rule: MovementRule | None = None,
    press_rule: PressRule | None = None,
    span_s: float = 2.0,
) -> SessionMeasures:
    """Every measure of one session.

    ``lever_mm`` is evenly sampled at ``lever_hz`` from ``start_s`` on the trials' clock, push
    positive (`held_at_1khz` makes one from encoder edges). ``press_s`` are the presses the board
    reported; without them they are looked for in the trace by ``press_rule``. ``rule`` says what
    is a movement; ``span_s`` how much of a push is correlated. The last instants of the record
    (under a second of an hour) are cut off for speed. Raises RecordError for a lever trace that
    cannot be used.
    """
    trace_mm = to_1khz(lever_mm, lever_hz)
    trace_mm = trace_mm[: quick_length(trace_mm.size)]
    movements = parse_movements(trace_mm, start_s, rule)
    if press_s is None:
        press_s = find_presses_s(trace_mm, start_s, press_rule)
    times = time_trials(trials, movements, trace_mm, press_s)
    pushes_s = np.where(times.cued, times.movement_s, np.nan)
    segments = extract_segments(trace_mm, pushes_s, start_s, span_s)
    return SessionMeasures(
        all=measure_trials(times, segments),
        light_off=measure_trials(times.select(~times.light), segments[~times.light]),
        light_on=measure_trials(times.select(times.light), segments[times.light]),
        times=times,
        segments=segments[times.cued],
        movements=movements,
    )


def measure_trials(times: TrialTimes, segments: Floats) -> Measures:
    """Every measure of some trials; ``segments`` has a row for each, NaN without a cued push."""
    return Measures(
        n_trials=len(times),
        n_rewarded=int(times.rewarded.sum()),
        n_cued=int(times.cued.sum()),
        success=success(times),
        reaction_rewarded_s=reaction_rewarded_s(times),
        reaction_first_s=reaction_first_s(times),
        reaction_active_s=reaction_active_s(times),
        cue_to_movement_s=cue_to_movement_s(times),
        movement_to_reward_s=movement_to_reward_s(times),
        cue_to_reward_s=cue_to_reward_s(times),
        duration_s=duration_s(times),
        within_r=within_session_correlation(segments),
        amplitude_mm=_median(times.amplitude_mm[times.cued]),
        peak_speed_mm_per_s=_median(times.peak_speed_mm_per_s[times.cued]),
        rise_s=_median(times.rise_s[times.cued]),
        early_presses_per_trial=early_presses_per_trial(times),
    )
