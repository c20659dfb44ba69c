"""The other end of the wire, as the session knows it: hello, commands, events, clock – over any link.

An event is handed up once, in order, and a gap is asked for again; a command is sent again until the board has taken
it (:mod:`rig.numbering`). Acknowledging an event is the caller's word that the journal has it. May not: know what a
session or a trial is.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from rig import wire
from rig.clock import Clock, Unwrapper
from rig.errors import BoardError, LinkError
from rig.link import Link
from rig.numbering import Inbox, Outbox

PING_NS = 100_000_000
LEAST_WAIT_NS = 1_000_000  # links may count in coarser steps than nanoseconds
DEADMAN_NS = 5_000_000_000  # of a board that was told no other
GIVE_UP_NS = 5_000_000_000
SILENT_NS = 2_000_000_000  # a board that answers no ping for so long is gone, whatever the port says
_EVENT = 0x80
_PONG = wire.BY_NAME["pong"]
_HELLO, _SET_SAFETY = wire.BY_NAME["hello"].number, wire.BY_NAME["set_safety"].number


class RestartedError(BoardError):
    """The board began a new life: what it had not told yet of the old one is gone."""


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
        self.sampled_ns = 0  # when the clock's last sample was asked for
        self.hello: Hello | None = None
        self.deadman_ns = DEADMAN_NS
        self.heartbeat_ns = PING_NS  # how often the board hears of the host: well within the dead-man time it was given
        self.round_trips_ns: deque[int] = deque(maxlen=1000)
        self._splitter = wire.FrameSplitter()
        self._unwrap = Unwrapper()
        self._inbox, self._outbox = Inbox(0, 0), Outbox(0)
        self._acknowledged = 0
        self._asked_again = 0
        self._pings: dict[int, int] = {}
        self._token = 0
        self._next_ping_ns = self._heard_ns = self._polled_ns = 0
        self._asked_again_ns = 0
        self._early: list[bytes] = []  # what came right behind the hello

    # --- hello -------------------------------------------------------------------------------------------------------

    def connect(self, timeout_ns: int = GIVE_UP_NS) -> Hello:
        """Ask who is there; both numberings are then the board's.

        Raises BoardError for silence or for a firmware that speaks another list.
        """
        hello = self._ask(timeout_ns)
        self._inbox, self._outbox = Inbox(hello.boot, hello.oldest_event), Outbox(hello.next_command)
        self._acknowledged = hello.oldest_event
        return hello

    def _ask(self, timeout_ns: int) -> Hello:
        deadline_ns = self.link.now_ns() + timeout_ns
        nonce = deadline_ns & 0xFFFFFFFF
        while True:
            if self.link.now_ns() > deadline_ns:
                raise BoardError("the board does not answer: check port and power, or flash it with `rig flash`")
            self.link.write(b"\0" + wire.frame(wire.encode("hello_ask", {"nonce": nonce})))
            until_ns = self.link.now_ns() + 200_000_000
            while self.link.now_ns() < until_ns:
                payloads = self._splitter.feed(self.link.read(50_000_000))
                for i, payload in enumerate(payloads):
                    if payload[0] == _HELLO and (hello := _hello(payload)).nonce == nonce:
                        self.hello, self._early = hello, payloads[i + 1 :]
                        self._heard_ns = self._polled_ns = self.link.now_ns()
                        return hello

    def begin_anew(self) -> Hello:
        """Have the board start over, unless it has just done so. What it had not sent yet is gone."""
        hello = self.connect()
        if hello.next_command == 0 and hello.oldest_event == 0:
            return hello
        boot, deadline_ns = hello.boot, self.link.now_ns() + GIVE_UP_NS
        while hello.boot == boot:
            if self.link.now_ns() > deadline_ns:
                raise BoardError("the board does not restart: press its reset button")
            self.link.write(wire.frame(wire.encode("restart", {}, hello.next_command)))
            self.link.read(50_000_000)
            hello = self.connect()
        return hello

    def come_back(self, timeout_ns: int) -> None:
        """Find the board again after a LinkError, and go on where both were.

        Raises LinkError while it is not there, and RestartedError where it is not the same life of it.
        """
        deadline_ns = self.link.now_ns() + timeout_ns
        if not self.link.reopen(timeout_ns):
            raise LinkError("the board is not back yet: check the cable")
        self.status(max(LEAST_WAIT_NS, deadline_ns - self.link.now_ns()))

    def status(self, timeout_ns: int = SILENT_NS) -> Hello:
        """Ask how the board stands, in mid-session. Raises as :meth:`come_back` does."""
        try:
            hello = self._ask(timeout_ns)
        except BoardError as error:
            raise LinkError(str(error)) from None
        self._go_on(hello)
        return hello

    def _go_on(self, hello: Hello) -> None:
        self._check_life(hello, self._inbox, self._outbox)
        self._outbox.taken(hello.next_command, self.link.now_ns())

    def resume(self, boot: int, next_event: int, taken: int, unanswered: Sequence[bytes]) -> Hello:
        """Go on where another process's record ends. Raises RestartedError where the board is in another life by now.

        Args:
            boot, next_event: the life, and the first event of it that the record does not have.
            taken: how many commands of the record were applied, as its events say.
            unanswered: the payloads of its other commands.
        """
        hello = self._ask(GIVE_UP_NS)
        inbox, outbox = Inbox(boot, next_event), Outbox(taken & 0xFF)
        outbox.recall(unanswered)
        self._check_life(hello, inbox, outbox)
        outbox.taken(hello.next_command, self.link.now_ns())
        self._inbox, self._outbox, self._acknowledged = inbox, outbox, next_event
        return hello

    @staticmethod
    def _check_life(hello: Hello, inbox: Inbox, outbox: Outbox) -> None:
        known = hello.boot == inbox.boot and outbox.agrees(hello.next_command)
        if not known or not hello.oldest_event <= inbox.next_event <= hello.next_event:
            raise RestartedError(f"the board has started again (boot {hello.boot}): what it had not told is gone")

    # --- commands ----------------------------------------------------------------------------------------------------

    def send(self, name: str, values: dict[str, int] | None = None) -> bytes:
        """Queue a command; returns its payload.

        The next :meth:`poll` sends it, and again until the board has taken it: let the record have it before that.
        """
        payload = self._outbox.number(name, values or {})
        self.was_sent(payload)
        return payload

    def was_sent(self, payload: bytes) -> None:
        """A command, by this process or an earlier one: the dead-man time is known from it."""
        if payload[0] == _SET_SAFETY:
            self.deadman_ns = 1000 * int(wire.decode(payload).fields["deadman_us"])  # type: ignore[arg-type]
            self.heartbeat_ns = min(PING_NS, self.deadman_ns // 4)

    def fall_silent(self) -> None:
        """Say nothing any more, not even what waits to be sent, until the dead-man time has made the board safe."""
        until_ns = self.link.now_ns() + self.deadman_ns + PING_NS
        with contextlib.suppress(LinkError):
            while self.link.now_ns() < until_ns:
                self.link.read(LEAST_WAIT_NS * 20)

    @property
    def idle(self) -> bool:
        """Has the board taken every command?"""
        return self._outbox.idle

    def _push(self, now_ns: int) -> None:
        if payloads := self._outbox.due(now_ns):
            self.link.write(b"".join(wire.frame(payload) for payload in payloads))
        elif self._outbox.stuck_ns(now_ns) > GIVE_UP_NS:
            raise LinkError("the board takes no commands: check the cable")

    # --- events ------------------------------------------------------------------------------------------------------

    def acknowledge(self, *, at_once: bool = True) -> None:
        """The journal holds every event handed up so far. ``at_once``: do not wait for the next ping to say so."""
        self._acknowledged = self._inbox.next_event
        if at_once:
            self.link.write(wire.frame(wire.encode("ack", {"next_event": self._acknowledged, "resend": 0})))

    def poll(self, timeout_ns: int) -> list[bytes]:
        """Send, read, answer, and hand up the payloads of new events in order.

        Raises LinkError when the link is gone, or the board silent or deaf; RestartedError when it began a new life.
        """
        now_ns = self.link.now_ns()
        self._heartbeat(now_ns)
        self._ask_for_missing(now_ns)
        self._push(now_ns)
        until_ping_ns = max(LEAST_WAIT_NS, self._next_ping_ns - now_ns)
        payloads = self._splitter.feed(self.link.read(min(timeout_ns, until_ping_ns)))
        if self._early:
            payloads, self._early = self._early + payloads, []
        events: list[bytes] = []
        inbox = self._inbox
        for payload in payloads:
            if payload[0] < _EVENT:
                self._take_control(payload)
            else:
                inbox.take(payload, events)
        self._judge(bool(payloads))
        return events

    def _judge(self, heard: bool) -> None:
        """Is it silent, or of another life?"""
        now_ns = self.link.now_ns()
        if self._inbox.stranger:
            raise RestartedError("the board has started again: what it had not told is gone")
        if heard or now_ns - self._polled_ns > SILENT_NS // 4:  # after a pause of the host's own, listen first
            self._heard_ns = now_ns
        self._polled_ns = now_ns
        if now_ns - self._heard_ns > SILENT_NS:
            raise LinkError("the board is silent: check cable and power")

    def _ask_for_missing(self, now_ns: int) -> None:
        if not self._inbox.gap or now_ns - self._asked_again_ns < self._outbox.patience.wait_ns:
            return
        self._asked_again_ns = now_ns
        self._asked_again += 1
        self.link.write(wire.frame(wire.encode("ack", {"next_event": self._acknowledged, "resend": 1})))

    def _heartbeat(self, now_ns: int) -> None:
        if now_ns < self._next_ping_ns:
            return
        # An odd period, so that the samples of the clock do not march in step with anything on the board.
        self._next_ping_ns = now_ns + self.heartbeat_ns + now_ns % (self.heartbeat_ns // 13)
        self._token = (self._token + 1) & 0xFFFFFFFF
        self._pings[self._token] = now_ns
        if len(self._pings) > 50:
            del self._pings[next(iter(self._pings))]
        self.link.write(wire.frame(wire.encode("ping", {"token": self._token, "next_event": self._acknowledged})))

    def _take_control(self, payload: bytes) -> None:
        if payload[0] == _PONG.number and len(payload) == 1 + _PONG.body.size:
            self._take_pong(*_PONG.body.unpack_from(payload, 1)[:2])
            return
        message = wire.decode(payload)
        if message.name == "command_ack":
            self._outbox.taken(int(message.fields["next_command"]), self.link.now_ns())  # type: ignore[arg-type]
            self._push(self.link.now_ns())
        elif message.name == "hello" and self.hello and message.fields["boot"] != self.hello.boot:
            self._inbox.stranger = True

    def _take_pong(self, token: int, stamp_us: int) -> None:
        sent_ns = self._pings.pop(token, None)
        if sent_ns is not None:
            now_ns = self.link.now_ns()
            self.round_trips_ns.append(now_ns - sent_ns)
            self._outbox.patience.answered(now_ns - sent_ns)
            self.clock.add(sent_ns, self._unwrap.unwrap(stamp_us), now_ns)
            self.sampled_ns = sent_ns

    def unwrap_us(self, stamp_us: int) -> int:
        """A u32 stamp as a time that never wraps."""
        return self._unwrap.unwrap(stamp_us)

    # --- what it was like ---------------------------------------------------------------------------------------------

    @property
    def next_event(self) -> int:
        """The number of the next event to be handed up."""
        return self._inbox.next_event

    @property
    def duplicates(self) -> int:
        """Events that came again."""
        return self._inbox.duplicates

    @property
    def resends(self) -> int:
        """How often something was sent, or asked for, again."""
        return self._outbox.resends + self._asked_again

    @property
    def damaged(self) -> int:
        """Frames from the board that were dropped as damaged."""
        return self._splitter.damaged


def _hello(payload: bytes) -> Hello:
    """Raises BoardError for a firmware that speaks another list."""
    fields = wire.decode(payload).fields
    hello = Hello(**{name: int(value) for name, value in fields.items() if isinstance(value, int)})
    if hello.wire_hash != wire.wire_hash():
        raise BoardError(
            f"the board's firmware speaks wire {hello.wire_hash:08x}, this program {wire.wire_hash():08x}:"
            " run `rig flash`"
        )
    return hello
