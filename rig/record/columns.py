"""A journal as columns: every record's place, kind and time at once, and the lever as one trace.

Floor 0: bytes in, arrays out. For whole studies, where decoding event by event is too slow. A record is believed only
when it is what was written, as everywhere: by the seals, which are quick to check a block at a time, and where there is
none yet, by the record's own check.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rig import wire
from rig.errors import RecordError
from rig.events import Kind, read_json
from rig.record import seal
from rig.record.format import FRAME_BYTES, HEAD_BYTES, LOW32, MAGIC, PAYLOAD_LIMIT_BYTES, SYNC, Journal, Scan, scan

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# What is looked at of every record, and of events as well, read in one go: a journal is larger than a cache.
_HEAD = np.dtype(
    {
        "names": ["check", "size", "kind", "host_ns", "message", "number", "stamp_us"],
        "formats": ["<u4", "<u4", "u1", "<i8", "u1", "<u4", "<u4"],
        "offsets": [2, FRAME_BYTES, FRAME_BYTES + 4, FRAME_BYTES + 5, HEAD_BYTES, HEAD_BYTES + 1, HEAD_BYTES + 5],
        "itemsize": HEAD_BYTES + 9,
    }
)
_PIECE = 1 << 19  # bytes read at a time
_BODY_AT = HEAD_BYTES + wire.EVENT_HEADER.size
_LEVER, _ZEROED = wire.BY_NAME["lever"], wire.BY_NAME["zeroed"]


@dataclass(frozen=True)
class Lever:
    """The samples of a session: board µs and counts (n,), counts as if the lever had never been zeroed."""

    t_us: Ints
    counts: Ints


class Columns:
    """The whole records of a journal's bytes, header included, in order; row i of every column is record i.

    Where the file is whole, rows are found by the chain of lengths; else by the journal's own scan. ``damaged`` counts
    the stretches that are no record, or, where every record's check holds, the sealed blocks that were changed.
    """

    def __init__(self, data: bytes) -> None:
        if not data.startswith(MAGIC):
            raise RecordError("not a journal: its header is missing; run `rig verify` on it")
        self.data = data
        found = _chain(data)
        self.at, self._heads = _picked(data, np.empty(0, np.int64)) if found is None else found
        self.damaged = changed = self._changed()
        if found is None or changed:
            slow = scan(data[len(MAGIC) :], len(MAGIC))
            self.at, self._heads = _picked(data, np.frombuffer(slow.offsets, np.uint64).astype(np.int64))
            self.damaged = len(slow.damage) or changed
            for name in ("kind", "size"):  # which were those of the chain
                vars(self).pop(name)

    def _changed(self) -> int:
        """How many sealed blocks are not what was sealed, and how many records after the last seal fail their check."""
        seals = self.note_rows("seal")
        told = np.union1d(seals, np.flatnonzero(self.kind == Kind.SUMMARY))  # the last seal holds the summary too
        offsets = array("Q", self.at[told].tolist())
        blocks = list(seal.blocks(Journal(self.data, 0, Scan(offsets, [], len(self.data)))))
        after = np.flatnonzero(self.at >= (blocks[-1].end if blocks else 0))
        return sum(not block.whole for block in blocks) + int((~self._sound(after)).sum())

    def _field(self, offset: int, kind: str, rows: Ints) -> NDArray[Any]:
        return _read(self.data, self.at[rows] + offset, kind)

    @cached_property
    def size(self) -> Ints:
        """Bytes of each payload."""
        return self._heads["size"].astype(np.int64)

    @cached_property
    def kind(self) -> NDArray[np.uint8]:
        """What kind of record each is (:class:`rig.events.Kind`)."""
        return np.ascontiguousarray(self._heads["kind"])

    @cached_property
    def message(self) -> NDArray[np.uint8]:
        """The message's number where the record is an event or a command, else 0."""
        carries = ((self.kind == Kind.EVENT) | (self.kind == Kind.COMMAND)) & (self.size > 0)
        return np.asarray(self._heads["message"] * carries)

    @cached_property
    def events(self) -> Ints:
        """The rows that are events."""
        return np.flatnonzero((self.kind == Kind.EVENT) & (self.size >= wire.EVENT_HEADER.size))

    @cached_property
    def host_ns(self) -> Ints:
        """When the host had it."""
        return self._heads["host_ns"].astype(np.int64)

    @cached_property
    def board_us(self) -> Ints:
        """Board time of each event, unwrapped as :class:`rig.clock.Unwrapper` does; -1 for other records."""
        stamps = self._heads["stamp_us"][self.events]
        times = np.full(len(self.at), -1, np.int64)
        if len(stamps):
            # A difference taken as signed finds the nearest: right as long as neighbours are within 35 minutes.
            steps = np.diff(stamps).view(np.int32)
            times[self.events] = int(stamps[0]) + np.append(0, np.cumsum(steps, dtype=np.int64))
        return times

    def rows(self, *messages: str) -> Ints:
        """The events of these names."""
        wanted = np.zeros(256, np.bool_)
        wanted[[wire.BY_NAME[name].number for name in messages]] = True
        rows = np.flatnonzero(wanted[self.message])
        are: NDArray[np.bool_] = (self.kind[rows] == Kind.EVENT) & (self.size[rows] >= wire.EVENT_HEADER.size)
        return rows[are]

    def note_rows(self, name: str) -> Ints:
        """The notes of this name, as :func:`rig.events.note` writes them."""
        notes, begins = np.flatnonzero(self.kind == Kind.NOTE), f'{{"note":"{name}"'.encode()
        notes = notes[self.size[notes] >= len(begins)]
        same: NDArray[np.bool_] = (self._field(HEAD_BYTES, f"({len(begins)},)u1", notes) == list(begins)).all(axis=1)
        return notes[same]

    def notes(self, name: str) -> Iterator[dict[str, Any]]:
        """What the notes of this name say."""
        return (read_json(self.payload(row)) for row in self.note_rows(name).tolist())

    def payload(self, row: int) -> bytes:
        """The payload of a record."""
        begin = int(self.at[row]) + HEAD_BYTES
        return self.data[begin : begin + int(self.size[row])]

    def bodies(self, message: str, rows: Ints) -> NDArray[np.uint8]:
        """What these events of one name say, as bytes (rows, n): all of a fixed size, so without a tail."""
        return self._field(_BODY_AT, f"({wire.BY_NAME[message].body.size},)u1", rows)

    def numbers(self, rows: Ints) -> Ints:
        """The event number of each of these rows."""
        return np.asarray(self._heads["number"][rows].astype(np.int64))

    def _sound(self, rows: Ints) -> NDArray[np.bool_]:
        """Whether the check of each of these records holds."""
        view = memoryview(self.data)
        begin = self.at[rows] + FRAME_BYTES
        end = begin + (HEAD_BYTES - FRAME_BYTES) + self.size[rows]
        pairs = zip(begin.tolist(), end.tolist(), strict=True)
        sums = np.fromiter((crc32(view[a:b]) for a, b in pairs), np.uint32, len(rows))
        return np.asarray(sums ^ (self.at[rows] & LOW32).astype(np.uint32) == self._heads["check"][rows])

    @cached_property
    def lever(self) -> Lever:
        """Every lever sample. Raises RecordError where there is none."""
        rows = self.rows("lever")
        rows = rows[self.size[rows] > _BODY_AT - HEAD_BYTES + _LEVER.body.size]
        if not len(rows):
            raise RecordError("the record holds no lever samples")
        samples = (self.size[rows] - (_BODY_AT - HEAD_BYTES) - _LEVER.body.size) // 2
        ends = np.cumsum(samples)
        t_us, counts = np.empty(int(ends[-1]), np.int64), np.empty(int(ends[-1]), np.int64)
        first = self._field(_BODY_AT + 4, "<i4", rows).astype(np.int64) + self._zeros(rows)
        period_us = self._field(_BODY_AT, "<u4", rows).astype(np.int64)
        for n in np.unique(samples).tolist():  # batches of one size at a time: few sizes, many batches
            mine = np.flatnonzero(samples == n)
            place = (ends[mine] - n)[:, None] + np.arange(n)
            offsets = _read(self.data, self.at[rows[mine]] + _BODY_AT + _LEVER.body.size, f"({n},)<i2")
            counts[place] = first[mine, None] + offsets
            t_us[place] = self.board_us[rows[mine], None] - period_us[mine, None] * np.arange(n - 1, -1, -1)
        return Lever(t_us, counts)

    def _zeros(self, rows: Ints) -> Ints:
        """What zeroing has taken off the counts told in each of these rows."""
        zeroed = self.rows("zeroed")
        steps = self._field(_BODY_AT, "<i4", zeroed).astype(np.int64)
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])
        return np.asarray(total[np.searchsorted(zeroed, rows)])


