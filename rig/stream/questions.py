"""What a listener asks its rig: how far are you, what time is it, records from a number on. What waits for an answer?

Asks again what is not answered, and connects anew where nothing is. May not: know what the answers are for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import zmq

from rig.stream import schema
from rig.stream.dial import Dial

PING_S = 1.0
FIRST_PING_S = 0.05
FIRST_PINGS = ((10, FIRST_PING_S), (40, 0.25))  # at the start the clocks are compared more often
PATIENCE_S = 1.5  # an answer that takes longer is asked for again
SILENCE_S = 6.0  # no answer at all for so long: connect anew
_ANSWERS = 20  # at a turn
_PINGS = 20  # remembered


class Questions:
    """Over the asking socket of ``dial``."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._id = 0
        self._wanted_id = 0
        self._wanted_s: float | None = None  # when records were asked for, if no answer has come
        self._pings: dict[int, int] = {}
        self._pinged = 0
        self._ping_due_s = 0.0
        self._heard_s = time.monotonic()
        self._answered = False

    # --- asking ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Another session: its clock is to be learned, and what was asked about the last one concerns nobody."""
        self._wanted_s = None
        self._pinged, self._ping_due_s = 0, 0.0

    def ping_soon(self, within_s: float = 0.0) -> None:
        """The next ping is due in so long, or sooner."""
        self._ping_due_s = min(self._ping_due_s, time.monotonic() + within_s)

    def ping_due(self, now_s: float) -> bool:
        """Is it time?"""
        return now_s >= self._ping_due_s

    def ping(self, session: str, have: int) -> None:
        """Ask about a session ("": the present one), holding so many records of it."""
        self._id += 1
        self._pinged += 1
        every_s = next((every_s for n, every_s in FIRST_PINGS if self._pinged < n), PING_S)
        self._ping_due_s = time.monotonic() + every_s
        self._pings[self._id] = time.monotonic_ns()
        if len(self._pings) > _PINGS:
            del self._pings[next(iter(self._pings))]
        self._send(schema.Ping(self._id, session, have))

    def records_from(self, session: str, number: int, check: int) -> None:
        """Ask for records. Not while some are on their way."""
        self._id += 1
        if self._send(schema.From(self._id, session, number, check)):
            self._wanted_s, self._wanted_id = time.monotonic(), self._id

    @property
    def waiting(self) -> bool:
        """Have records been asked for that have not come?"""
        return self._wanted_s is not None

    def _send(self, request: schema.Request) -> bool:
        try:
            self._dial.ask.send(schema.encode(request), zmq.NOBLOCK)
        except zmq.Again:  # not connected now
            return False
        return True

    # --- answers -----------------------------------------------------------------------------------------------------

    def answers(self) -> Iterator[tuple[schema.Answer, int]]:
        """What has come, and when it was read, ns. Records that nobody waits for any more are left out."""
        for _ in range(_ANSWERS):
            try:
                data = self._dial.ask.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            read_ns = time.monotonic_ns()
            try:
                answer = schema.read_answer(data)
            except msgspec.DecodeError:
                continue
            self._heard_s, self._answered = time.monotonic(), True
            if not isinstance(answer, schema.Pong):
                if answer.id != self._wanted_id:
                    continue
                self._wanted_s = None
            yield answer, read_ns

    def sent_ns(self, pong: schema.Pong) -> int | None:
        """When the ping left that this answers; None where none did, or it was forgotten."""
        return self._pings.pop(pong.id, None)

    def clock_restarted(self) -> None:
        """The rig's clock has begun anew: learn it as quickly as at first."""
        self._pinged = 0

    # --- no answers --------------------------------------------------------------------------------------------------

    def see_to_silence(self) -> None:
        """Give up waiting for records after a while, and for any answer after a longer one."""
        now_s = time.monotonic()
        if self._wanted_s is not None and now_s - self._wanted_s > PATIENCE_S:
            self._wanted_s = None
        if now_s - self._heard_s > SILENCE_S:
            self._heard_s, self._answered = now_s, False
            self._dial.connect()
            self._wanted_s = None
            self._pings.clear()
            self._pinged = 0

    def connected(self, now_s: float) -> bool:
        """Has the rig answered lately?"""
        return self._answered and now_s - self._heard_s < 2 * PING_S + PATIENCE_S
