"""The listener, for the imaging computer: every event of every session, copied while it happens, none missing.

Live messages are taken as long as their numbers follow one another; at a gap the records are asked for from the first
missing one on, in pieces, while the newest live ones are held. So a stall, a restart on either side or a broken
network all end the same way: ask from the number that is due. A listener can only ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zmq

from rig.events import Kind
from rig.stream import schema
from rig.stream.copy import Copy, Proof, is_proven, unproven
from rig.stream.dial import HELD, Dial
from rig.stream.here import Here
from rig.stream.questions import FIRST_PING_S, Questions
from rig.stream.schema import Message

DRAIN = 1000
ON_THE_WAY_S = 0.25


@dataclass
class Status:
    """How it goes, for a person."""

    session: str = ""
    records: int = 0
    rate_hz: float = 0.0
    lag_ms: float | None = None  # from the event to its being written here; from here on it survives us
    gaps: int = 0
    healed: int = 0  # records fetched because live ones were missed
    double: int = 0  # live messages that were here already, dropped
    offset_s: float | None = None  # the rig's clock less this computer's (both count from some start)
    bound_us: float | None = None
    connected: bool = False

    def __str__(self) -> str:
        clock = "clock unknown" if self.bound_us is None else f"clock {self.offset_s:+.6f} s ± {self.bound_us:.0f} us"
        lag = "" if self.lag_ms is None else f", lag {self.lag_ms:.1f} ms"
        gaps = f", {self.gaps} gaps healed ({self.healed} records)" if self.gaps else ""
        away = "" if self.connected else ", NO ANSWER FROM THE RIG"
        return f"{self.session or 'no session'}: {self.records} records, {self.rate_hz:.0f}/s{lag}{gaps}, {clock}{away}"


class Listener:
    """Copies sessions from ``address`` to ``out``.

    Args:
        address: the rig's stream, tcp://host:port.
        keys_folder: this computer's secret key and the rig's public one; None for a rig without keys.
        done: told each proof, as a session ends.
        heard: told each event, in order and once, and when it was on this computer's monotonic clock, ns (None: not
            known yet).
    """

    def __init__(
        self,
        address: str,
        out: Path,
        keys_folder: Path | None,
        done: Callable[[Proof], None],
        heard: Callable[[Message, int | None], None] | None = None,
    ) -> None:
        self._dial = Dial(address, keys_folder)
        self._ask = Questions(self._dial)
        self._out, self._done, self._heard = out, done, heard
        self.status = Status()
        self.copy: Copy | None = None
        self.here = Here()
        self._older = unproven(out)
        self._ended: set[str] = set()
        self._present = ""
        self._count = 0
        self._held: dict[int, Message] = {}
        self._joined = False  # have we been live in this session?
        self._grown_s = time.monotonic()
        self._rate = (time.monotonic(), 0)
        self._newest_at_ns: int | None = None

    def close(self) -> None:
        """Let go of files and sockets."""
        if self.copy:
            self.copy.close()
            self.copy = None
        self._dial.close()

    # --- the loop ----------------------------------------------------------------------------------------------------

    def turn(self, timeout_ms: int = 50) -> None:
        """Take what has come, ask what is due. Call it again and again."""
        if self._ask.ping_due(time.monotonic()):
            self._ping()
        self.here.now()
        for source in self._dial.ready(timeout_ms):
            if source is self._dial.live:
                self._take_live()
            else:
                self._take_answers()
        if self.copy:
            self.copy.commit()
        self._ask.see_to_silence()
        self._fetch()
        self._look(time.monotonic())

    def _ping(self) -> None:
        if self.copy:
            self.copy.commit()  # what we say we have is a promise
        self._ask.ping(*((self.copy.session, self.copy.next) if self.copy else ("", 0)))

    def _fetch(self) -> None:
        """Ask for what is missing, one piece at a time."""
        if self.copy is None or self._ask.waiting or self.copy.next >= self._count:
            return
        waiting_s = time.monotonic() - self._grown_s
        if self._joined and not self._held and waiting_s < ON_THE_WAY_S:
            return  # the rig has counted what is still on the way to us
        self._ask.records_from(self.copy.session, self.copy.next, self.copy.check)

    # --- taking ------------------------------------------------------------------------------------------------------

    def _take_live(self) -> None:
        for _ in range(DRAIN):
            try:
                message = schema.read_message(self._dial.live.recv(zmq.NOBLOCK).partition(b" ")[2])
            except zmq.Again:
                return
            except msgspec.DecodeError:
                continue
            if message.session != (self.copy.session if self.copy else ""):
                self._present = message.session
                self._ask.ping_soon(FIRST_PING_S)
            elif message.kind == 0:
                self._count = max(self._count, message.number)
            else:
                self._take(message, live=True)

    def _take(self, message: Message, *, live: bool) -> None:
        copy = self.copy
        assert copy is not None
        if message.number == copy.next:
            self._add(copy, message)
            self._joined = self._joined or live
            while self._held and (held := self._held.pop(copy.next, None)) is not None:
                self._add(copy, held)
        elif message.number < copy.next:
            self.status.double += live
        elif live:
            if self._joined and not self._ask.waiting and not self._held:
                self.status.gaps += 1
            if len(self._held) < HELD:
                self._held[message.number] = message
        self._count = max(self._count, message.number + 1)

    def _add(self, copy: Copy, message: Message) -> None:
        line, at_ns = self.here.line, message.at_ns
        here_ns: int | None = None
        if line is None or at_ns is None:
            copy.add(message, None, "", None)
        else:
            here_ns, bound_us = line.place(at_ns)
            bound_us_in_all = None if message.bound_us is None else message.bound_us + bound_us
            copy.add(message, here_ns, self.here.utc(here_ns), bound_us_in_all)
            self._newest_at_ns = at_ns
        if self._heard and message.kind == Kind.EVENT:
            self._heard(message, here_ns)
        self._grown_s = time.monotonic()

    def _take_answers(self) -> None:
        for answer, read_ns in self._ask.answers():
            if isinstance(answer, schema.Pong):
                self._take_pong(answer, read_ns)
            elif self.copy and answer.session == self.copy.session:
                if isinstance(answer, schema.Differs):
                    self._begin_again()
                else:
                    self._take_records(answer)

    def _take_records(self, answer: schema.Records) -> None:
        copy = self.copy
        assert copy is not None
        self._count = max(self._count, answer.count)
        before = copy.next
        for message in answer.messages:
            self._take(message, live=False)
        if self._joined:
            self.status.healed += min(len(answer.messages), copy.next - before)
        elif copy.next >= self._count:
            self._joined = True
        if self._held:  # what was fetched twice
            self._held = {number: one for number, one in self._held.items() if number >= copy.next}

    def _begin_again(self) -> None:
        assert self.copy is not None
        session = self.copy.session
        self.copy.set_aside()
        self._open(session)

    def _take_pong(self, pong: schema.Pong, read_ns: int) -> None:
        sent_ns = self._ask.sent_ns(pong)
        if sent_ns is None:
            if pong.id == 0:  # it is over: say how far we are, before the rig stops waiting
                self._ask.ping_soon()
            return
        self._present = pong.now
        if self.copy is None:
            self._choose()
            return
        if pong.session != self.copy.session:
            return
        self._count = max(self._count, pong.count)
        if pong.rig_ns is not None and pong.session == pong.now and self.here.heard(sent_ns, pong.rig_ns, read_ns):
            self._ask.clock_restarted()
        if pong.state == "unknown":
            self._end(self.copy.prove(pong.state, 0, ""))
        elif pong.state != "live" and self.copy.next >= pong.count:
            self._end(self.copy.prove(pong.state, pong.count, pong.digest))

    # --- sessions ----------------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        """What to copy next: what was left unfinished before, then the present session."""
        while self._older:
            session = self._older.pop(0)
            if session != self._present:
                self._open(session)
                return
        if self._present and self._present not in self._ended and not is_proven(self._out / self._present):
            self._open(self._present)

    def _open(self, session: str) -> None:
        self.copy = Copy(self._out, session)
        self.here = Here()
        self._count, self._joined = 0, False
        self._held = {}
        self._newest_at_ns = None
        self._ask.begin()
        self.status = Status(session, self.copy.next)
        self._rate = (time.monotonic(), self.copy.next)

    def _end(self, proof: Proof) -> None:
        assert self.copy is not None
        self._ping()  # tells the rig what we hold ...
        self._ended.add(self.copy.session)
        self.copy.close()
        self.copy = None
        self._ping()  # ... and that we have put it away: it need not wait for us
        self._ask.ping_soon()
        self._done(proof)

    def prove(self) -> Proof | None:
        """A proof of what there is so far, for whoever stops listening in the middle of a session."""
        return self.copy.prove("unfinished", max(self._count, self.copy.next), "") if self.copy else None

    # --- looking -----------------------------------------------------------------------------------------------------

    def _look(self, now_s: float) -> None:
        status, since = self.status, self._rate
        status.connected = self._ask.connected(now_s)
        if self.copy is None:
            return
        status.session, status.records = self.copy.session, self.copy.next
        if now_s - since[0] >= 1.0:
            status.rate_hz = (self.copy.next - since[1]) / (now_s - since[0])
            self._rate = (now_s, self.copy.next)
        if self.here.line is not None:
            status.offset_s, status.bound_us = self.here.line.offset_s, self.here.line.bound_us
            if self._newest_at_ns is not None:
                status.lag_ms = self.here.age_ms(self._newest_at_ns)
