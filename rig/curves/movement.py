"""The lever trace cut into movements.

Floor 0: arrays in, arrays out; no files, no clock, no randomness. Positions are millimetres,
positive in the direction of a push (the rig's polarity is applied before); speeds are mm/s; times
are seconds. scipy, which takes a second to come, is imported where it is used: a figure drawn from the archive's
measures does without it.

Sources, named by their letters below and in the files that build on this one:
[AP] petersaj/AP_scripts_komiyamalab, [CR] CRen2333/InhibitoryNeuron_LeverPress,
[WR] wjakewright/Lab_Analyses. The parsing steps and their constants are the same in all three.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rig.errors import RecordError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Samples = NDArray[np.int64]

SAMPLE_HZ = 1000.0
"""Movements are parsed at 1 kHz [AP], so one sample is one millisecond in everything below."""

PUBLISHED_V_PER_MS = 0.0007
"""The published speed threshold, in volts of one lab's lever [AP] [CR] [WR]."""

LONGEST_FACTOR = 1000
"""The largest up- or down-sampling factor `to_1khz` approaches an odd rate with."""

SAME_INSTANT_SAMPLES = 1e-4
"""An event within 0.1 µs of a sample is on it: clocks added and subtracted leave rounding."""

SMALL_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)

LOWPASS_PAD = 16
"""The two-way filter mirrors 15 samples at either end and needs a trace longer than that."""


def threshold_mm_per_s(mm_per_v: float) -> float:
    """The published threshold (0.7 V/s) on a lever that gives one volt per ``mm_per_v``."""
    return PUBLISHED_V_PER_MS * 1000.0 * mm_per_v


@dataclass(frozen=True)
class MovementRule:
    """What counts as a movement. The defaults are the published constants [AP] [CR] [WR].

    Only ``threshold_mm_per_s`` depends on the lever. Its default takes the published 0.7 V/s and
    3 mm/V: from the rest to the press threshold is about 0.5 V there, and recalled as 1.5 mm.
    """

    threshold_mm_per_s: float = PUBLISHED_V_PER_MS * 1000.0 * 3.0
    lowpass_hz: float = 5.0  # the published comment says 10; its arithmetic (5/500 of Nyquist) is 5
    leeway_ms: int = 75  # added at either end of every active stretch
    gap_ms: int = 500  # stretches less than this apart are one movement
    shortest_ms: int = 150  # shorter movements are dropped
    run_ms: int = 10  # the onset is the start of the first run this long …
    noise_sds: float = 1.0  # … further than this from the start value, in SDs of the resting noise
    noise_floor_mm: float = 0.1  # ours, see below: a least distance from the start value
    refine_offset: bool = True  # the published code refines the end as the mirror of the onset


PUBLISHED_RULE = MovementRule(noise_floor_mm=0.0)
"""The rule to the letter, for a lever whose resting noise exceeds what the filter smears.

The start value is read from the smoothed trace, which by then has begun to follow the coming push:
below the threshold it may have gone about threshold / (2 pi 5 Hz) = 0.07 mm. A noisy lever hides
that; on a quiet one (an encoder) one SD of noise is less, and the onset is found where the
movement's leeway begins, hundreds of milliseconds before the push. Hence the floor of 0.1 mm in
the default rule.
"""


@dataclass(frozen=True)
class Movements:
    """The movements of one trace, in order, never overlapping, never touching the trace's ends.

    ``onset`` is the first sample of each movement and ``offset`` the first sample after it, both
    counted at 1 kHz from the trace's first sample, which was taken at ``start_s``.
    """

    onset: Samples
    offset: Samples
    n_samples: int
    start_s: float = 0.0
    noise_mm: float = 0.0

    @property
    def onset_s(self) -> Floats:
        """When each movement starts, on the clock of ``start_s``."""
        return self.start_s + self.onset / SAMPLE_HZ

    @property
    def offset_s(self) -> Floats:
        """When each movement has ended, on the clock of ``start_s``."""
        return self.start_s + self.offset / SAMPLE_HZ

    def active(self) -> Flags:
        """One flag a sample: true inside a movement."""
        flags = np.zeros(self.n_samples, dtype=np.bool_)
        for first, end in zip(self.onset, self.offset, strict=True):
            flags[first:end] = True
        return flags


# ---- step 1: the trace at 1 kHz ------------------------------------------------------------------


