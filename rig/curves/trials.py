"""A session's trials against its lever: what the mouse did between each cue and its reward.

Floor 0: arrays in, arrays out; no files, no clock. Times are seconds on the lever's clock,
positions millimetres (push positive). Sources [AP] [CR] [WR]: see rig/curves/movement.py; [PZ] is
paulazoo/behavior.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from rig.curves.movement import SAME_INSTANT_SAMPLES, SAMPLE_HZ, Flags, Floats, Movements, Samples
from rig.curves.trajectory import amplitude_mm, peak_speed_mm_per_s, rise_s
from rig.errors import RecordError

RESPONSE_WINDOW_S = 10.0
"""The mouse has this long to press, in every session (computed from 24,042 trials of [CR])."""

STILL_SAMPLES = 100
"""A cued trial has the lever at rest for 100 ms before the cue [CR] [WR]."""


# ---- what comes in -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trials:
    """A session's trials in order, one element a trial. `make_trials` makes one and checks it.

    ``end_s`` ends the response window: the reward, or the time-out.
    """

    cue_s: Floats
    end_s: Floats
    reward_s: Floats
    rewarded: Flags
    light: Flags

    def __len__(self) -> int:
        return self.cue_s.size


def make_trials(
    cue_s: ArrayLike,
    reward_s: ArrayLike,
    rewarded: ArrayLike,
    *,
    light: ArrayLike | None = None,
    end_s: ArrayLike | None = None,
    window_s: float = RESPONSE_WINDOW_S,
) -> Trials:
    """Trials from plain arrays (n,), checked. ``reward_s`` is NaN where there was none.

    Without ``light`` every trial is dark; without ``end_s`` a trial ends at its reward, or
    ``window_s`` after its cue. Leave out catch trials first: they have no cue to answer. Raises
    RecordError for arrays of unequal length, cues that do not ascend, and rewards or ends that do
    not follow their cue.
    """
    cue, reward = _floats(cue_s), _floats(reward_s)
    hit = _flags(rewarded)
    lit = np.zeros(cue.size, np.bool_) if light is None else _flags(light)
    timeout = np.where(hit, reward, cue + window_s)
    end = timeout if end_s is None else _floats(end_s)
    for name, column in (("reward_s", reward), ("rewarded", hit), ("light", lit), ("end_s", end)):
        if column.shape != cue.shape:
            raise RecordError(f"trials: {name} has {column.size} elements, cue_s has {cue.size}")
    _refuse(~np.isfinite(cue), "cue_s is not a number: leave the trial out")
    _refuse(np.diff(cue, prepend=-np.inf) <= 0, "cue_s does not follow the cue before it")
    _refuse(hit & ~(reward >= cue), "is rewarded but reward_s does not follow cue_s")
    _refuse(~(end >= cue), "end_s does not follow cue_s")
    return Trials(cue, end, reward, hit, lit)


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64).reshape(-1)


def _flags(values: ArrayLike) -> Flags:
    return np.asarray(values, dtype=np.bool_).reshape(-1)


def _refuse(bad: Flags, fault: str) -> None:
    if bad.any():
        raise RecordError(f"trial {int(bad.argmax())} (counted from 0): {fault}")


# ---- what comes out ------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrialTimes:
    """What the mouse did, one element a trial; NaN where it did not, or the record lacks it."""

    cue_s: Floats
    reward_s: Floats
    rewarded: Flags
    light: Flags
    still: Flags
    """No movement in the 100 ms before the cue."""
    cued: Flags
    """Rewarded, still before the cue, and the rewarded movement starts after the cue [CR]."""
    movement_s: Floats
    """When the rewarded movement starts: the last onset up to the reward [CR]."""
    movement_end_s: Floats
    first_movement_s: Floats
    """When the first movement to start within the response window starts, rewarded or not [CR]."""
    first_active_s: Floats
    """The first moving sample after the cue and before the next cue [WR]."""
    early_presses: Floats
    """Presses since the trial before ended; the task neither rewards nor punishes them."""
    amplitude_mm: Floats
    """Of the rewarded movement, as are the next two (rig/curves/trajectory.py)."""
    peak_speed_mm_per_s: Floats
    rise_s: Floats

    def __len__(self) -> int:
        return self.cue_s.size

    def select(self, which: Flags) -> TrialTimes:
        """The trials where ``which`` (n,) is true."""
        return TrialTimes(*(getattr(self, field.name)[which] for field in fields(self)))


def time_trials(trials: Trials, movements: Movements, trace_mm: Floats, press_s: ArrayLike) -> TrialTimes:
    """Every trial against the movements of its 1 kHz trace and the presses of the session.

    A trial whose cue or end lies outside the trace has no movement, and is neither still nor cued.
    """
    after_cue = _sample_after(trials.cue_s, movements.start_s)
    after_end = _sample_after(trials.end_s, movements.start_s)
    recorded = (after_cue > 0) & (after_end <= movements.n_samples)
    still = recorded & _still(_sample_at(trials.cue_s, movements.start_s), movements)
    rewarded_onset, rewarded_offset = _rewarded_movement(trials, movements, recorded)
    cued = still & (rewarded_onset >= after_cue)
    first, active = _first(movements, after_cue)
    first[~recorded | (first >= after_end)] = -1
    next_cue = np.append(_sample_at(trials.cue_s, movements.start_s)[1:], movements.n_samples)
    active[~recorded | (active >= next_cue)] = -1
    amplitude, speed, rise = _push_shapes(trace_mm, rewarded_onset, rewarded_offset)
    return TrialTimes(
        cue_s=trials.cue_s,
        reward_s=trials.reward_s,
        rewarded=trials.rewarded,
        light=trials.light,
        still=still,
        cued=cued,
        movement_s=_seconds(rewarded_onset, movements),
        movement_end_s=_seconds(rewarded_offset, movements),
        first_movement_s=_seconds(first, movements),
        first_active_s=_seconds(active, movements),
        early_presses=count_early_presses(press_s, trials),
        amplitude_mm=amplitude,
        peak_speed_mm_per_s=speed,
        rise_s=rise,
    )


def count_early_presses(press_s: ArrayLike, trials: Trials, last_s: float = np.inf) -> Floats:
    """Presses before each cue since the trial before ended, or only in the last ``last_s`` of that.

    ([PZ] asks for 1 s without movement before the cue.)
    """
    pressed_s = np.sort(_floats(press_s))
    since_s = np.append(-np.inf, trials.end_s[:-1])[: len(trials)]
    since_s = np.maximum(since_s, trials.cue_s - last_s)
    before_cue = np.searchsorted(pressed_s, trials.cue_s, "left")
    before_wait = np.searchsorted(pressed_s, since_s, "right")
    return _floats(np.maximum(before_cue - before_wait, 0))


# ---- times as samples ----------------------------------------------------------------------------
# A sample number of -1 stands for "there is none" and becomes NaN seconds.


def _sample_at(when_s: Floats, start_s: float) -> Samples:
    """The first sample at or after an instant; 0 for NaN."""
    exact = np.nan_to_num((when_s - start_s) * SAMPLE_HZ)
    return np.ceil(exact - SAME_INSTANT_SAMPLES).astype(np.int64)


def _sample_after(when_s: Floats, start_s: float) -> Samples:
    """The first sample after an instant, not on it; 1 for NaN."""
    exact = np.nan_to_num((when_s - start_s) * SAMPLE_HZ)
    return np.floor(exact + SAME_INSTANT_SAMPLES).astype(np.int64) + 1


def _seconds(sample: Samples, movements: Movements) -> Floats:
    return np.where(sample < 0, np.nan, movements.start_s + sample / SAMPLE_HZ)


def _still(at_cue: Samples, movements: Movements) -> Flags:
    """Whether the last movement to start before the cue ended 100 ms or more before it."""
    last = np.searchsorted(movements.onset, at_cue, "left") - 1
    ended = np.append(movements.offset, np.iinfo(np.int64).min)[last]  # -1 takes the appended one
    return np.asarray(ended <= at_cue - STILL_SAMPLES)


def _rewarded_movement(trials: Trials, movements: Movements, recorded: Flags) -> tuple[Samples, Samples]:
    """Bounds of the last movement to start up to each reward, if it reaches into the trial."""
    after_reward = _sample_after(trials.reward_s, movements.start_s)
    last = np.searchsorted(movements.onset, after_reward, "left") - 1
    onset, offset = np.append(movements.onset, -1)[last], np.append(movements.offset, -1)[last]
    at_cue = _sample_at(trials.cue_s, movements.start_s)
    found = recorded & trials.rewarded & (offset > at_cue)
    return np.where(found, onset, -1), np.where(found, offset, -1)


def _first(movements: Movements, after_cue: Samples) -> tuple[Samples, Samples]:
    """The first onset from each sample on, and the first moving sample; past the end if none."""
    following = np.searchsorted(movements.onset, after_cue, "left")
    onset = np.append(movements.onset, movements.n_samples)[following]
    running = np.append(movements.offset, -1)[following - 1] > after_cue
    return onset, np.where(running, after_cue, onset)


def _push_shapes(trace_mm: Floats, onset: Samples, offset: Samples) -> tuple[Floats, Floats, Floats]:
    """Amplitude, peak speed and rise of the push in each trial; NaN where there is none."""
    shapes = np.full((3, onset.size), np.nan)
    for i in np.flatnonzero(onset >= 0):
        # From the sample before the onset: by the onset itself a fast push is on its way.
        push_mm = trace_mm[onset[i] - 1 : offset[i]]
        shapes[:, i] = amplitude_mm(push_mm), peak_speed_mm_per_s(push_mm), rise_s(push_mm)
    return shapes[0], shapes[1], shapes[2]
