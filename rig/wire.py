"""The list: every message that crosses between host and board, and nothing else.

This file is the only place where a message, a number or a limit of the wire is written down.
``wire.h`` for the firmware and ``docs/wire.md`` for people are made from it (:mod:`rig.wiregen`);
a test keeps them fresh.

A frame is ``COBS(payload) trailer 0x00``. The trailer holds the CRC-16 of the *encoded* bytes and
their number modulo 32 in three bytes that are never zero. So one, two or three flipped bits, any
damage within two neighbouring bytes, and a byte lost or added before the trailer are found for
certain as long as no zero comes or goes. Where one does, or where a byte of the trailer is lost,
length, CRC and COBS would have to agree by chance (``bench/damage.py`` counts how often they do). A
payload begins with its message's number, then

* control messages: the fields (never numbered, safe to lose or to repeat),
* commands (host to board): ``sequence u8``, the fields,
* events (board to host): ``number u32, board_us u32``, the fields.

May not: read clocks, files or ports. Bytes come in, tuples go out.
"""

from __future__ import annotations

import hashlib
import struct
from binascii import crc_hqx
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from rig.errors import BoardError

try:
    from cobs import cobs
except ImportError:  # a computer that only listens to a stream frames nothing
    cobs = None

VERSION = 1

# What a pin may be for. Roles are fixed: a wiring table, a journal and a protocol always speak of
# the same thing.
OUTPUTS = ("valve", "laser", "mask", "sync", "scan_start", "scan_stop", "next_file", "spare")
INPUTS = ("lick", "frame", "sound_sync", "laser_back", "interlock", "touch", "spare1", "spare2")

END = 0xFF  # target of a transition: the trial is over
NO_INPUT = 0xFF
MAX_PAYLOAD = 64
MAX_TIMER_US = 1 << 30  # times are compared as signed differences; half the range is a margin


class Kind(IntEnum):
    """How a message travels."""

    CONTROL = 0
    COMMAND = 1
    EVENT = 2


class Rule(IntEnum):
    """Lever rules: a window to be inside of, or a press from rest."""

    WINDOW = 1
    PRESS = 2


class Decision(IntEnum):
    """What a lever rule found. The first four can move the trial; the others are for the record."""

    ENTER = 0
    LEAVE = 1
    HELD = 2
    PRESS = 3
    LEFT_REST = 4
    REFUSED = 5  # the press threshold was reached: too late, in the refractory time, or without touch
    AT_REST = 6  # where the lever was when a press rule was armed
    AWAY = 7


class Generator(IntEnum):
    """Output patterns that run beside the states."""

    PULSE = 1
    TRAIN = 2
    TONE = 3
    CODE = 4
    SOUND = 5


class GeneratorMark(IntEnum):
    """Moments in a generator's life."""

    START = 0
    END = 1
    STOPPED = 2
    RAMP = 3


class Cause(IntEnum):
    """Why a state was entered, beside the transition codes below."""

    START = 0x00
    TIMER = 0x01


# A transition code names what can move a trial: base + index.
ON_RULE = 0x10  # + 4 * rule + Decision (ENTER, LEAVE, HELD, PRESS)
ON_INPUT = 0x20  # + 4 * input + InputEdge
ON_HOST = 0x40  # + host event 0..15
ON_GENERATOR = 0x50  # + generator: it ended by itself


class InputEdge(IntEnum):
    """Edge alone, or edge and level: HIGH and LOW are also tested when a state is entered."""

    RISE = 0
    FALL = 1
    HIGH = 2
    LOW = 3


class StateFlag(IntEnum):
    """Bits of a state's ``flags``."""

    ZERO_LEVER = 1


class EndReason(IntEnum):
    """How a trial ended."""

    DONE = 0
    STOPPED = 1
    FAULT = 2


class Fault(IntEnum):
    """Why outputs went safe."""

    DEADMAN = 1
    INTERLOCK = 2
    CEILING = 3
    DUTY = 4
    FIRMWARE = 5
    NOT_ARMED = 6


class Status(IntEnum):
    """The board's answer to a command."""

    OK = 0
    UNKNOWN = 1
    BAD_INDEX = 2
    BAD_VALUE = 3
    LOCKED = 4
    NOT_LOCKED = 5
    BAD_TABLE = 6
    NOT_ARMED = 7
    FAULTED = 8


