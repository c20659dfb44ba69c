"""When a sample leaves the converter, on the host's monotonic clock, from what PortAudio says at each callback.

Floor 0: two numbers in, three out, no clock of its own; cheap enough for the audio callback.

PortAudio reports how far ahead of the converter a block is (its *lead*). The clock it uses is not promised (under ALSA
it is the wall clock), so only the difference of its two times is used. A sound server's estimate of the lead wanders by
milliseconds after a gap or beside busy processes. What does not wander is the buffer: a block is asked for as soon as
there is room, so the most punctual callbacks keep pace with the converter exactly, always a full buffer ahead. Hence

1. the line of requests: of each fifth of a second the third most punctual callback (the first may be a freak), smoothed
   by a second-order delay-locked loop (F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005);
2. the full lead: what PortAudio reported at those callbacks, as a running median that moves but slowly;
3. the converter's time of a block: its request plus the full lead.
"""

from __future__ import annotations

import math

BUCKET_NS = 200_000_000  # longer than a server's own period
BANDWIDTH_HZ = 0.2
RATE_LIMIT = 5e-4  # no sound card is further from its nominal rate
SETTLE_BUCKETS = 5
JUMP_NS = 750_000  # punctual callbacks this much later: if it lasts, a gap in the sound
LATE_BUCKETS = 2
LEAD_STEP_NS = 300_000  # of the running median, divided by the buckets so far
LEAD_STEP_MIN_NS = 2_000
SPREAD_GAIN = 0.02
DOUBT_FADES = 0.9  # a bucket


