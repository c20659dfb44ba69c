"""Where the stream leaves: to subscribers on this computer over plain sockets, to those beyond by libzmq with keys.

Both speak ZMTP, so any ZMQ SUB socket can listen, and both drop for each subscriber alone what it is too slow to take.
The plain one writes its sockets from the thread that has the event: libzmq hands it to a second thread first, and the
waking of that one takes longer than the writing. It also bounds what a peer may say, which libzmq does not.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from pathlib import Path
from typing import Any, Protocol

import zmq

from rig.stream import zmtp
from rig.stream.guard import HANDSHAKE_MS, SILENT_MS, Guard, Log, Socket, bind
from rig.stream.job import Job
from rig.stream.schema import TOPICS

KEPT_BYTES = 4 << 20  # for a subscriber that is slow, beyond what the system keeps
KEPT_MESSAGES = 20_000  # the same, where libzmq counts; some 3 MB
MOST_PEERS = 64
ACCEPTED = 4  # connections taken at a turn
HEARD_BYTES = 512  # from a peer at a turn
MOST_SAID = 200  # by a peer within TALK_S; nobody has so much to say
TALK_S = 10.0
PREFIXES = {topic: topic.encode() + b" " for topic in TOPICS}
_SUBSCRIPTIONS = 50
_NOWAIT, _READABLE = int(zmq.NOBLOCK), int(zmq.POLLIN)


def known(prefix: bytes) -> bool:
    """Does any topic of ours begin so?"""
    return any(topic.startswith(prefix) for topic in PREFIXES.values())


class Outlet(Protocol):
    """What the telling process asks of it. Its handles are in the ``select.poll`` it was given."""

    @property
    def wanted(self) -> bool:
        """Has anybody subscribed to anything?"""

    def send(self, messages: list[bytes]) -> None:
        """Give these, topics at their front, to whoever wants them; never waits."""

    def serve(self, ready: dict[int, int]) -> None:
        """See to the handles that are ready."""

    def beat(self) -> None:
        """A second has passed."""

    def close(self) -> None:
        """Give the last messages half a second, then end."""


def open_outlet(job: Job, log: Log, poll: select.poll) -> Outlet:
    """With keys, or without."""
    return Sealed(job, log, poll) if job.keys else Plain(job, log, poll)


class Peer:
    """A connection, and what it is owed."""

    def __init__(self, connection: socket.socket, who: str) -> None:
        self.socket, self.who = connection, who
        self.reader = zmtp.Reader(255)
        self.prefixes: tuple[bytes, ...] = ()
        self.owed = bytearray()
        self.since_s = self.heard_s = self.talk_s = time.monotonic()
        self.said = 0


class Plain:
    """Without keys: for this computer alone."""

    def __init__(self, job: Job, log: Log, poll: select.poll) -> None:
        self._log, self._poll = log, poll
        assert job.handle is not None
        self._door = socket.socket(fileno=os.dup(job.handle))
        self._door.setblocking(False)
        self._poll.register(self._door, select.POLLIN)
        self._peers: dict[int, Peer] = {}
        self._listening: list[Peer] = []  # those that have subscribed

    @property
    def wanted(self) -> bool:
        """Has anybody subscribed to anything?"""
        return bool(self._listening)

    def send(self, messages: list[bytes]) -> None:
        """Give these to whoever wants them: written at once as far as the system takes them."""
        framed = [zmtp.message(body) for body in messages]
        for peer in self._listening:
            prefixes = peer.prefixes
            data = b"".join([framed[i] for i, body in enumerate(messages) if body.startswith(prefixes)])
            if data:
                self._give(peer, data)

    def _give(self, peer: Peer, data: bytes) -> None:
        if peer.owed:
            if len(peer.owed) < KEPT_BYTES:
                peer.owed += data
            return
        try:
            taken = peer.socket.send(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            return  # its end is read as well, and the peer removed then
        if taken < len(data):
            peer.owed += memoryview(data)[taken:]
            self._poll.modify(peer.socket, select.POLLIN | select.POLLOUT)

    # --- the peers ---------------------------------------------------------------------------------------------------

    def serve(self, ready: dict[int, int]) -> None:
        """See to the handles that are ready."""
        for handle, what in ready.items():
            peer = self._peers.get(handle)
            if peer is None:
                if handle == self._door.fileno():
                    self._accept()
                continue
            if what & select.POLLOUT:
                self._pay(peer)
            if what & ~select.POLLOUT:
                self._hear(peer)

    def _accept(self) -> None:
        for _ in range(ACCEPTED):
            try:
                connection, address = self._door.accept()
            except OSError:
                return
            who = str(address[0]) if address else "a subscriber"
            if len(self._peers) >= MOST_PEERS:
                connection.close()
                self._log.refuse("more connections than are taken", who)
                continue
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = self._peers[connection.fileno()] = Peer(connection, who)
            self._poll.register(connection, select.POLLIN)
            self._give(peer, zmtp.GREETING)

    def _pay(self, peer: Peer) -> None:
        try:
            with memoryview(peer.owed)[: 1 << 18] as piece:
                taken = peer.socket.send(piece)
        except BlockingIOError:
            return
        except OSError:
            self._remove(peer)
            return
        del peer.owed[:taken]
        if not peer.owed:
            self._poll.modify(peer.socket, select.POLLIN)

    def _hear(self, peer: Peer) -> None:
        try:
            data = peer.socket.recv(HEARD_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if not peer.reader.ready:
                self._log.refuse("no handshake", peer.who)
            self._remove(peer)
            return
        peer.heard_s = time.monotonic()
        try:
            for said in peer.reader.feed(data):
                self._obey(peer, said)
        except zmtp.PeerError as fault:
            self._log.refuse(str(fault), peer.who)
            self._remove(peer)

    def _obey(self, peer: Peer, said: zmtp.Said) -> None:
        """What a subscriber may say. Raises PeerError where it says too much."""
        peer.said += 1
        if peer.heard_s - peer.talk_s > TALK_S:
            peer.talk_s, peer.said = peer.heard_s, 1
        if peer.said > MOST_SAID:
            raise zmtp.PeerError("more words than anybody needs")
        if said.what == "ready":
            self._give(peer, zmtp.READY)
        elif said.what == "ping":
            self._give(peer, zmtp.pong(said.body[:16]))
        elif said.what in ("subscribe", "cancel"):
            if not known(said.body):
                self._log.refuse("a subscription to no topic of ours", peer.who)
                return
            others = tuple(prefix for prefix in peer.prefixes if prefix != said.body)
            peer.prefixes = (*others, said.body) if said.what == "subscribe" else others
            self._listening = [one for one in self._peers.values() if one.prefixes]

    def _remove(self, peer: Peer) -> None:
        self._poll.unregister(peer.socket)
        del self._peers[peer.socket.fileno()]
        peer.socket.close()
        self._listening = [one for one in self._peers.values() if one.prefixes]

    def beat(self) -> None:
        """Send away who has not said who he is, or is gone."""
        now_s = time.monotonic()
        for peer in list(self._peers.values()):
            if not peer.reader.ready:
                if now_s - peer.since_s > HANDSHAKE_MS / 1000:
                    self._log.refuse("no handshake", peer.who)
                    self._remove(peer)
            elif now_s - peer.heard_s > SILENT_MS / 1000:
                self._remove(peer)
            else:
                self._give(peer, zmtp.PING)

    def close(self) -> None:
        """Give the last messages half a second, then end."""
        until_s = time.monotonic() + 0.5
        while any(peer.owed for peer in self._peers.values()) and time.monotonic() < until_s:
            self.serve(dict(self._poll.poll(20)))
        for peer in list(self._peers.values()):
            self._remove(peer)
        self._poll.unregister(self._door)
        self._door.close()


class Sealed:
    """With keys: libzmq's own socket, whose second thread also seals what it sends."""

    def __init__(self, job: Job, log: Log, poll: select.poll) -> None:
        self._log = log
        self._context = zmq.Context()
        self._guard = Guard(self._context, Path(job.keys) if job.keys else None, log)
        self._out: Socket = self._context.socket(zmq.XPUB)
        self._guard.protect(self._out, "tell")
        self._out.setsockopt(zmq.SNDHWM, KEPT_MESSAGES)
        bind(self._out, job.address, job.handle)
        self._wanted: set[bytes] = set()
        for one in self._sockets():
            poll.register(one.get(zmq.FD), select.POLLIN)

    @property
    def wanted(self) -> bool:
        """Has anybody subscribed to anything?"""
        return bool(self._wanted)

    def send(self, messages: list[bytes]) -> None:
        """Give these to whoever wants them."""
        send = self._out.send
        for body in messages:
            send(body, _NOWAIT)

    def serve(self, ready: dict[int, int]) -> None:
        """Whatever is ready: ZMQ's handles tell of a change once, and sending may have swallowed it."""
        for one in self._sockets():
            if one.get(zmq.EVENTS) & _READABLE:
                if one is self._out:
                    self._subscriptions()
                else:
                    self._guard.handle(one)

    def _sockets(self) -> list[Any]:
        return [self._out, *self._guard.sockets]

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

    def beat(self) -> None:
        """Nothing: libzmq keeps its own heartbeat."""

    def close(self) -> None:
        """Give the last messages half a second, then end."""
        self._out.linger = 500
        self._out.close()
        self._context.destroy(linger=500)