class BoardKind(IntEnum):
    """Which body answered."""

    SIMULATOR = 1
    MEGA2560 = 2
    UNO328P = 3
    TEENSY4 = 4
    PTY = 5
    FIRMATA = 6


@dataclass(frozen=True)
class Message:
    """One line of the list. ``tail`` names the type of the trailing array, if there is one."""

    name: str
    number: int
    kind: Kind
    to_board: bool
    fields: tuple[tuple[str, str], ...]
    tail: tuple[str, str] | None = None
    doc: str = ""
    body: struct.Struct = field(init=False, repr=False, compare=False)
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        body = struct.Struct("<" + "".join(CODES[kind] for _, kind in self.fields))
        object.__setattr__(self, "body", body)
        tail = (self.tail[0],) if self.tail else ()
        object.__setattr__(self, "names", tuple(name for name, _ in self.fields) + tail)


CODES = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i"}
SIZES = {"u8": 1, "i8": 1, "u16": 2, "i16": 2, "u32": 4, "i32": 4}
WHEN_PER_STATE = 6


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (word.split(":") for word in text.split())
    return tuple((name, kind) for name, kind in pairs)


_WHEN = " ".join(f"on{i}:u8 to{i}:u8" for i in range(WHEN_PER_STATE))

STATE_FIELDS = _fields(f"outputs:u16 start:u8 stop:u8 rules:u8 flags:u8 after_us:u32 after_to:u8 {_WHEN}")
RULE_FIELDS = _fields("kind:u8 gate:u8 lo_counts:i32 hi_counts:i32 hysteresis_counts:u16 time_us:u32 refractory_us:u32")
GENERATOR_FIELDS = _fields(
    "kind:u8 output:u8 level:u8 sound:u8 delay_us:u32 width_us:u32 period_us:u32 count:u16 ramp_us:u32 tone_hz:u16"
)


def _control(name: str, number: int, to_board: bool, fields: str, doc: str) -> Message:
    return Message(name, number, Kind.CONTROL, to_board, _fields(fields), doc=doc)


def _command(name: str, number: int, fields: str, doc: str) -> Message:
    return Message(name, number, Kind.COMMAND, True, _fields(fields), doc=doc)


def _event(name: str, number: int, fields: str, doc: str, tail: tuple[str, str] | None = None) -> Message:
    return Message(name, number, Kind.EVENT, False, _fields(fields), tail=tail, doc=doc)