def to_1khz(lever_mm: ArrayLike, lever_hz: float) -> Floats:
    """An evenly sampled trace at 1 kHz (step 1; anti-aliased where it was faster [AP]).

    Raises RecordError unless the trace is one row of finite numbers and the rate is positive.
    """
    trace = np.ascontiguousarray(lever_mm, dtype=np.float64)
    if trace.ndim != 1:
        raise RecordError(f"lever trace has {trace.ndim} dimensions: give one row of samples")
    if not lever_hz > 0:
        raise RecordError(f"lever rate is {lever_hz} Hz: give the samples taken per second")
    bad = ~np.isfinite(trace)
    if bad.any():
        raise RecordError(f"lever sample {int(bad.argmax())} is not a number: fill or cut the gap")
    if lever_hz == SAMPLE_HZ or trace.size == 0:
        return trace
    from scipy import signal  # noqa: PLC0415 (see the top)

    ratio = Fraction(SAMPLE_HZ / lever_hz).limit_denominator(LONGEST_FACTOR)
    resampled = signal.resample_poly(trace, ratio.numerator, ratio.denominator, padtype="line")
    return np.asarray(resampled, dtype=np.float64)


def held_at_1khz(edge_s: ArrayLike, edge_mm: ArrayLike, start_s: float, stop_s: float) -> Floats:
    """The 1 kHz trace of a lever recorded as edges: each position holds until the next edge.

    ``edge_s`` (n,) ascending, ``edge_mm`` (n,); samples run from ``start_s`` up to, not including,
    ``stop_s``. Before the first edge the lever is taken to stand where that edge found it.
    """
    when_s = np.asarray(edge_s, dtype=np.float64)
    where_mm = np.asarray(edge_mm, dtype=np.float64)
    if when_s.size == 0 or when_s.shape != where_mm.shape or np.any(np.diff(when_s) < 0):
        raise RecordError("lever edges: give ascending times with a position each, at least one")
    n_samples = max(0, round((stop_s - start_s) * SAMPLE_HZ))
    first = np.ceil((when_s - start_s) * SAMPLE_HZ - SAME_INSTANT_SAMPLES).clip(0, n_samples).astype(np.int64)
    first[0] = 0
    return np.repeat(where_mm, np.diff(first, append=n_samples))


# ---- steps 2 to 5: when the lever is moving ------------------------------------------------------


def lowpass_mm(trace_mm: Floats, cutoff_hz: float = 5.0) -> Floats:
    """Step 2: 4th-order Butterworth run both ways: nothing is delayed, but onsets are smeared."""
    from scipy import signal  # noqa: PLC0415

    numerator, denominator = signal.butter(4, cutoff_hz, "low", fs=SAMPLE_HZ)
    return np.asarray(signal.filtfilt(numerator, denominator, trace_mm), dtype=np.float64)


def speed_mm_per_s(smooth_mm: Floats) -> Floats:
    """Step 3: the difference of neighbours, then a mean of five that narrows at the ends [AP]."""
    step = np.diff(smooth_mm, prepend=smooth_mm[0]) * SAMPLE_HZ
    mean = step.copy()
    mean[2:-2] = (step[:-4] + step[1:-3] + step[2:-2] + step[3:-1] + step[4:]) / 5.0
    mean[1] = step[:3].mean()
    mean[-2] = step[-3:].mean()
    return mean


def envelope_mm_per_s(speed: Floats) -> Floats:
    """Step 4: the length of the analytic signal, of the trace taken as one turn of a circle [AP].

    The circle is kept to: a lever that ends elsewhere than it began casts a long tail round it, and
    with zeros after the end instead, movements far inside come out differently.
    """
    from scipy import fft  # noqa: PLC0415

    spectrum = fft.rfft(speed)
    # A quarter period later is all a Hilbert transform is. The mean and the highest frequency, which have
    # no such place, become imaginary and so are dropped by the inverse.
    spectrum *= -1j
    quadrature = fft.irfft(spectrum, speed.size)
    return np.asarray(np.sqrt(speed * speed + quadrature * quadrature), dtype=np.float64)


def quick_length(n_samples: int) -> int:
    """The greatest length up to ``n_samples`` without a prime factor above 47.

    The Fourier transform is several times slower at a length with a large one. Cutting a trace of
    up to an hour to this length costs at most 751 ms of it, and usually less than 100.
    """
    length = n_samples
    while length > 0 and not _factors(length):
        length -= 1
    return length


