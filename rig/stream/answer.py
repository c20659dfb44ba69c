"""The process that answers: records from any number on, out of the journal, during and after a session; and the clock.

It is another process than the one that tells, so that a listener who has much to catch up on, or asks nonsense as fast
as it can, delays nobody's live events. A peer may ask (two requests, see :mod:`rig.stream.schema`); nothing it can say
changes anything on the rig. Run by :mod:`rig.stream` or `rig serve`; may not write but to the log.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import zmq

from rig.stream import schema
from rig.stream.book import Book, Library
from rig.stream.guard import Guard, Log, Socket, bind
from rig.stream.job import MOST_S, Job, Page, finish, job_from, resident_bytes
from rig.stream.peers import Peer, Peers

NICE = 5  # live events and the session come first; much more, and on a busy computer nobody is answered at all
REQUESTS = 50  # at a turn
REFUSED_PAUSE_S = 0.02  # after a turn of mostly nonsense
WAITING_REQUESTS = 100  # of one peer; the rest wait on its own computer
WAITING_ANSWERS = 20  # to one peer, at most 256 kB each
REQUEST_BYTES = 2_000  # what a request costs besides its answer
CALL_S = 0.5  # at the end, those who lack something are called so often
MAX_BYTES = 600 << 20


class Answerer:
    """Answers requests until the session that started it lets go."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._page = Page(Path(job.page)) if job.page else None
        self._log = Log(Path(job.log) if job.log else None, "answer")
        self._context = zmq.Context()
        self._guard = Guard(self._context, Path(job.keys) if job.keys else None, self._log)
        self._router: Socket = self._context.socket(zmq.ROUTER)
        self._guard.protect(self._router, "answer")
        self._router.setsockopt(zmq.RCVHWM, WAITING_REQUESTS)
        self._router.setsockopt(zmq.SNDHWM, WAITING_ANSWERS)
        self._router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # who has gone is found out by sending
        bind(self._router, job.address, job.handle)
        self.library = Library(Path(job.data), job.session)
        self.peers = Peers()
        self._called_s = 0.0
        self._poller = zmq.Poller()
        for source in (self._router, *self._guard.sockets):
            self._poller.register(source, zmq.POLLIN)
        self._parent = self._page is not None
        if self._parent:
            self._poller.register(sys.stdin.fileno(), zmq.POLLIN)

    @property
    def address(self) -> str:
        """Where it answers."""
        return str(self._router.last_endpoint.decode())

    def run(self) -> None:
        """Until the session is over and its listeners have everything, or have been waited for long enough."""
        while True:
            for source, _ in self._poller.poll(100):
                if source is self._router:
                    self._requests()
                elif isinstance(source, int):
                    self._parent = bool(os.read(source, 64))
                    if not self._parent:
                        self._poller.unregister(source)
                else:
                    self._guard.handle(source)
            now_s = time.monotonic()
            if self._page is not None and (self._page.ended or not self._parent):
                self._call(now_s)
                if self.peers.waited_for(now_s, self._job.linger_s, MOST_S) or self.library.book("") is None:
                    return
            if resident_bytes() > MAX_BYTES:
                self._log.say("too much memory is held: beginning anew")
                return

    def close(self) -> None:
        """Say how far everybody came, then end: libzmq may not survive rubbish that comes in while it closes."""
        present = self.peers.of(self.library.present)
        for peer in present:
            self._log.say(f"{peer.who} holds {peer.have} records")
        self._guard.close_log()
        held = [{"who": peer.who, "have": peer.have} for peer in present]
        book = self.library.book("")
        finish({"listeners": held, "count": book.count if book else 0, "refused": self._log.refused})
        with contextlib.suppress(zmq.ZMQError):
            self._router.unbind(self._router.last_endpoint)
        self._router.linger = 300
        self._router.close()
        self._context.destroy(linger=300)

    def _call(self, now_s: float) -> None:
        """Tell those who lack something that the session is over, and find out who has gone.

        One that merely has not been heard for some seconds may be starved of its processor, and is waited for.
        """
        book = self.library.book("")
        if book is None or now_s - self._called_s < CALL_S:
            return
        self._called_s = now_s
        over = self._pong(0, book, None)
        for identity, peer in self.peers.unsure():
            peer.gone = not self._send(identity, schema.encode(over))

    # --- requests ----------------------------------------------------------------------------------------------------

    def _requests(self) -> None:
        refused = 0
        for _ in range(REQUESTS):
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            refused += not self._request(frames)
        if refused > REQUESTS // 2:
            time.sleep(REFUSED_PAUSE_S)

    def _request(self, frames: list[Any]) -> bool:
        """Answer one request; False where it was refused."""
        read_ns = self._page.now_ns() if self._page else None
        identity, now_s = frames[0].bytes, time.monotonic()
        peer = self._peer(identity, frames[-1], now_s)
        if not peer.spend(now_s, REQUEST_BYTES):
            self._log.refuse("more requests than anybody needs", peer.who)
            return False
        try:
            if len(frames) != 2:
                raise msgspec.DecodeError("two frames were due")
            request = schema.read_request(frames[1].bytes)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._log.refuse("a malformed request", peer.who)
            return False
        book = self.library.book(request.session)
        if isinstance(request, schema.Ping):
            pong = self._pong(request.id, book, read_ns, request.session)
            peer.pinged(request, pong, now_s)
            self._send(identity, schema.encode(pong))
            return True
        if book is None or request.number < 0:
            self._log.refuse("a request for what is not there", peer.who)
            return False
        answer = self._records(request, book)
        peer.credit -= len(answer)
        self._send(identity, answer)
        return True

    def _peer(self, identity: bytes, frame: Any, now_s: float) -> Peer:
        peer = self.peers.get(identity)
        if peer is None:
            who = self._property(frame, "User-Id") or self._property(frame, "Peer-Address") or "a listener"
            peer = Peer(who, now_s)
            self.peers.add(identity, peer)
        return peer

    @staticmethod
    def _property(frame: Any, name: str) -> str:
        with contextlib.suppress(zmq.ZMQError):
            return str(frame.get(name))
        return ""

    def _pong(self, number: int, book: Book | None, read_ns: int | None, asked: str = "") -> schema.Pong:
        present = self.library.present
        if book is None:
            return schema.Pong(number, read_ns, present, asked, "unknown", 0, "")
        state = "complete" if book.complete else "interrupted"
        if not book.complete and book.session == present and self._parent:
            state = "live"
        digest = "" if state == "live" else book.digest
        return schema.Pong(number, read_ns, present, book.session, state, book.count, digest)

    @staticmethod
    def _records(request: schema.From, book: Book) -> bytes:
        if not book.agrees(request.number, request.check):
            return schema.encode(schema.Differs(request.id, book.session))
        messages = [msgspec.Raw(message) for message in book.messages(request.number)]
        return schema.encode(("records", request.id, book.session, book.count, messages))

    def _send(self, identity: bytes, answer: bytes) -> bool:
        """Send, or drop it where it does not read what it asked for. False: it is not connected any more."""
        try:
            self._router.send_multipart((identity, answer), zmq.NOBLOCK)
        except zmq.Again:
            return True
        except zmq.ZMQError as error:
            return error.errno != zmq.EHOSTUNREACH
        return True


def main() -> int:
    """The process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICE)
    answerer = Answerer(job_from(sys.argv))
    try:
        answerer.run()
        return 0
    finally:
        answerer.close()


if __name__ == "__main__":
    sys.exit(main())
