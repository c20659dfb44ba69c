"""Where the stream leaves: libzmq's publisher, for any ZMQ SUB socket, with keys or (on this computer alone) without.

It drops for each subscriber alone what that one is too slow to take. May not: know what a message says.
"""

from __future__ import annotations

import select
from pathlib import Path

import zmq

from rig.stream.guard import Guard, Log, Socket, bind
from rig.stream.job import Job
from rig.stream.schema import TOPICS

KEPT_MESSAGES = 20_000  # for a subscriber that is slow, beyond what the system keeps; some 3 MB
PREFIXES = {topic: topic.encode() + b" " for topic in TOPICS}
_SUBSCRIPTIONS = 50  # read at a turn
_NOWAIT, _READABLE = int(zmq.NOBLOCK), int(zmq.POLLIN)


def known(prefix: bytes) -> bool:
    """Does any topic of ours begin so?"""
    return any(topic.startswith(prefix) for topic in PREFIXES.values())


class Outlet:
    """What the telling process sends through. Its handles are in the ``select.poll`` it was given."""

    def __init__(self, job: Job, log: Log, poll: select.poll) -> None:
        self._log = log
        self._context = zmq.Context()
        self._guard = Guard(self._context, Path(job.keys) if job.keys else None, log)
        self._out: Socket = self._context.socket(zmq.XPUB)
        self._guard.protect(self._out, "tell")
        self._out.setsockopt(zmq.SNDHWM, KEPT_MESSAGES)
        bind(self._out, job.address, job.handle)
        self._wanted: set[bytes] = set()
        self._sockets = [self._out, *self._guard.sockets]
        for one in self._sockets:
            poll.register(one.get(zmq.FD), select.POLLIN)

    @property
    def wanted(self) -> bool:
        """Has anybody subscribed to anything?"""
        return bool(self._wanted)

    def send(self, messages: list[bytes]) -> None:
        """Give these, topics at their front, to whoever wants them; never waits."""
        send = self._out.send
        for body in messages:
            send(body, _NOWAIT)

    def serve(self) -> bool:
        """See to some of what is ready; was there any? Before each sleep, and only if there was none: ZMQ's handles
        tell of a change once, and sending may have swallowed it."""
        ready = [one for one in self._sockets if one.get(zmq.EVENTS) & _READABLE]
        for one in ready:
            if one is self._out:
                self._subscriptions()
            else:
                self._guard.handle(one)
        return bool(ready)

    def _subscriptions(self) -> None:
        for _ in range(_SUBSCRIPTIONS):
            try:
                said = self._out.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            prefix = said[1:]
            if said[:1] not in (b"\0", b"\1") or not known(prefix):
                self._log.refuse("a subscription to no topic of ours", "a subscriber")
            elif said[:1] == b"\1":
                self._wanted.add(prefix)
            else:
                self._wanted.discard(prefix)

    def close_log(self) -> None:
        """Say who was refused, in all."""
        self._guard.close_log()

    def close(self) -> None:
        """Give the last messages half a second, then end."""
        self._out.linger = 500
        self._out.close()
        self._context.destroy(linger=500)