def _factors(length: int) -> bool:
    """Whether nothing is left of ``length`` once the small primes are divided out."""
    for prime in SMALL_PRIMES:
        while length % prime == 0:
            length //= prime
    return length == 1


# ---- steps 6 to 9: from moving samples to movements ----------------------------------------------


def parse_movements(trace_mm: Floats, start_s: float = 0.0, rule: MovementRule | None = None) -> Movements:
    """The movements in a 1 kHz trace (`to_1khz` makes one), in nine published steps [AP] [CR] [WR].

    1 the trace at 1 kHz; 2 zero-phase low-pass; 3 velocity; 4 envelope; 5 active above the
    threshold; 6 leeway; 7 close gaps; 8 drop what is short or touches an end; 9 refine the onset
    to the first run of 10 ms further than one SD of the resting noise from the start value, and
    the offset alike. Two literal readings: leeway is 75 ms on both sides (published: 75 and 74
    samples), and the onset is the run's first sample (published: its second).
    """
    rule = rule or MovementRule()
    if trace_mm.size < max(rule.shortest_ms, LOWPASS_PAD):
        none = np.empty(0, dtype=np.int64)
        return Movements(none, none, trace_mm.size, start_s)
    smooth_mm = lowpass_mm(trace_mm, rule.lowpass_hz)
    active = envelope_mm_per_s(speed_mm_per_s(smooth_mm)) > rule.threshold_mm_per_s
    onset, offset = _joined(*_stretches(active), rule)
    whole = (offset - onset >= rule.shortest_ms) & (onset > 0) & (offset < trace_mm.size)
    coarse = Movements(onset[whole], offset[whole], trace_mm.size, start_s)
    return _refined(coarse, trace_mm, smooth_mm, rule)


def _stretches(active: Flags) -> tuple[Samples, Samples]:
    """First sample of every run of true, and the first sample after it."""
    edge = np.flatnonzero(active[1:] != active[:-1]) + 1
    bounds = np.concatenate([np.zeros(int(active[0]), np.int64), edge, np.full(int(active[-1]), active.size)])
    return bounds[0::2], bounds[1::2]


def _joined(onset: Samples, offset: Samples, rule: MovementRule) -> tuple[Samples, Samples]:
    """Steps 6 and 7 on the bounds: widen, then join what is now less than a gap apart."""
    if onset.size == 0:
        return onset, offset
    # Widened bounds may pass the trace's ends; such movements touch an end and are dropped next.
    onset, offset = onset - rule.leeway_ms, offset + rule.leeway_ms
    apart = onset[1:] - offset[:-1] >= max(rule.gap_ms, 1)
    return onset[np.append(True, apart)], offset[np.append(apart, True)]


def _refined(coarse: Movements, trace_mm: Floats, smooth_mm: Floats, rule: MovementRule) -> Movements:
    """Step 9. A movement that never leaves its start value for long enough keeps its bounds."""
    resting = ~coarse.active()
    noise_mm = float(np.std((trace_mm - smooth_mm)[resting])) if resting.any() else 0.0
    far_mm = max(rule.noise_sds * noise_mm, rule.noise_floor_mm)
    onset, offset = coarse.onset.copy(), coarse.offset.copy()
    for i, (first, end) in enumerate(zip(coarse.onset, coarse.offset, strict=True)):
        bout_mm = trace_mm[first:end]
        into = _first_run(np.abs(bout_mm - smooth_mm[first]) > far_mm, rule.run_ms)
        onset[i] = first + into
        if rule.refine_offset:
            away = np.abs(bout_mm[::-1] - smooth_mm[end - 1]) > far_mm
            refined_end = end - _first_run(away, rule.run_ms)
            # A lever that stays where it was pushed to would otherwise end before it begins.
            offset[i] = refined_end if refined_end >= onset[i] + rule.run_ms else end
    return Movements(onset, offset, coarse.n_samples, coarse.start_s, noise_mm)


def _first_run(flags: Flags, length: int) -> int:
    """Where the first run of ``length`` true flags begins; 0 where there is none."""
    total = np.concatenate([[0], np.cumsum(flags)])
    full = total[length:] - total[:-length] == length
    return int(full.argmax()) if full.size else 0
