"""Board time and host time: unwrapping the board's 32-bit stamps, fitting one clock to the other.

Floor 0: pure. Both times are arguments; nothing here reads a clock, sleeps or does I/O.

A request leaves at ``sent_host_ns``, the board stamps it at ``board_us`` and the answer is in at
``received_host_ns``. Whatever the two delays were, the stamp lies between the two host times: each
sample is a hard interval, and its middle a guess. The line comes from the guesses (a minimum-delay
filter as in RFC 5905 section 10, then weighted least squares over a sliding window). The error
bound comes from the intervals alone: they are intersected one after another (Marzullo & Owicki
1983), each widened as it ages by what is not known of the rate. So it holds whether the two delays
are alike or not. A wire whose bytes need a known time can be told so by moving ``sent`` later and
``received`` earlier by that time.
"""

from __future__ import annotations

import enum
import math
import operator
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from rig.errors import BoardError

WRAP = 1 << 32
HALF_WRAP = 1 << 31

WINDOW_US = 30_000_000  # long enough to fix the rate, short enough to follow the temperature
BUCKET_US = 1_000_000  # the fit takes the quickest round trip of each bucket
FIRST_BUCKET_US = 50_000  # while there is little to go by, buckets are short and grow to BUCKET_US
DRIFT_LIMIT = 5e-3  # ceramic resonators are sold at +-0.5 %: all that is known before the fit
SLEW_LIMIT = 1e-3  # a contradiction this rate error explains is followed; a larger one is a step
WANDER = 2e-6  # how far the rate may stray from its average over the window, at least
WANDER_DECAY = 0.97  # per bucket: a wider allowance, once needed, is given back within minutes
SPREAD_FLOOR_NS = 10_000  # so that one lucky round trip does not outweigh all the others
STRIKES = 3  # samples in a row that contradict the fit: a clock has stepped


class Unwrapper:
    """Turns u32 microsecond stamps into integers that go on counting past each wrap (71.6 min).

    Each stamp is taken as the nearest to the newest one seen, so stamps may come out of order by up
    to 35.7 min, and at least one must come in any 35.7 min.
    """

    def __init__(self) -> None:
        self._newest_us: int | None = None

    def unwrap(self, stamp_us: int) -> int:
        """The unwrapped time, us. The first stamp stands for itself; one before it may be < 0."""
        if self._newest_us is None:
            self._newest_us = stamp_us
            return stamp_us
        ahead_us = (stamp_us - self._newest_us + HALF_WRAP) % WRAP - HALF_WRAP
        board_us = self._newest_us + ahead_us
        if ahead_us > 0:
            self._newest_us = board_us
        return board_us


class Verdict(enum.Enum):
    """What a sample did to the clock."""

    KEPT = "kept"
    DOUBTED = "doubted"  # contradicts the fit: set aside, and the error bound covers it meanwhile
    RESTARTED = "restarted"  # the third in a row: a clock stepped or the host slept; fitted afresh


class Sample(NamedTuple):
    sent_ns: int
    board_us: int
    received_ns: int


class Point(NamedTuple):
    """One sample as the fit sees it: board time, middle of the round trip and half its length."""

    board_us: int
    middle_ns: int
    half_ns: float