MESSAGES = (
    _control("hello_ask", 0x01, True, "nonce:u32", "Who is there? Sends again every event not yet acknowledged."),
    _control("ping", 0x02, True, "token:u32 next_event:u32", "Clock sample, heartbeat and acknowledgement in one."),
    _control("ack", 0x03, True, "next_event:u32 resend:u8", "Events below next_event are in the journal."),
    _control(
        "hello",
        0x41,
        False,
        "nonce:u32 wire_hash:u32 board:u8 firmware:u16 boot:u16 states:u8 rules:u8 generators:u8 outputs:u8 inputs:u8"
        " queue_bytes:u16 armed:u8 faults:u16 pins_hash:u32 oldest_event:u32 next_event:u32 next_command:u8",
        "What this board is and can hold, and where both numberings stand.",
    ),
    _control("pong", 0x42, False, "token:u32 board_us:u32 queue_free:u16", "The board's clock when the ping was read."),
    _control("command_ack", 0x43, False, "next_command:u8", "Commands below this number were taken."),
    _command(
        "set_output", 0x10, "output:u8 safe:u8 max_on_us:u32 window_us:u32 max_duty_us:u32", "Safe level and ceilings."
    ),
    _command("set_lever", 0x11, "source:u8 period_us:u32 batch:u8", "Sampling of the lever for the record."),
    _command("set_safety", 0x12, "deadman_us:u32 interlock:u8", "Dead-man time; interlock input, or 255 for none."),
    _command("set_inputs", 0x13, "enabled:u16 invert:u16", "Which inputs are wired; which are active low."),
    _command("lock", 0x14, "", "No ceiling can change until the board is reset."),
    _command("arm", 0x15, "", "The host's explicit word: faults are cleared, outputs may act."),
    _command("stop", 0x16, "at_end:u8", "End the trial now (0) or let it finish and start no other (1)."),
    _command("table_begin", 0x17, "trial:u32 states:u8 rules:u8 generators:u8", "The next trial's table begins."),
    Message("table_state", 0x18, Kind.COMMAND, True, (("index", "u8"), *STATE_FIELDS), doc="One state of it."),
    Message("table_rule", 0x19, Kind.COMMAND, True, (("index", "u8"), *RULE_FIELDS), doc="One lever rule of it."),
    Message(
        "table_generator", 0x1A, Kind.COMMAND, True, (("index", "u8"), *GENERATOR_FIELDS), doc="One generator of it."
    ),
    _command("table_commit", 0x1B, "", "It is whole: check it, and start it when the present trial ends."),
    _command("host_event", 0x1C, "code:u8", "Something the host knows, as a cause of transitions."),
    _command("zero_lever", 0x1D, "", "Where the lever is now is zero."),
    _command("restart", 0x1E, "", "Begin life anew, as after power-on: everything off, nothing remembered."),
    _event("boot", 0x80, "boot:u16 reason:u8", "The board started."),
    _event("trial_begin", 0x81, "trial:u32 gap_us:u32", "A trial's table was switched in, so long after the last."),
    _event("state", 0x82, "state:u8 cause:u8 late_us:u16", "A state was entered; board_us is the nominal entry."),
    _event("trial_end", 0x83, "trial:u32 reason:u8", "The trial is over."),
    _event(
        "lever",
        0x84,
        "period_us:u32 first_counts:i32",
        "Samples: offsets from the first; board_us is the last one's time.",
        tail=("offsets", "i16"),
    ),
    _event(
        "rule", 0x85, "rule:u8 decision:u8 counts:i32 since_us:u32 peak_counts:u16", "A lever rule decided something."
    ),
    _event("input", 0x86, "levels:u16 changed:u16", "Digital inputs changed."),
    _event("output", 0x87, "active:u16 late_us:u16", "Outputs changed: the ones now active, after safety."),
    _event("generator", 0x88, "generator:u8 mark:u8 count:u16", "A generator started, ended, was stopped or ramps."),
    _event("fault", 0x89, "fault:u8 detail:u16", "Outputs went safe; nothing re-arms but by the host's word."),
    _event("armed", 0x8A, "", "Outputs may act."),
    _event("lost", 0x8B, "from_event:u32 to_event:u32", "These events found no room on the board."),
    _event("applied", 0x8C, "sequence:u8 command:u8 status:u8 detail:u16", "A command took effect, or why not."),
    _event(
        "input_error",
        0x8D,
        "illegal:u16 merged_edges:u16 merged_inputs:u16",
        "Both encoder lines changed at once (counts may be wrong), or changes came too fast to be timed one by one.",
    ),
    _event("thinned", 0x8E, "samples:u32", "Lever samples left out before this, for want of room."),
    _event("zeroed", 0x8F, "at_counts:i32", "The lever was zeroed where it stood."),
    _event("sound_due", 0x90, "sound:u8 due_us:u32", "A sound is due then, unless a sound_off comes first."),
    _event("sound_off", 0x91, "sound:u8", "The sound is cancelled, or to be stopped."),
)

BY_NUMBER = {message.number: message for message in MESSAGES}
BY_NAME = {message.name: message for message in MESSAGES}
EVENT_HEADER = struct.Struct("<BII")  # number of the message, event number, board_us


def wire_hash() -> int:
    """First 32 bits of the SHA-256 over the whole list: ends that differ in it must not talk."""
    text = repr([(m.name, m.number, int(m.kind), m.fields, m.tail) for m in MESSAGES])
    text += repr((VERSION, OUTPUTS, INPUTS, END, MAX_PAYLOAD, MAX_TIMER_US))
    for numbers in (Rule, Decision, Generator, GeneratorMark, Cause, InputEdge, StateFlag, EndReason, Fault, Status):
        text += repr([(n.name, int(n)) for n in numbers])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


# --- frames ---------------------------------------------------------------------------------------


_MAX_PIECE = MAX_PAYLOAD + 4  # one code byte and the trailer; a payload never needs a second
_UPPER = [bytes((0x80 | bits >> 7, 0x80 | bits & 0x7F)) for bits in range(1 << 14)]
_LOWER = [bytes((0x80 | bits,)) for bits in range(1 << 7)]


def _trailer(encoded: bytes) -> bytes:
    crc = crc_hqx(encoded, 0xFFFF)
    return _UPPER[crc >> 2] + _LOWER[(crc & 3) << 5 | len(encoded) & 31]