def even_trace(lever: Lever, period_us: int = 1000) -> tuple[int, Ints]:
    """The lever on an even grid: its first time (board µs) and counts (n,).

    Where samples are missing the lever is taken to stand still; where two claim one place the later one has it.
    """
    begin_us = int(lever.t_us[0])
    place = (lever.t_us - begin_us + period_us // 2) // period_us
    if place[-1] == len(place) - 1 and (np.diff(place) == 1).all():
        return begin_us, lever.counts
    keep = place >= 0
    last = np.full(int(place.max()) + 1, -1, np.int64)
    last[place[keep]] = np.flatnonzero(keep)
    return begin_us, lever.counts[np.maximum.accumulate(last)]


def _read(data: bytes, at: Ints, kind: str) -> NDArray[Any]:
    """Little-endian numbers at any byte places: (places,), or (places, n) for a kind such as ``(10,)<i2``."""
    wanted = np.dtype(kind)
    width = wanted.itemsize
    # Windows of bytes that overlap, picked as they are: numpy copies each in one go, aligned or not.
    windows = np.ndarray((max(len(data) - width + 1, 0),), f"V{width}", data, strides=(1,))
    return windows[at].view(wanted.base).reshape(len(at), *wanted.shape)


def _picked(data: bytes, at: Ints) -> tuple[Ints, NDArray[Any]]:
    """Places of records, and their heads."""
    return at, _read(data + bytes(_HEAD.itemsize), at, f"V{_HEAD.itemsize}").view(_HEAD)


def _chain(data: bytes) -> tuple[Ints, NDArray[Any]] | None:
    """Places and heads of records, if one follows the other from the header to the file's end; else None."""
    width = _HEAD.itemsize
    places, heads = [], []
    for begin in range(len(MAGIC), len(data), _PIECE):
        piece = data[begin : begin + _PIECE + width].ljust(_PIECE + width, b"\0")
        bytes_ = np.frombuffer(piece, np.uint8)
        marks = np.flatnonzero(bytes_[1 : _PIECE + 1] == SYNC[1])
        marks = marks[bytes_[marks] == SYNC[0]]
        places.append(marks + begin)
        heads.append(_read(piece, marks, f"V{width}"))
    if not places:
        return _picked(data, np.empty(0, np.int64))
    at, head = np.concatenate(places), np.concatenate(heads)
    sizes = head.view(_HEAD)["size"].astype(np.int64)
    rows = _follow(at, at + HEAD_BYTES + sizes, sizes, len(MAGIC), len(data))
    return None if rows is None else (at[rows], head[rows].view(_HEAD))


def _follow(at: Ints, following: Ints, sizes: Ints, begin: int, end: int) -> Ints | None:
    """Which marks are reached from the first by the lengths: the others are bytes that look like one."""
    if not len(at) or at[0] != begin:
        return None
    breaks = np.flatnonzero(np.append(following[:-1] != at[1:], True))
    parts: list[Ints] = []
    here = 0
    while True:
        stop = int(breaks[np.searchsorted(breaks, here)])
        parts.append(np.arange(here, stop + 1))
        target = int(following[stop])
        if target == end:
            rows = np.concatenate(parts)
            return rows if (sizes[rows] <= PAYLOAD_LIMIT_BYTES).all() else None
        here = int(np.searchsorted(at, target))
        if here >= len(at) or at[here] != target:
            return None
