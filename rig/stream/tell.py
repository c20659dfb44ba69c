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

from rig.stream.book import Growing
from rig.stream.guard import Log
from rig.stream.job import BY_BELL, BY_BYTE, NOT_AT_ALL, Job, Page, finish, job_from, resident_bytes
from rig.stream.outlet import PREFIXES, Outlet
from rig.stream.schema import Maker

BEAT_S = 1.0
MAX_BYTES = 400 << 20  # beyond it somebody feeds us rubbish: end, and be started anew
TOO_LARGE = 3
_GLANCES = range(1000)


class Teller:
    """Publishes a growing journal."""

    def __init__(self, job: Job) -> None:
        self._page = Page(Path(job.page or ""))
        self._log = Log(Path(job.log) if job.log else None, "tell")
        self._poll = select.poll()  # ZMQ's own poll takes longer to wake than all the rest we do
        self._out = Outlet(job, self._log, self._poll)
        self._growing = Growing(job.journal)
        self._maker = Maker(job.session)
        self._eager = job.eager
        self._told = 0
        self._beat_s = 0.0
        self._behind = True  # what was written while nobody listened is for the journal to tell
        self._bell = sys.stdin.fileno()
        self._poll.register(self._bell, select.POLLIN)

    def run(self) -> int:
        """Until the session lets go of us; returns the exit code."""
        open_still, rung, out, page = True, False, self._out, self._page
        while open_still:
            watchful = self._eager or rung  # rung: the session said that something is about to be in the journal
            page.wanted = NOT_AT_ALL if not out.wanted else BY_BYTE if watchful else BY_BELL  # before we look
            if not out.wanted:
                self._behind = True
            busy = out.wanted and self._tell() > 0
            if out.wanted and watchful and not busy:
                busy = True
                if self._watch():
                    continue
            if self._beat() > MAX_BYTES:
                self._log.say("too much memory is held: beginning anew")
                return TOO_LARGE
            open_still, rung = self._look(0 if busy else int(1000 * BEAT_S))
        while out.wanted and self._tell():
            pass
        return 0

    def close(self) -> None:
        """Say how it went, then give the last messages half a second."""
        # In this order, since libzmq may not survive rubbish that comes in while it closes.
        self._out.close_log()
        finish({"told": self._told, "refused": self._log.refused})
        self._out.close()

    def _tell(self) -> int:
        """Publish what is new; returns how many records that were."""
        make, prefixes = self._maker.make, PREFIXES
        messages = []
        for kind, host_ns, payload, _ in self._growing.read():
            topic, message = make(kind, host_ns, payload)
            messages.append(prefixes[topic] + message)
        if self._behind:
            self._behind = len(messages) > 0
        elif messages:
            self._out.send(messages)
            self._told += len(messages)
        return len(messages)

    def _watch(self) -> bool:
        """Wait for the session's word without sleeping, some 50 us; True if it came."""
        flags = self._page.flags
        return any(not flags[0] for _ in _GLANCES)

    def _look(self, timeout_ms: int) -> tuple[bool, bool]:
        """Wait for the bell, a subscriber or the door. Has the session not let go of us? Has it rung?"""
        ready = dict(self._poll.poll(0 if self._out.serve() else timeout_ms))
        rung = self._bell in ready
        return not rung or bool(os.read(self._bell, 64)), rung

    def _beat(self) -> int:
        """Each second, say how far we are; returns the memory held if it is time to look."""
        now_s = time.monotonic()
        if now_s - self._beat_s < BEAT_S:
            return 0
        self._beat_s = now_s
        if self._out.wanted and not self._behind:
            self._out.send([PREFIXES["beat"] + self._maker.beat(self._page.now_ns())])
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