class DacClock:
    """Call ``update`` once per block; then ``start_ns``, ``step_ns`` and ``error_ns`` hold for that block."""

    def __init__(self, rate_hz: float, block_samples: int, delay_ns: float = 0.0, delay_error_ns: int = 0) -> None:
        """``delay_ns``: the constant from PortAudio's converter time to the jack, as a sync pulse measured it."""
        self._block = block_samples
        self._nominal_ns = 1e9 / rate_hz
        self._per_bucket = max(3, round(BUCKET_NS / (block_samples * self._nominal_ns)))
        omega = 2 * math.pi * BANDWIDTH_HZ * self._per_bucket * block_samples * self._nominal_ns / 1e9
        self._gain, self._gain_rate = math.sqrt(2) * omega, omega * omega
        # No one has looked at the jack: half a block is what the buffers themselves leave open.
        self._floor_ns = block_samples * self._nominal_ns / 2 + delay_error_ns
        self._delay_ns = delay_ns
        self.step_ns = self._nominal_ns
        self.emptied = False  # the newest callback found an empty buffer: an underrun, whether it was flagged or not
        self._primed = False  # a lead has been reported
        self._request_ns = math.nan
        self._fresh = True  # the line is new: it follows each earlier callback at once
        self._calls = 0  # in this bucket
        self._punctual = [(math.inf, 0.0)] * 3  # how late, and the lead reported; the most punctual first
        self._late_buckets = 0
        self._buckets = 0  # since the first
        self._settling = SETTLE_BUCKETS  # buckets until the line is trusted
        self._lead_ns = self._last_lead_ns = 0.0
        self._doubtful_ns = 0.0  # gaps that PortAudio's own estimate did not show
        self._first_leads: list[float] = []
        self._square = 0.0  # running mean of squared residuals of the line
        self._spread_ns = 0.0  # running mean distance of reported leads from their median

    @property
    def start_ns(self) -> float:
        """When the first sample of the newest block leaves the converter (or the jack, its delay being known)."""
        return self._request_ns + self._lead_ns + self._delay_ns

    @property
    def settled(self) -> bool:
        """Whether line and lead have been watched for long enough to schedule by them."""
        return self._buckets >= SETTLE_BUCKETS

    @property
    def error_ns(self) -> int:
        """Bound of ``start_ns``: half a block, four residual SD, the leads' spread; the whole lead after a jump."""
        wide = self._lead_ns if self._settling > 0 else 0.0
        return round(self._floor_ns + 4 * math.sqrt(self._square) + 2 * self._spread_ns + wide)

    def update(self, now_ns: int, lead_ns: float, interrupted: bool = False) -> int:
        """Take one callback: the host's time, PortAudio's converter time minus its own now, an underrun's flag.

        Returns 0, or by how many ns the sound turned out to be delayed: a gap that nobody flagged.
        """
        self._request_ns += self.step_ns * self._block
        self.emptied = self._primed and lead_ns <= 0
        self._primed = self._primed or lead_ns > 0
        if interrupted or lead_ns <= 0 or math.isnan(self._request_ns):
            self._restart(now_ns)  # nothing is in the buffer, or nothing is known of it
            return 0
        self._calls += 1
        late_ns = now_ns - self._request_ns
        if self._fresh and late_ns < 0:
            self._punctual = [(late - late_ns, lead) for late, lead in self._punctual]
            self._request_ns, late_ns = float(now_ns), 0.0
        self._note(late_ns, lead_ns)
        return self._close_bucket() if self._calls >= self._per_bucket else 0

    def _restart(self, now_ns: int) -> None:
        """The sound was interrupted: where the line now lies is found anew; rate and lead have not changed."""
        self._begin_bucket()
        self._request_ns = float(now_ns)
        self._fresh = True
        self._late_buckets = 0
        self._settling = SETTLE_BUCKETS // 2

    def _begin_bucket(self) -> None:
        self._calls = 0
        self._punctual = [(math.inf, 0.0)] * 3

    def _note(self, late_ns: float, lead_ns: float) -> None:
        """Keep the three most punctual, in order."""
        first, second, third = self._punctual
        if late_ns < third[0]:
            third = (late_ns, lead_ns)
            if third[0] < second[0]:
                second, third = third, second
            if second[0] < first[0]:
                first, second = second, first
            self._punctual = [first, second, third]

    def _close_bucket(self) -> int:
        late_ns, lead_ns = self._punctual[2]
        self._begin_bucket()
        if self._fresh:
            self._request_ns += late_ns
        elif abs(late_ns) <= JUMP_NS:
            self._follow(late_ns)
        elif late_ns > 0 and self._late_buckets + 1 < LATE_BUCKETS:
            self._late_buckets += 1
            return 0  # every callback of a bucket may be late, once
        else:
            return self._jump(late_ns, lead_ns)
        self._fresh, self._late_buckets = False, 0
        self._buckets += 1
        self._settling = max(0, self._settling - 1)
        self._doubtful_ns *= DOUBT_FADES
        self._learn_lead(lead_ns)
        return 0

    def _jump(self, late_ns: float, lead_ns: float) -> int:
        """The line is elsewhere: the sound was interrupted, or the buffer is now kept fuller."""
        self._request_ns += late_ns
        self._late_buckets = 0
        undisturbed = abs(late_ns + lead_ns - self._last_lead_ns) < abs(late_ns) / 2
        self._last_lead_ns = lead_ns
        if late_ns < 0 and undisturbed:
            # PortAudio's converter time went on, so the sound did: the line has another lead from here on, unless
            # it only comes back from a gap that PortAudio never saw, such as callbacks that were held up.
            back_ns = min(-late_ns, self._doubtful_ns)
            self._doubtful_ns -= back_ns
            self._lead_ns += -late_ns - back_ns
            self._first_leads = [first - late_ns - back_ns for first in self._first_leads]
            return round(-back_ns)
        # A sound server's estimate lags by seconds, so that a gap is believed without it.
        self._doubtful_ns += late_ns if undisturbed else 0.0
        self._settling = SETTLE_BUCKETS // 2
        return round(late_ns)

    def _follow(self, late_ns: float) -> None:
        self._request_ns += self._gain * late_ns
        step_ns = self.step_ns + self._gain_rate * late_ns / (self._per_bucket * self._block)
        slack_ns = RATE_LIMIT * self._nominal_ns
        self.step_ns = min(max(step_ns, self._nominal_ns - slack_ns), self._nominal_ns + slack_ns)
        self._square += SPREAD_GAIN * (late_ns * late_ns - self._square)

    def _learn_lead(self, lead_ns: float) -> None:
        self._last_lead_ns = lead_ns
        if self._buckets <= SETTLE_BUCKETS:
            self._first_leads.append(lead_ns)
            self._lead_ns = sorted(self._first_leads)[len(self._first_leads) // 2]
            return
        off_ns = lead_ns - self._lead_ns
        step_ns = max(LEAD_STEP_NS / self._buckets, LEAD_STEP_MIN_NS)
        self._lead_ns += max(-step_ns, min(step_ns, off_ns))
        self._spread_ns += SPREAD_GAIN * (abs(off_ns) - self._spread_ns)
