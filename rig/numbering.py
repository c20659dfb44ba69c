"""Both numberings of the wire: events come in once and in order, commands go out until they are taken.

Floor 0: bytes and times in, bytes out. May not: know who carries them.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable

from rig import wire

COMMANDS_IN_FLIGHT = 8
AHEAD_EVENTS = 1024  # kept while an earlier one is missing; beyond, they are asked for again
LEAST_NS, MOST_NS = 20_000_000, 500_000_000  # how long an answer is waited for: what is lost here is noise, not queues
FIRST_NS = 100_000_000
HALF = 1 << 31
_HEADER = wire.EVENT_HEADER
_LOST, _BOOT = wire.BY_NAME["lost"].number, wire.BY_NAME["boot"].number
_RANGE = struct.Struct("<II")


class Patience:
    """How long to wait for an answer before asking again: from round trips (RFC 6298), doubled each time in vain."""

    def __init__(self) -> None:
        self.wait_ns = FIRST_NS
        self._trip_ns: float | None = None
        self._spread_ns = 0.0
        self._vain = 0

    def answered(self, trip_ns: int) -> None:
        """A round trip was so long."""
        if self._trip_ns is None:
            self._trip_ns, self._spread_ns = float(trip_ns), trip_ns / 2
        else:
            self._spread_ns += (abs(trip_ns - self._trip_ns) - self._spread_ns) / 4
            self._trip_ns += (trip_ns - self._trip_ns) / 8
        self._set()

    def vain(self) -> None:
        """No answer came in time."""
        self._vain += 1
        self._set()

    def progress(self) -> None:
        """Something came of it."""
        if self._vain:
            self._vain = 0
            self._set()

    def _set(self) -> None:
        wait_ns = FIRST_NS if self._trip_ns is None else self._trip_ns + 4 * self._spread_ns
        self.wait_ns = int(min(MOST_NS, max(LEAST_NS, wait_ns) * 2 ** min(self._vain, 5)))


class Inbox:
    """Events as they arrive, handed up once and in order.

    ``stranger``: an event of another life of the board came by (its `boot` tells another count).
    """

    def __init__(self, boot: int, next_event: int) -> None:
        self.boot, self.next_event = boot, next_event
        self.duplicates = 0
        self.stranger = False
        self._ahead: dict[int, bytes] = {}  # by the first number that each stands for

    @property
    def gap(self) -> bool:
        """Later events are here already, an earlier one is missing."""
        return bool(self._ahead)

    def take(self, payload: bytes, events: list[bytes]) -> None:
        """One event's payload; those that are now in order are appended to ``events``."""
        number = first = _HEADER.unpack_from(payload)[1]
        if payload[0] == _LOST:
            first, last = _RANGE.unpack_from(payload, _HEADER.size)
            if number != last + 1:  # no such event is ever sent
                return
        elif payload[0] == _BOOT and int.from_bytes(payload[9:11], "little") != self.boot:
            self.stranger = True
            return
        if first == self.next_event:
            self.next_event = number + 1
            events.append(payload)
            if self._ahead:
                self._catch_up(events)
        elif (first - self.next_event) & 0xFFFFFFFF >= HALF:
            self.duplicates += 1
        elif len(self._ahead) < AHEAD_EVENTS:
            self._ahead[first] = payload

    def _catch_up(self, events: list[bytes]) -> None:
        while payload := self._ahead.pop(self.next_event, None):
            self.next_event = _HEADER.unpack_from(payload)[1] + 1
            events.append(payload)
        if self._ahead and min(self._ahead) < self.next_event:  # told again in another form
            self._ahead = {first: payload for first, payload in self._ahead.items() if first > self.next_event}


class Outbox:
    """Commands: numbered, a few in flight at a time, sent again until the board has taken them."""

    def __init__(self, next_command: int) -> None:
        self.patience = Patience()
        self.resends = 0
        self._next = self._taken = next_command  # both modulo 256
        self._waiting: deque[bytes] = deque()
        self._in_flight: deque[bytes] = deque()
        self._recalled = 0
        self._sent_ns = self._progress_ns = 0

    @property
    def idle(self) -> bool:
        """Everything is taken."""
        return not self._waiting and not self._in_flight

    def stuck_ns(self, now_ns: int) -> int:
        """For how long nothing has been taken, though something is in flight."""
        return now_ns - self._progress_ns if self._in_flight else 0

    def number(self, name: str, values: dict[str, int]) -> bytes:
        """A command's payload, queued."""
        payload = wire.encode(name, values, self._next)
        self._next = (self._next + 1) & 0xFF
        self._waiting.append(payload)
        return payload

    def due(self, now_ns: int) -> Iterable[bytes]:
        """The payloads to be sent now: fresh ones within the window, all in flight where an answer is overdue."""
        if self._in_flight and now_ns - self._sent_ns >= self.patience.wait_ns:
            self.patience.vain()
            self.resends += 1
            fresh = list(self._in_flight)
        else:
            fresh = []
        while self._waiting and len(self._in_flight) < COMMANDS_IN_FLIGHT:
            if not self._in_flight:
                self._progress_ns = now_ns
            payload = self._waiting.popleft()
            self._recalled = max(0, self._recalled - 1)
            self._in_flight.append(payload)
            fresh.append(payload)
        if fresh:
            self._sent_ns = now_ns
        return fresh

    def recall(self, payloads: Iterable[bytes]) -> None:
        """Commands of an earlier process, from the first number that is not known to be taken on."""
        self._waiting.extend(payloads)
        self._recalled = len(self._waiting)
        self._next = (self._taken + self._recalled) & 0xFF

    def taken(self, next_command: int, now_ns: int) -> None:
        """The board has taken every command below this number."""
        steps = (next_command - self._taken) & 0xFF
        if not 0 < steps <= self._known:
            return
        for _ in range(steps):
            if self._in_flight:
                self._in_flight.popleft()
            else:
                self._waiting.popleft()
                self._recalled -= 1
        self._taken = next_command
        self._progress_ns = now_ns
        self.patience.progress()

    def agrees(self, next_command: int) -> bool:
        """May a board that waits for this number be the one that these commands went to?"""
        return (next_command - self._taken) & 0xFF <= self._known

    @property
    def _known(self) -> int:
        """So many commands may have reached the board: those in flight, or, of another process, any."""
        return len(self._in_flight) + self._recalled
