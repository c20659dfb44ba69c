"""The other end of the wire, as the session knows it: hello, commands, events, clock – over any link.

Both numberings live here. An event is handed up once, in order, or a gap is asked for again; a command is sent again
until the board has taken it. Acknowledging an event is the caller's word that the journal has it. May not: know what
a session or a trial is.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rig import wire
from rig.clock import Clock, Unwrapper
from rig.errors import BoardError
from rig.link import Link

PING_NS = 100_000_000
RESEND_NS = 100_000_000
GIVE_UP_NS = 5_000_000_000
COMMANDS_IN_FLIGHT = 8
_EVENT = 0x80
_HELLO = wire.BY_NAME["hello"].number
_HEADER = wire.EVENT_HEADER


class Hello(NamedTuple):
    """Who answered (fields of the wire's ``hello``)."""

    nonce: int
    wire_hash: int
    board: int
    firmware: int
    boot: int
    states: int
    rules: int
    generators: int
    outputs: int
    inputs: int
    queue_bytes: int
    armed: int
    faults: int
    pins_hash: int
    oldest_event: int
    next_event: int
    next_command: int


class Board:
    """A board over a link. Call :meth:`connect` first, then :meth:`poll` often."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.clock = Clock()
        self.hello: Hello | None = None
        self.next_event = 0
        self.duplicates = 0
        self.resends = 0
        self.round_trips_ns: deque[int] = deque(maxlen=1000)
        self._splitter = wire.FrameSplitter()
        self._unwrap = Unwrapper()
        self._pings: dict[int, int] = {}
        self._token = 0
        self._next_ping_ns = 0
        self._next_command = 0
        self._taken = 0  # commands below this number (mod 256) were taken by the board
        self._waiting: deque[bytes] = deque()  # not yet sent
        self._in_flight: deque[bytes] = deque()
        self._sent_ns = 0
        self._first_sent_ns = 0
        self._asked_again_ns = 0
        self._early: list[bytes] = []  # what came right behind the hello

    # --- hello -------------------------------------------------------------------------------------------------------

    def connect(self, timeout_ns: int = GIVE_UP_NS) -> Hello:
        """Ask who is there. Raises BoardError for silence or for a firmware that speaks another list."""
        deadline_ns = self.link.now_ns() + timeout_ns
        nonce = deadline_ns & 0xFFFFFFFF
        while self.hello is None or self.hello.nonce != nonce:
            if self.link.now_ns() > deadline_ns:
                raise BoardError("the board does not answer: check port and power, or flash it with `rig flash`")
            self.link.write(b"\0" + wire.frame(wire.encode("hello_ask", {"nonce": nonce})))
            until_ns = self.link.now_ns() + 200_000_000
            while self.link.now_ns() < until_ns and (self.hello is None or self.hello.nonce != nonce):
                for payload in self._splitter.feed(self.link.read(50_000_000)):
                    if payload[0] == _HELLO:
                        self._take_hello(payload)
                        self._early.clear()
                    else:
                        self._early.append(payload)
        return self.hello

    def begin_anew(self) -> Hello:
        """Have the board start over, unless it has just done so. What it had not sent yet is gone."""
        hello = self.connect()
        if hello.next_command == 0 and hello.oldest_event == 0:
            return hello
        boot, deadline_ns = hello.boot, self.link.now_ns() + GIVE_UP_NS
        self.link.write(wire.frame(wire.encode("restart", {}, hello.next_command)))
        while hello.boot == boot:
            if self.link.now_ns() > deadline_ns:
                raise BoardError("the board does not restart: press its reset button")
            self.link.read(50_000_000)
            hello = self.connect()
        return hello

    def _take_hello(self, payload: bytes) -> None:
        fields = wire.decode(payload).fields
        hello = Hello(**{name: int(value) for name, value in fields.items() if isinstance(value, int)})
        if hello.wire_hash != wire.wire_hash():
            raise BoardError(
                f"the board's firmware speaks wire {hello.wire_hash:08x}, this program {wire.wire_hash():08x}:"
                " run `rig flash`"
            )
        self.hello = hello
        self._next_command = self._taken = hello.next_command
        self.next_event = hello.oldest_event

    # --- commands ----------------------------------------------------------------------------------------------------

    def send(self, name: str, values: dict[str, int] | None = None) -> bytes:
        """Queue a command; it is sent again until the board has taken it. Returns its payload, for the record."""
        payload = wire.encode(name, values or {}, self._next_command)
        self._next_command = (self._next_command + 1) & 0xFF
        self._waiting.append(payload)
        self._push()
        return payload

    @property
    def idle(self) -> bool:
        """Has the board taken every command?"""
        return not self._waiting and not self._in_flight

    def _push(self) -> None:
        fresh = []
        while self._waiting and len(self._in_flight) < COMMANDS_IN_FLIGHT:
            payload = self._waiting.popleft()
            if not self._in_flight:
                self._first_sent_ns = self.link.now_ns()
            self._in_flight.append(payload)
            fresh.append(wire.frame(payload))
        if fresh:
            self._sent_ns = self.link.now_ns()
            self.link.write(b"".join(fresh))

    def _taken_to(self, next_command: int) -> None:
        steps = (next_command - self._taken) & 0xFF
        if not 0 < steps <= len(self._in_flight):
            return
        for _ in range(steps):
            self._in_flight.popleft()
        self._taken = next_command
        self._first_sent_ns = self.link.now_ns()
        self._push()

    def _send_again(self, now_ns: int) -> None:
        if not self._in_flight or now_ns - self._sent_ns < RESEND_NS:
            return
        if now_ns - self._first_sent_ns > GIVE_UP_NS:
            raise BoardError("the board takes no commands: check the cable, then `rig run --resume`")
        self.resends += 1
        self._sent_ns = now_ns
        self.link.write(b"".join(wire.frame(payload) for payload in self._in_flight))

    # --- events ------------------------------------------------------------------------------------------------------

    def acknowledge(self) -> None:
        """The journal holds every event handed up so far."""
        self.link.write(wire.frame(wire.encode("ack", {"next_event": self.next_event & 0xFFFFFFFF, "resend": 0})))

    def poll(self, timeout_ns: int) -> list[bytes]:
        """Read, answer, and hand up the payloads of new events in order. Raises BoardError when the link is gone."""
        self._heartbeat()
        events: list[bytes] = []
        payloads = self._splitter.feed(self.link.read(timeout_ns))
        if self._early:
            payloads, self._early = self._early + payloads, []
        for payload in payloads:
            if payload[0] < _EVENT:
                self._take_control(payload)
                continue
            number = _HEADER.unpack_from(payload)[1]
            if number == self.next_event:
                self.next_event = number + 1
                events.append(payload)
            else:
                self._out_of_order(number, payload, events)
        self._send_again(self.link.now_ns())
        return events

    def _out_of_order(self, number: int, payload: bytes, events: list[bytes]) -> None:
        if (number - self.next_event) & 0xFFFFFFFF > 1 << 31:
            self.duplicates += 1
            return
        if payload[0] == wire.BY_NAME["lost"].number:
            first, last = wire.BY_NAME["lost"].body.unpack_from(payload, _HEADER.size)
            if first == self.next_event and number == last + 1:  # it stands for all that is missing
                self.next_event = number + 1
                events.append(payload)
                return
        now_ns = self.link.now_ns()
        if now_ns - self._asked_again_ns > 20_000_000:
            self._asked_again_ns = now_ns
            self.resends += 1
            self.link.write(wire.frame(wire.encode("ack", {"next_event": self.next_event, "resend": 1})))

    def _heartbeat(self) -> None:
        now_ns = self.link.now_ns()
        if now_ns < self._next_ping_ns:
            return
        # An odd period, so that the samples of the clock do not march in step with anything on the board.
        self._next_ping_ns = now_ns + PING_NS + now_ns % 7_919_000
        self._token = (self._token + 1) & 0xFFFFFFFF
        self._pings[self._token] = now_ns
        if len(self._pings) > 50:
            del self._pings[next(iter(self._pings))]
        self.link.write(wire.frame(wire.encode("ping", {"token": self._token, "next_event": self.next_event})))

    def _take_control(self, payload: bytes) -> None:
        message = wire.decode(payload)
        if message.name == "pong":
            sent_ns = self._pings.pop(int(message.fields["token"]), None)  # type: ignore[arg-type]
            if sent_ns is not None:
                now_ns = self.link.now_ns()
                self.round_trips_ns.append(now_ns - sent_ns)
                board_us = self._unwrap.unwrap(int(message.fields["board_us"]))  # type: ignore[arg-type]
                self.clock.add(sent_ns, board_us, now_ns)
        elif message.name == "command_ack":
            self._taken_to(int(message.fields["next_command"]))  # type: ignore[arg-type]
        elif message.name == "hello":
            self.hello = None

    def unwrap_us(self, stamp_us: int) -> int:
        """A u32 stamp as a time that never wraps."""
        return self._unwrap.unwrap(stamp_us)

    @property
    def damaged(self) -> int:
        """Frames from the board that were dropped as damaged."""
        return self._splitter.damaged
