"""The process that tells: each record of the present session to whoever subscribes, as soon as the journal has it.

It reads the journal as it grows, so between the session and here nothing can be lost, and a session never waits for
it. What a subscriber is too slow to take is dropped for that subscriber alone; it sees by the numbers what it missed,
and asks :mod:`rig.stream.answer`. Waking up takes a process longer than all it has to do then, so an eager one does
not sleep. Run by :mod:`rig.stream`; may not write but to the log.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from pathlib import Path

import zmq

from rig.stream.book import Growing
from rig.stream.guard import Guard, Log, Socket, bind
from rig.stream.job import BY_BELL, BY_BYTE, NOT_AT_ALL, Job, Page, finish, job_from, resident_bytes
from rig.stream.schema import TOPICS, Maker

KEPT_MESSAGES = 20_000  # for each subscriber that is slow; some 3 MB
BEAT_S = 1.0
MAX_BYTES = 400 << 20  # beyond it somebody feeds us rubbish: end, and be started anew
TOO_LARGE = 3
_PREFIX = {topic: topic.encode() + b" " for topic in TOPICS}
_SUBSCRIPTIONS = 50
_GLANCES = range(1000)
_NOWAIT, _READABLE = int(zmq.NOBLOCK), int(zmq.POLLIN)


class Teller:
    """Publishes a growing journal."""

    def __init__(self, job: Job) -> None:
        self._page = Page(Path(job.page or ""))
        self._log = Log(Path(job.log) if job.log else None, "tell")
        self._context = zmq.Context()
        self._guard = Guard(self._context, Path(job.keys) if job.keys else None, self._log)
        self._out: Socket = self._context.socket(zmq.XPUB)
        self._guard.protect(self._out, "tell")
        self._out.setsockopt(zmq.SNDHWM, KEPT_MESSAGES)
        bind(self._out, job.address, job.handle)
        self._growing = Growing(job.journal)
        self._maker = Maker(job.session)
        self._wanted: set[bytes] = set()
        self._eager = job.eager
        self._call = BY_BYTE if job.eager else BY_BELL
        self._told = 0
        self._beat_s = 0.0
        self._behind = True  # what was written while nobody listened is for the journal to tell
        self._bell = sys.stdin.fileno()
        self._poll = select.poll()  # ZMQ's own poll takes longer to wake than all the rest we do
        for handle in (self._bell, *(socket.get(zmq.FD) for socket in self._sockets())):
            self._poll.register(handle, select.POLLIN)

    def run(self) -> int:
        """Until the session lets go of us; returns the exit code."""
        open_still = True
        while open_still:
            self._page.wanted = self._call if self._wanted else NOT_AT_ALL  # first: what comes after our look calls
            if not self._wanted:
                self._behind = True
            busy = bool(self._wanted) and self._tell() > 0
            if self._eager and self._wanted and not busy:
                busy = True
                if self._watch():
                    continue
            open_still = self._look(0 if busy else int(1000 * BEAT_S))
            if self._beat() > MAX_BYTES:
                self._log.say("too much memory is held: beginning anew")
                return TOO_LARGE
        while self._wanted and self._tell():
            pass
        return 0

    def close(self) -> None:
        """Give the last messages half a second, then end."""
        self._out.linger = 500
        self._out.close()
        self._context.destroy(linger=500)
        self._log.close()
        finish({"told": self._told, "refused": self._log.refused})

    def _tell(self) -> int:
        """Publish what is new; returns how many records that were."""
        make, send, prefix = self._maker.make, self._out.send, _PREFIX
        records = self._growing.read()
        if self._behind:
            for kind, host_ns, payload, _ in records:
                make(kind, host_ns, payload)
            self._behind = len(records) > 0
            return len(records)
        for kind, host_ns, payload, _ in records:
            topic, message = make(kind, host_ns, payload)
            send(prefix[topic] + message, _NOWAIT)
        self._told += len(records)
        return len(records)

    def _watch(self) -> bool:
        """Wait for the session's word without sleeping, some 50 us; True if it came."""
        flags = self._page.flags
        return any(not flags[0] for _ in _GLANCES)

    def _look(self, timeout_ms: int) -> bool:
        """Wait for the bell, a subscriber or the door; False once the session has let go."""
        open_still = True
        for handle, _ in self._poll.poll(timeout_ms):
            if handle == self._bell:
                open_still = bool(os.read(handle, 64))
        # ZMQ's handles tell of a change once, and sending may have swallowed it: so the sockets are asked each time.
        for socket in self._sockets():
            if socket.get(zmq.EVENTS) & _READABLE:
                if socket is self._out:
                    self._subscriptions()
                else:
                    self._guard.handle(socket)
        return open_still

    def _sockets(self) -> list[Socket]:
        return [self._out, *self._guard.sockets]

    def _subscriptions(self) -> None:
        for _ in range(_SUBSCRIPTIONS):
            try:
                said = self._out.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            prefix = said[1:]
            if said[:1] not in (b"\0", b"\1") or not any(topic.startswith(prefix) for topic in _PREFIX.values()):
                self._log.refuse("a subscription to no topic of ours", "a subscriber")
            elif said[:1] == b"\1":
                self._wanted.add(prefix)
            else:
                self._wanted.discard(prefix)

    def _beat(self) -> int:
        """Each second, say how far we are; returns the memory held if it is time to look."""
        now_s = time.monotonic()
        if now_s - self._beat_s < BEAT_S:
            return 0
        self._beat_s = now_s
        if self._wanted and not self._behind:
            self._out.send(_PREFIX["beat"] + self._maker.beat(self._page.now_ns()), _NOWAIT)
        return resident_bytes()


def main() -> int:
    """The process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the session; we end when it does
    gc.disable()  # nothing here makes cycles, and a collection would hold up an event
    teller = Teller(job_from(sys.argv))
    try:
        return teller.run()
    finally:
        teller.close()


if __name__ == "__main__":
    sys.exit(main())
