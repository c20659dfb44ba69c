"""When something on the rig was on a listener's own clocks. May not: know of sockets."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NamedTuple

from rig.clock import Clock, Verdict

DRIFT_LIMIT = 1e-3  # two computers' clocks, each of which NTP steers by 500 ppm at the most (RFC 5905)


class Line(NamedTuple):
    """The rig's clock on this computer's, as a line through now."""

    rig_ns: int
    here_ns: int
    rate: float
    bound_us: float
    rate_error: float

    @property
    def offset_s(self) -> float:
        """The rig's clock less this computer's; both count from some start."""
        return (self.rig_ns - self.here_ns) / 1e9

    def place(self, at_ns: int) -> tuple[int, float]:
        """When that was here, ns, and how far that may be off, us."""
        after_ns = at_ns - self.rig_ns
        return self.here_ns + int(after_ns * self.rate), self.bound_us + abs(after_ns) * self.rate_error / 1000


class Here:
    """This computer's clocks beside those of one session's rig."""

    def __init__(self) -> None:
        self._clock = Clock(drift_limit=DRIFT_LIMIT)  # which takes this computer for the host and the rig for the board
        self._utc_less_here_ns = 0
        self._second = (0, "")
        self.line: Line | None = None

    def heard(self, sent_ns: int, rig_ns: int, read_ns: int) -> bool:
        """A ping went at ``sent_ns``, the rig read it at ``rig_ns`` of its own, the answer was here at ``read_ns``.

        Returns whether the rig's clock has begun anew.
        """
        return self._clock.add(sent_ns, rig_ns // 1000, read_ns) is Verdict.RESTARTED

    def now(self) -> None:
        """Draw the line anew. Call it now and then."""
        self._utc_less_here_ns = time.time_ns() - time.monotonic_ns()
        if self._clock.samples:
            clock, here_ns = self._clock, time.monotonic_ns()
            rig_us = int(clock.board_us(here_ns))
            rate, rate_error = 1 / (1 + clock.drift_ppm / 1e6), clock.drift_error_ppm / 1e6
            self.line = Line(1000 * rig_us, clock.host_ns(rig_us), rate, clock.error_us(rig_us), rate_error)

    def utc(self, here_ns: int) -> str:
        """ISO 8601 with microseconds. Most events share their second with the last one."""
        second, rest_ns = divmod(here_ns + self._utc_less_here_ns, 1_000_000_000)
        if second != self._second[0]:
            self._second = (second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}")
        return f"{self._second[1]}.{rest_ns // 1000:06d}Z"

    def age_ms(self, at_ns: int) -> float:
        """How long ago that moment of the rig's was."""
        assert self.line is not None
        return (time.monotonic_ns() - self.line.place(at_ns)[0]) / 1e6
