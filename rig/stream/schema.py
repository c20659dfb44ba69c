"""What the stream says: topics, messages, requests and answers. docs/stream.md is made from this file.

Pure: records of a journal go in, bytes for the wire come out, and which records came before is all that decides. So the
live stream and an answer out of the journal say the same of the same record, byte for byte.
"""

from __future__ import annotations

import copy
import struct
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from rig import events, wire
from rig.clock import WRAP
from rig.errors import RigError
from rig.events import Kind
from rig.record.format import BODY

VERSION = 1

TOPICS = {
    "session": "how it began (the manifest), what the host noted, how it ended (the summary, its last record)",
    "trial": "trials begin and end, states are entered; what a trial's numbers mean",
    "decision": "a lever rule decided",
    "lever": "samples of the lever, a batch a message; the lever was zeroed",
    "light": "laser or mask go on or off; the laser's copy came back",
    "reward": "the valve opens or closes",
    "frame": "edges of the microscope's frame clock, and faults found in it",
    "lick": "the tongue touches or leaves the spout",
    "input": "any other input changes",
    "output": "any other output changes: sync, scan_start, scan_stop, next_file, spare",
    "generator": "a generator starts, ends, is stopped or ramps",
    "sound": "a sound is due, or taken back",
    "board": "the board begins, is armed, faults, answers a command, or could not keep something",
    "clock": "the line between the board's clock and the rig computer's, with its bound",
    "command": "what the board was told",
    "beat": "no record: each second, how many records there are",
}

_OF_EVENT = {
    **dict.fromkeys(("trial_begin", "state", "trial_end"), "trial"),
    **dict.fromkeys(("lever", "zeroed", "thinned"), "lever"),
    **dict.fromkeys(("sound_due", "sound_off"), "sound"),
    "rule": "decision",
    "generator": "generator",
}
_OF_NOTE = {"trial": "trial", "clock": "clock", "frame": "frame"}
# An edge that concerns several topics goes out once, under the first of them.
_OF_OUTPUT = (("light", ("laser", "mask")), ("reward", ("valve",)))
_OF_INPUT = (("light", ("laser_back",)), ("frame", ("frame",)), ("lick", ("lick",)))
_SAYS_AGAIN = frozenset(("state", "rule", "generator", "input", "trial_end", "sound_due", "sound_off"))
KNOWN = 500
_EVENT = int(Kind.EVENT)
_STAMP_AT, _STAMP_END = wire.EVENT_HEADER.size - 4, wire.EVENT_HEADER.size
_stamp = struct.Struct("<I").unpack_from
MAX_REQUEST_BYTES = 512
REPLY_BYTES = 256 << 10
REPLY_MESSAGES = 500


class Message(msgspec.Struct, array_like=True, frozen=True):
    """One record of the rig's journal. On the wire it is a msgpack array of these, in this order."""

    session: str  # whose: <subject>/<date>_<n>, the session's folder below the rig's data folder
    number: int  # of the record in that session, from 0: none is left out, so a gap is a loss
    topic: str  # as in the table above
    nth: int  # of this topic, from 0: whoever subscribes to some topics only sees gaps here
    kind: int  # 1 manifest, 2 event, 3 command, 4 note, 5 summary; 0 in a beat
    host_ns: int  # the rig computer's monotonic clock when the record was made
    payload: bytes  # the record's bytes in the journal (docs/wire.md, docs/journal.md)
    name: str  # of the event, command or note; or manifest, summary, beat
    board_us: int | None  # events: the board's clock at the moment itself; it never wraps
    at_ns: int | None  # events: that moment on the rig computer's monotonic clock
    bound_us: float | None  # how far at_ns may be off; null before the clocks are known to each other
    fields: dict[str, Any]  # what it says, with names instead of numbers


class Ping(msgspec.Struct, array_like=True, tag="ping", forbid_unknown_fields=True):
    """How late is it, how far are you? ``session`` "" means the present one; ``have`` is how many records I hold."""

    id: int  # any number; the answer bears it
    session: str  # whose
    have: int  # records held, which the rig shows


class From(msgspec.Struct, array_like=True, tag="from", forbid_unknown_fields=True):
    """The records from ``number`` on, please; ``check`` is the :func:`check` of the one before it (0 for none)."""

    id: int  # any number; the answer bears it
    session: str  # whose
    number: int  # of the first record wanted
    check: int  # of the record before it


class Pong(msgspec.Struct, array_like=True, tag="pong"):
    """``rig_ns``: when the ping was read, on the clock of ``host_ns`` and ``at_ns`` (null after the session)."""

    id: int  # the request's; 0: nobody asked, the session has ended and you still copy it as far as the rig knows
    rig_ns: int | None  # when the ping was read
    now: str  # the present session
    session: str  # the one asked for
    state: str  # live, complete (it has a summary), interrupted (it has none, and nobody writes), unknown
    count: int  # records it has
    digest: str  # SHA-256 over its records (length u32, kind u8, host_ns i64, payload), unless it is live


class Records(msgspec.Struct, array_like=True, tag="records"):
    """Records in order, the first one asked for at the front; none where there are no more (yet)."""

    id: int  # the request's
    session: str  # whose
    count: int  # records there are in all
    messages: list[Message]  # in order