class Fit:
    """One line between two clocks that do not step, and the interval the truth lies in.

    host_ns = anchor_ns + (board_us - anchor_us) * ns_per_us; at ``last_us``, the newest sample, the
    truth is between ``low_ns`` and ``high_ns`` from that line, and never is the line outside it.
    """

    def __init__(self, first: Sample, tick_ns: int, drift_limit: float) -> None:
        self._tick_ns, self._drift_limit = tick_ns, drift_limit
        self.since_us = self.anchor_us = self.last_us = first.board_us
        self.until_ns: float = math.inf
        self.step_ns = 0.0
        self.ns_per_us = 1000.0
        self.rate_error = drift_limit  # |true rate - this rate| is at most this
        self._wander = WANDER
        point = self._point(first)
        self.anchor_ns = point.middle_ns
        self._low_ns, self._high_ns = -point.half_ns, point.half_ns
        self._points = deque([point])
        self._quickest_ns = 0.0
        self._best: Point | None = None
        self._bucket_end_us = first.board_us + FIRST_BUCKET_US

    def _point(self, sample: Sample) -> Point:
        """The stamp was rounded down, so the tick before ``sent`` is possible too."""
        early_ns = sample.sent_ns - self._tick_ns
        half_ns = (sample.received_ns - early_ns) / 2
        return Point(sample.board_us, early_ns + int(half_ns), half_ns + 1)

    def host_ns(self, board_us: float) -> int:
        return self.anchor_ns + int((board_us - self.anchor_us) * self.ns_per_us)

    def board_us(self, host_ns: float) -> float:
        return self.anchor_us + (host_ns - self.anchor_ns) / self.ns_per_us

    def error_ns(self, board_us: float) -> float:
        aged_ns = abs(board_us - self.last_us) * 1000 * self.rate_error
        beyond_ns = self.step_ns if board_us > self.last_us else 0.0
        return max(self._high_ns, -self._low_ns) + aged_ns + beyond_ns + self._tick_ns

    def add(self, sample: Sample) -> float:
        """Take a sample in. Returns 0, or how far off the line it is if it contradicts the fit."""
        point = self._point(sample)
        line_ns = (point.board_us - self.anchor_us) * self.ns_per_us
        off_ns = point.middle_ns - self.anchor_ns - line_ns
        low_ns, high_ns = off_ns - point.half_ns, off_ns + point.half_ns
        elapsed_ns = (point.board_us - self.last_us) * 1000
        aged_ns = elapsed_ns * self.rate_error
        was_low_ns, was_high_ns = self._low_ns - aged_ns, self._high_ns + aged_ns
        gap_ns = max(low_ns - was_high_ns, was_low_ns - high_ns)
        if elapsed_ns < 0 or gap_ns > elapsed_ns * SLEW_LIMIT:
            return max(abs(low_ns), abs(high_ns))
        both_low_ns, both_high_ns = max(low_ns, was_low_ns), min(high_ns, was_high_ns)
        if both_high_ns - both_low_ns > self._quickest_ns:
            self._low_ns, self._high_ns = both_low_ns, both_high_ns
        else:
            self._stray()
            self._low_ns, self._high_ns = min(low_ns, was_high_ns), max(high_ns, was_low_ns)
        self.last_us = point.board_us
        self._collect(point)
        if self._low_ns > 0 or self._high_ns < 0:
            self._move_line((self._low_ns + self._high_ns) / 2)
        return 0.0

    def _stray(self) -> None:
        """The rate went further than was allowed for: allow more.

        The least way out and the least way back stay possible in every intersection, so a true one
        hardly gets narrower than half the quickest round trip. Seen before it is empty, a steered
        clock does not leave the interval.
        """
        self._wander = min(2 * self._wander, self._drift_limit)
        self.rate_error = min(self.rate_error + self._wander, self._drift_limit)

    def _move_line(self, up_ns: float) -> None:
        """Shift the line; the truth stays where it is."""
        whole_ns = int(up_ns)
        self.anchor_ns += whole_ns
        self._low_ns -= whole_ns
        self._high_ns -= whole_ns

    def _collect(self, point: Point) -> None:
        if self._best is None or point.half_ns < self._best.half_ns:
            self._best = point
        if point.board_us < self._bucket_end_us:
            return
        points = self._points
        if self._best.board_us > points[-1].board_us:
            points.append(self._best)
        self._best = None
        while len(points) > 2 and points[0].board_us < point.board_us - WINDOW_US:
            points.popleft()
        span_us = point.board_us - points[0].board_us
        self._bucket_end_us = point.board_us + min(max(span_us // 8, FIRST_BUCKET_US), BUCKET_US)
        self._wander = max(WANDER, self._wander * WANDER_DECAY)
        self._quickest_ns = min(p.half_ns for p in points)
        if len(points) > 1:
            self._refit(points, span_us)

    def _refit(self, points: Sequence[Point], span_us: int) -> None:
        """Take the new line if more is known of its rate, or if a steady window demands it."""
        anchor_us, anchor_ns, ns_per_us = fitted(points)
        rate_error = self._wander + rate_doubt(points, anchor_us, anchor_ns, ns_per_us)
        steady = span_us > WINDOW_US // 2 and rate_error < self._drift_limit
        if rate_error > self.rate_error and not steady:
            return
        old_ns = (self.last_us - self.anchor_us) * self.ns_per_us
        new_ns = (self.last_us - anchor_us) * ns_per_us
        up_ns = anchor_ns - self.anchor_ns + new_ns - old_ns
        self._low_ns -= up_ns
        self._high_ns -= up_ns
        self.anchor_us, self.anchor_ns, self.ns_per_us = anchor_us, anchor_ns, ns_per_us
        self.rate_error = rate_error


def fitted(points: Sequence[Point]) -> tuple[int, int, float]:
    """Weighted least squares: (anchor_us, anchor_ns, ns_per_us), the anchor at the newest point.

    A middle is off by at most what its round trip took beyond the quickest one (if the quickest is
    symmetric), so that excess is its standard deviation.
    """
    last_us, last_ns, _ = points[-1]
    floor_ns = min(p.half_ns for p in points) - SPREAD_FLOOR_NS
    weights = [(p.half_ns - floor_ns) ** -2.0 for p in points]
    x = [us - last_us for us, _, _ in points]
    y = [ns - last_ns - 1000 * dx for (_, ns, _), dx in zip(points, x, strict=True)]
    total = sum(weights)
    mean_x = sum(map(operator.mul, weights, x)) / total
    mean_y = sum(map(operator.mul, weights, y)) / total
    sxx = sxy = 0.0
    for w, dx, dy in zip(weights, x, y, strict=True):
        wx = w * (dx - mean_x)
        sxx += wx * (dx - mean_x)
        sxy += wx * (dy - mean_y)
    slope = sxy / sxx
    return last_us, last_ns + int(mean_y - slope * mean_x), 1000.0 + slope


def rate_doubt(points: Sequence[Point], anchor_us: int, anchor_ns: int, ns_per_us: float) -> float:
    """How far the true average rate may be from the line's, if stamps lie anywhere in their trips.

    At each point the truth is within ``reach`` of the line; the tightest points of the two ends of
    the window bound the slope between them.
    """
    third = max(1, len(points) // 3)

    def reach(point: Point) -> tuple[float, int]:
        line_ns = (point.board_us - anchor_us) * ns_per_us
        return abs(point.middle_ns - anchor_ns - line_ns) + point.half_ns, point.board_us

    early_ns, early_us = min(reach(points[i]) for i in range(third))
    late_ns, late_us = min(reach(points[-1 - i]) for i in range(third))
    return (early_ns + late_ns) / (late_us - early_us) / 1000


class Clock:
    """Host monotonic ns against unwrapped board us, with an error bound.

    The line moves with the samples, so two conversions of one stamp may differ by as much as the
    bound: take intervals between events from the board's own stamps.
    """

    def __init__(self, tick_us: int = 1, drift_limit: float = DRIFT_LIMIT) -> None:
        """``tick_us``: the step in which the board's clock counts (its stamps are rounded down); ``drift_limit``: how
        far the two rates may be apart, as a share, before anything is known of them.
        """
        self._tick_ns, self._drift_limit = 1000 * tick_us, drift_limit
        self._fits: list[Fit] = []  # one between any two steps; the last one is in force
        self._fit: Fit | None = None
        self._struck: list[Sample] = []
        self._doubt_ns = 0.0
        self.samples = self.doubted = self.restarts = 0
        self.step_us = 0.0  # how far host time jumped at the last restart; < 0: the host slept

    def add(self, sent_host_ns: int, board_us: int, received_host_ns: int) -> Verdict:
        """Take in one request and its answer: host monotonic ns, unwrapped board us, host ns."""
        self.samples += 1
        if received_host_ns < sent_host_ns:  # tells nothing, so it proves nothing against the fit
            self.doubted += 1
            return Verdict.DOUBTED
        sample = Sample(sent_host_ns, board_us, received_host_ns)
        if self._fit is None:
            self._begin(sample)
            return Verdict.KEPT
        off_ns = self._fit.add(sample)
        if not off_ns:
            self._struck.clear()
            self._doubt_ns = 0.0
            return Verdict.KEPT
        self.doubted += 1
        self._doubt_ns = off_ns
        self._struck.append(sample)
        if len(self._struck) < STRIKES:
            return Verdict.DOUBTED
        self._restart(self._fit)
        return Verdict.RESTARTED

    def _begin(self, sample: Sample) -> Fit:
        self._fit = Fit(sample, self._tick_ns, self._drift_limit)
        self._fits.append(self._fit)
        return self._fit

    def _restart(self, old: Fit) -> None:
        """The fit ends at the first sample it could not explain; the next begins with that one."""
        struck, self._struck = self._struck, []
        old.step_ns, old.until_ns = self._doubt_ns, struck[0].sent_ns
        self.restarts += 1
        fit = self._begin(struck[0])
        self.step_us = (fit.anchor_ns - old.host_ns(fit.anchor_us)) / 1000
        off_ns = [fit.add(sample) for sample in struck[1:]]
        self._struck = [s for s, off in zip(struck[1:], off_ns, strict=True) if off]
        self._doubt_ns = max(off_ns)

    def _serving(self, board_us: float) -> Fit:
        fit = self._fit
        if fit is None:
            raise BoardError("board clock: no sample yet; ask the board for its time first")
        if board_us >= fit.since_us:
            return fit
        older = (fit for fit in reversed(self._fits) if board_us >= fit.since_us)
        return next(older, self._fits[0])

    def host_ns(self, board_us: float) -> int:
        """The host's monotonic time, ns. BoardError before the first sample."""
        return self._serving(board_us).host_ns(board_us)

    def board_us(self, host_ns: float) -> float:
        """The board's time, us, with its fraction. BoardError before the first sample."""
        for fit in self._fits:
            if host_ns < fit.until_ns:
                return fit.board_us(host_ns)
        raise BoardError("board clock: no sample yet; ask the board for its time first")

    def error_us(self, board_us: float | None = None) -> float:
        """How far ``host_ns(board_us)`` may be off, us; None: at the newest sample's own stamp.

        Infinite before the first sample; half the round trip at the first one; growing with the
        distance from the newest sample by what is not known of the rate. While a sample is doubted
        the bound covers it as well.
        """
        if self._fit is None:
            return math.inf
        at_us = self._fit.last_us if board_us is None else board_us
        return max(self._serving(at_us).error_ns(at_us), self._doubt_ns) / 1000

    @property
    def drift_ppm(self) -> float:
        """How much faster than the host's the board's clock runs, parts per million; 0 at first."""
        return (1000.0 / self._fit.ns_per_us - 1.0) * 1e6 if self._fit else 0.0

    @property
    def drift_error_ppm(self) -> float:
        """How far ``drift_ppm`` may be off; infinite before the first sample."""
        return self._fit.rate_error * 1e6 if self._fit else math.inf
