"""When a sample leaves the converter, on the host's monotonic clock, from what PortAudio says at
each callback.

Floor 0: three numbers in, three numbers out, no clock of its own; cheap enough for the audio
callback.

PortAudio gives two times on a clock of its own: *now* and *when this block's first sample is
converted*. Which clock is not promised (under ALSA it is the wall clock, which can be set back and
forth), and the second time is an estimate that jitters. Hence two filters:

1. the offset of PortAudio's clock: the callback runs after PortAudio read its *now*, never before,
so the smallest difference seen is the truest; it creeps upwards slowly to follow drift, and steps
when the clock is set;
2. the line of conversion times: a second-order delay-locked loop over the blocks (F. Adriaensen,
"Using a DLL to filter time", Linux Audio Conference 2005), started as a running mean, restarted
after a jump.
"""

from __future__ import annotations

import math

BANDWIDTH_HZ = 0.1  # slower than the server's estimate wanders, faster than a crystal does
RATE_LIMIT = 5e-4  # no sound card is further from its nominal rate; a faster change is no rate
SETTLE_NS = 500_000_000  # after a start or a jump: mean of the position only, rate as before
WIDE_NS = 1_000_000_000  # the bound stays wide this long after a jump
CREEP = 20e-6  # what PortAudio's clock may drift against the host's
CLOCK_SET_NS = 20_000_000  # a larger difference, if it lasts, is a clock that was set
LASTING = 50  # callbacks
JUMP_NS = 2_000_000  # a residual beyond this (or a block), if it lasts, is a gap in the sound
JUMP_LASTING = 8  # callbacks


class DacClock:
    """Call ``update`` once per block; then ``start_ns``, ``step_ns`` and ``error_ns`` hold for
    that block.
    """

    def __init__(self, rate_hz: float, block_samples: int, delay_ns: float = 0.0, delay_error_ns: int = 0) -> None:
        """``delay_ns``: the constant from PortAudio's converter time to the jack, as a sync pulse
        measured it.
        """
        self._block = block_samples
        self._block_ns = 1e9 * block_samples / rate_hz
        self._nominal_ns = 1e9 / rate_hz
        omega = 2 * math.pi * BANDWIDTH_HZ * self._block_ns / 1e9
        self._gain_min, self._gain_rate = math.sqrt(2) * omega, omega * omega
        # A line can be no truer than the blocks it is drawn from when no one has looked at the
        # jack.
        self._floor_ns = self._block_ns / 2 + delay_error_ns
        self._delay_ns = delay_ns
        self._jump_ns = max(JUMP_NS, self._block_ns)
        self._offset_ns = math.nan
        self._late = 0
        self._off = 0
        self._square = 0.0  # running mean of squared residuals
        self._lead_ns = 0.0
        self.start_ns = math.nan
        self.step_ns = self._nominal_ns
        self.updates = 0  # since the start or the last jump

    @property
    def settled(self) -> bool:
        """Whether the line has been followed long enough to schedule by it."""
        return self.updates * self._block_ns > SETTLE_NS

    @property
    def error_ns(self) -> int:
        """Bound of ``start_ns``: half a block, four residual SD, and the whole lead while a jump
        is recent.
        """
        wide = self._lead_ns if self.updates * self._block_ns < WIDE_NS else 0.0
        return round(self._floor_ns + 4 * math.sqrt(self._square) + wide)

    def update(self, now_ns: int, portaudio_now_s: float, portaudio_dac_s: float) -> int:
        """Take one callback's times; returns 0, or by how many ns the line jumped (a gap, a set
        clock).
        """
        seen_ns = now_ns - portaudio_now_s * 1e9
        self._follow_offset(seen_ns)
        lead_ns = (portaudio_dac_s - portaudio_now_s) * 1e9
        measured_ns = self._offset_ns + portaudio_dac_s * 1e9 + self._delay_ns
        if math.isnan(self.start_ns):
            self.start_ns = measured_ns
            return 0
        self.start_ns += self.step_ns * self._block
        if lead_ns <= 0 or self._late:  # the stream is being primed, or its clock may have been set
            return 0
        self._lead_ns = lead_ns
        return self._follow(measured_ns)

    def restart(self) -> None:
        """The sound was interrupted: where the line now lies has to be found anew, its rate has
        not changed.
        """
        self.updates = 0
        self._off = 0

    def _follow_offset(self, seen_ns: float) -> None:
        late_ns = seen_ns - self._offset_ns
        if math.isnan(late_ns) or late_ns < 0:
            self._offset_ns, self._late = seen_ns, 0
        elif late_ns > CLOCK_SET_NS:
            self._late += 1
            if self._late >= LASTING:
                self._offset_ns, self._late = seen_ns, 0
        else:
            self._late = 0
            self._offset_ns += min(late_ns, CREEP * self._block_ns)

    def _follow(self, measured_ns: float) -> int:
        residual_ns = measured_ns - self.start_ns
        if abs(residual_ns) > self._jump_ns and self.updates > 0:
            self._off += 1
            if self._off < JUMP_LASTING:
                return 0  # one odd report is not believed
            jumped = 0 if not self.settled else round(residual_ns)
            self.restart()
            self._follow(measured_ns)
            return jumped
        self._off = 0
        self.updates += 1
        gain = max(self._gain_min, 1 / self.updates)
        self.start_ns += gain * residual_ns
        if self.settled:
            step_ns = self.step_ns + self._gain_rate * residual_ns / self._block
            slack_ns = RATE_LIMIT * self._nominal_ns
            self.step_ns = min(max(step_ns, self._nominal_ns - slack_ns), self._nominal_ns + slack_ns)
            self._square += 0.01 * (residual_ns * residual_ns - self._square)
        return 0