def frame(payload: bytes) -> bytes:
    """The bytes on the wire for a payload of 1..MAX_PAYLOAD bytes, delimiter included."""
    encoded: bytes = cobs.encode(payload)
    return encoded + _trailer(encoded) + b"\0"


class FrameSplitter:
    """Bytes as they come in, whole undamaged payloads out.

    Anything damaged is counted in ``damaged`` and dropped: the numbering finds out what it was.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads completed by ``data``, in order."""
        *pieces, self._rest = (self._rest + data).split(b"\0")
        payloads = []
        for piece in pieces:
            encoded = piece[:-3]
            crc = crc_hqx(encoded, 0xFFFF)  # _trailer, without the cost of calling it
            expected = _UPPER[crc >> 2] + _LOWER[(crc & 3) << 5 | len(encoded) & 31]
            if piece[-3:] == expected and 5 <= len(piece) <= _MAX_PIECE:
                try:
                    payloads.append(cobs.decode(encoded))
                    continue
                except cobs.DecodeError:
                    pass
            self.damaged += bool(piece)
        if len(self._rest) > 2 * _MAX_PIECE:  # noise: do not hoard it, but let it count as damaged
            self._rest = self._rest[: _MAX_PIECE + 1]
        return payloads


# --- payloads -------------------------------------------------------------------------------------


class Decoded(NamedTuple):
    """A payload, taken apart. ``number``: of the event, or the command's sequence (control: 0)."""

    name: str
    number: int
    board_us: int
    fields: dict[str, int | tuple[int, ...]]


def encode(name: str, values: dict[str, int], sequence: int | None = None) -> bytes:
    """The payload of a control message, or of a command where ``sequence`` is given.

    A value that is missing or does not fit raises BoardError naming the field.
    """
    message = BY_NAME[name]
    head = bytes((message.number,)) if sequence is None else bytes((message.number, sequence))
    try:
        return head + message.body.pack(*map(values.__getitem__, message.names))
    except (struct.error, KeyError) as error:
        for key, kind in message.fields:
            size = 8 * SIZES[kind]
            low, high = (0, (1 << size) - 1) if kind[0] == "u" else (-(1 << size - 1), (1 << size - 1) - 1)
            if key not in values or not low <= values[key] <= high:
                raise BoardError(f"{name}: {key} = {values.get(key)} does not fit {low}..{high}") from error
        raise


def encode_event(name: str, number: int, board_us: int, values: dict[str, int], tail: tuple[int, ...] = ()) -> bytes:
    """The payload of an event, as a board would send it (for bodies written in Python)."""
    message = BY_NAME[name]
    body = message.body.pack(*(values[key] for key, _ in message.fields))
    extra = b""
    if message.tail:
        extra = struct.pack(f"<{len(tail)}{CODES[message.tail[1]]}", *tail)
    return EVENT_HEADER.pack(message.number, number & 0xFFFFFFFF, board_us & 0xFFFFFFFF) + body + extra


def decode(payload: bytes) -> Decoded:
    """Take a payload apart. Raises BoardError where the number is unknown or the length is wrong."""
    message = BY_NUMBER.get(payload[0]) if payload else None
    if message is None:
        raise BoardError(f"message 0x{payload[:1].hex() or '?'} is not on the list (docs/wire.md)")
    number = board_us = 0
    start = 1
    try:
        if message.kind is Kind.EVENT:
            _, number, board_us = EVENT_HEADER.unpack_from(payload)
            start = EVENT_HEADER.size
        elif message.kind is Kind.COMMAND:
            number, start = payload[1], 2
        values = message.body.unpack_from(payload, start)
    except (struct.error, IndexError):
        raise BoardError(f"{message.name}: {len(payload)} bytes are too few") from None
    fields: dict[str, int | tuple[int, ...]] = dict(zip(message.names, values, strict=False))
    rest = payload[start + message.body.size :]
    if message.tail:
        name, kind = message.tail
        if len(rest) % SIZES[kind]:
            raise BoardError(f"{message.name}: {len(payload)} bytes end inside {name}")
        fields[name] = struct.unpack(f"<{len(rest) // SIZES[kind]}{CODES[kind]}", rest)
    elif rest:
        raise BoardError(f"{message.name}: {len(payload)} bytes are too many")
    return Decoded(message.name, number, board_us, fields)
