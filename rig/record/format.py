"""The journal's format: bytes in, records out.

Floor 0: pure. It opens no file and knows no record kinds: a payload is bytes. docs/journal.md
describes the format, docs/decisions/journal-format.md gives the reasons.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload
from zlib import crc32

MAGIC = b"rig journal 1\n"
SYNC = b"\xf5\xa9"  # in no UTF-8 text, and not in zeros
PAYLOAD_LIMIT_BYTES = 1 << 24

# A record is a frame (sync, check), a body (length of the payload, kind, host_ns) and the payload.
# check = CRC-32 of body and payload, XOR the low 32 bits of the record's offset in the file.
FRAME = struct.Struct("<2sI")
BODY = struct.Struct("<IBq")
FRAME_BYTES, BODY_BYTES, HEAD_BYTES = FRAME.size, BODY.size, FRAME.size + BODY.size
LOW32 = 0xFFFFFFFF
_START = struct.Struct("<2sII")  # sync, check, length: all that a scan looks at


class Record(NamedTuple):
    kind: int
    host_ns: int
    payload: bytes
    offset: int  # in the file, of its first byte


class Damage(NamedTuple):
    """Bytes that are no whole record."""

    offset: int
    length: int
    reason: str

    def __str__(self) -> str:
        return f"{self.length} bytes at offset {self.offset} are no record: {self.reason}"


class Scan(NamedTuple):
    """Where the whole records begin (file offsets), what lies between them, where the last ends."""

    offsets: array[int]
    damage: list[Damage]
    end: int


def scan(data: bytes, base: int = 0) -> Scan:
    """Find every whole record in ``data``, which begins at file offset ``base``.

    The offsets are an ``array('Q')``: ``numpy.frombuffer(offsets, 'u8')`` takes it without a copy.
    A Damage that reaches the end of the data is a torn tail, and its reason says so.
    """
    offsets: array[int] = array("Q")
    damage: list[Damage] = []
    at = end = _run(data, 0, base, offsets)
    while at < len(data):
        at = _next_whole(data, at + 1, base)
        reason = _reason(data, end, at)
        damage.append(Damage(base + end, at - end, reason))
        if at < len(data):
            at = end = _run(data, at, base, offsets)
    return Scan(offsets, damage, base + end)


def _run(data: bytes, at: int, base: int, offsets: array[int]) -> int:
    """Collect record after record from ``at`` on; return where the run ends."""
    start, size = _START.unpack_from, len(data)
    last = size - HEAD_BYTES
    while at <= last:
        sync, check, length = start(data, at)
        after = at + HEAD_BYTES + length
        if sync != SYNC or after > size or length > PAYLOAD_LIMIT_BYTES:
            break
        if crc32(data[at + FRAME_BYTES : after]) ^ (base + at & LOW32) != check:
            break
        offsets.append(base + at)
        at = after
    return at


def _next_whole(data: bytes, at: int, base: int) -> int:
    """Where the next whole record begins, or the end of the data."""
    last = len(data) - HEAD_BYTES
    at = data.find(SYNC, at)
    while 0 <= at <= last:
        _, check, length = _START.unpack_from(data, at)
        after = at + HEAD_BYTES + length
        if (
            after <= len(data)
            and length <= PAYLOAD_LIMIT_BYTES
            and crc32(data[at + FRAME_BYTES : after]) ^ (base + at & LOW32) == check
        ):
            return at
        at = data.find(SYNC, at + 1)
    return len(data)


def _reason(data: bytes, start: int, end: int) -> str:
    torn = "torn tail, " if end == len(data) else ""
    chunk = data[start:end]
    if chunk.count(0) == len(chunk):
        return torn + "zero-filled"
    if not chunk.startswith(SYNC) and chunk != SYNC[:1]:
        return torn + "no record begins here"
    length = int.from_bytes(chunk[6:10], "little")
    if torn and (len(chunk) < HEAD_BYTES or len(chunk) < HEAD_BYTES + length):
        return torn + "cut short"
    return torn + "the check fails: bytes changed, or written in the wrong place"


class Journal(Sequence[Record]):
    """What was read of a journal: its whole records in order, and the damage between them.

    Records are decoded when asked for. ``data[offset - base]`` is the byte at a file offset.
    """

    def __init__(self, data: bytes, base: int, found: Scan) -> None:
        self.data, self.base = data, base
        self.offsets, self.damage, self.end = found

    @property
    def torn(self) -> bool:
        """Something follows the last whole record: the writer was cut off, or is still at work."""
        return self.end < self.base + len(self.data)

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[Record]:
        data, base, body, new = self.data, self.base, BODY.unpack_from, tuple.__new__
        for offset in self.offsets:
            at = offset - base + HEAD_BYTES
            length, kind, host_ns = body(data, at - BODY_BYTES)
            yield new(Record, (kind, host_ns, data[at : at + length], offset))

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        offset = self.offsets[index]
        at = offset - self.base + HEAD_BYTES
        length, kind, host_ns = BODY.unpack_from(self.data, at - BODY_BYTES)
        return Record(kind, host_ns, self.data[at : at + length], offset)