class Differs(msgspec.Struct, array_like=True, tag="differs"):
    """What you hold is not what the journal holds (or there is no such session): set yours aside, begin at 0."""

    id: int  # the request's
    session: str  # whose


Request = Ping | From
Answer = Pong | Records | Differs

_encode = msgspec.msgpack.Encoder().encode
read_message = msgspec.msgpack.Decoder(Message).decode
read_request = msgspec.msgpack.Decoder(Request).decode
read_answer = msgspec.msgpack.Decoder(Answer).decode
encode = _encode


def check(kind: int, host_ns: int, payload: bytes) -> int:
    """CRC-32 of a record's content."""
    return crc32(BODY.pack(len(payload), kind, host_ns) + payload)


class Line(NamedTuple):
    """Board time to host time, as a ``clock`` note says it."""

    board_us: int
    host_ns: int
    ns_per_us: float
    error_us: float
    drift_error_ppm: float


class Maker:
    """Turns the records of one journal, from its first, into messages. ``number`` is the next one's."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.number = 0
        self._reader = events.EventReader()
        self._nth = dict.fromkeys(TOPICS, 0)
        self._active: tuple[str, ...] = ()
        self._line: Line | None = None
        self._newest_us = 0
        self._known: dict[bytes, tuple[str, str, msgspec.Raw]] = {}

    def copy(self) -> Maker:
        """Another one that has seen the same records."""
        twin = copy.copy(self)
        twin._reader, twin._nth, twin._known = self._reader.copy(), dict(self._nth), {}
        return twin

    def make(self, kind: int, host_ns: int, payload: bytes) -> tuple[str, bytes]:
        """``(topic, message)`` of the next record."""
        board_us = at_ns = bound_us = None
        fields: dict[str, Any] | msgspec.Raw
        if kind == _EVENT:
            try:
                board_us, topic, name, fields = self._event(host_ns, payload)
                at_ns, bound_us = self._place(board_us, host_ns)
            except RigError:  # a record of another firmware's: its bytes are passed on as they are
                topic, name, fields = "board", "unknown", {}
        else:
            topic, name, fields = self._other(kind, payload)
        nth = self._nth[topic]
        self._nth[topic] = nth + 1
        number = self.number
        self.number = number + 1
        head = (self.session, number, topic, nth, kind, host_ns, payload, name)
        return topic, _encode((*head, board_us, at_ns, bound_us, fields))

    def beat(self, host_ns: int) -> bytes:
        """The message that says how far the stream is: its number is the next record's."""
        counts = {"counts": self._nth}
        return _encode((self.session, self.number, "beat", 0, 0, host_ns, b"", "beat", None, None, None, counts))

    def _event(self, host_ns: int, payload: bytes) -> tuple[int, str, str, dict[str, Any] | msgspec.Raw]:
        """An event's time, topic, name and fields. Most say what one before them has said, and are not read again."""
        says = payload[:1] + payload[_STAMP_END:]
        known = self._known.get(says)
        if known is not None:
            return self._reader.unwrap_us(_stamp(payload, _STAMP_AT)[0]), *known
        _, board_us, _, name, fields = self._reader.read(host_ns, payload)
        topic = _OF_EVENT.get(name) or self._topic_of(name, fields)
        if name == "trial_begin":  # from here on the numbers mean something else
            self._known.clear()
        elif name in _SAYS_AGAIN:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[says] = topic, name, msgspec.Raw(_encode(fields))
        return board_us, topic, name, fields

    def _topic_of(self, name: str, fields: dict[str, Any]) -> str:
        if name == "output":
            changed = set(self._active) ^ set(fields["active"])
            self._active = fields["active"]
            return _first(changed, _OF_OUTPUT, "output")
        if name == "input":
            return _first(set(fields["changed"]), _OF_INPUT, "input")
        return "board"

    def _place(self, board_us: int, host_ns: int) -> tuple[int, float | None]:
        """When that was on the host's clock: on the newest line, or when it came in where there is none yet."""
        self._newest_us = board_us
        line = self._line
        if line is None:
            return host_ns, None
        after_us = board_us - line.board_us
        return line.host_ns + int(after_us * line.ns_per_us), line.error_us + abs(after_us) * line.drift_error_ppm / 1e6

    def _other(self, kind: int, payload: bytes) -> tuple[str, str, dict[str, Any]]:
        """Records that are no events."""
        try:
            if kind == Kind.COMMAND:
                found = wire.decode(payload)
                return "command", found.name, found.fields
            fields = events.read_json(payload)
            if kind == Kind.NOTE:
                self._reader.learn(fields)
                if fields.get("note") != "clock":
                    self._known.clear()
        except (RigError, KeyError, TypeError):
            return "session", "unknown", {}
        if kind != Kind.NOTE:
            return "session", "summary" if kind == Kind.SUMMARY else "manifest", fields
        name = str(fields.pop("note", "note"))
        if name == "clock":
            line = Line(*(fields[key] for key in Line._fields))
            # The session may have begun to count wraps of the board's clock one wrap earlier or later than we did.
            wraps = round((self._newest_us - line.board_us) / WRAP)
            self._line = line._replace(board_us=line.board_us + wraps * WRAP)
        return _OF_NOTE.get(name, "session"), name, fields


def _first(changed: set[str], order: tuple[tuple[str, tuple[str, ...]], ...], other: str) -> str:
    return next((topic for topic, roles in order if changed.intersection(roles)), other)
