"""A journal as columns: every record's place, kind and time at once, and the lever as one trace.

Floor 0: bytes in, arrays out. For whole studies, where decoding event by event is too slow; a record is believed only
when its check holds (:meth:`Columns.sound`), as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rig import wire
from rig.errors import RecordError
from rig.events import Kind
from rig.record.format import FRAME_BYTES, HEAD_BYTES, LOW32, MAGIC, PAYLOAD_LIMIT_BYTES, SYNC, scan

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_SYNC = int.from_bytes(SYNC, "little")
_CHECK_AT, _LENGTH_AT, _KIND_AT, _HOST_AT = 2, FRAME_BYTES, FRAME_BYTES + 4, FRAME_BYTES + 5
_NUMBER_AT, _STAMP_AT = HEAD_BYTES + 1, HEAD_BYTES + 5
_BODY_AT = HEAD_BYTES + wire.EVENT_HEADER.size
_LEVER, _ZEROED = wire.BY_NAME["lever"], wire.BY_NAME["zeroed"]


@dataclass(frozen=True)
class Lever:
    """The samples of a session: board µs and counts (n,), counts as if the lever had never been zeroed."""

    t_us: Ints
    counts: Ints


class Columns:
    """The records of a journal's bytes, header included, in order; row i of every column is record i.

    Where the file is whole, rows are found by the chain of lengths; else by the journal's own scan, and ``damaged``
    says how many stretches were no record.
    """

    def __init__(self, data: bytes) -> None:
        if not data.startswith(MAGIC):
            raise RecordError("not a journal: its header is missing; run `rig verify` on it")
        self.data = data
        self._bytes: NDArray[np.uint8] = np.frombuffer(data, np.uint8)
        found = _chain(self._bytes)
        self.damaged = 0
        if found is None:
            slow = scan(data[len(MAGIC) :], len(MAGIC))
            found, self.damaged = np.frombuffer(slow.offsets, np.uint64).astype(np.int64), len(slow.damage)
        self.at = found

    def _field(self, offset: int, kind: str, rows: Ints | None = None) -> NDArray[Any]:
        return _read(self._bytes, (self.at if rows is None else self.at[rows]) + offset, kind)

    @cached_property
    def size(self) -> Ints:
        """Bytes of each payload."""
        return self._field(_LENGTH_AT, "<u4").astype(np.int64)

    @cached_property
    def kind(self) -> NDArray[np.uint8]:
        """What kind of record each is (:class:`rig.events.Kind`)."""
        return self._bytes[self.at + _KIND_AT]

    @cached_property
    def message(self) -> NDArray[np.uint8]:
        """The message's number where the record is an event or a command, else 0."""
        message = self._bytes[np.minimum(self.at + HEAD_BYTES, len(self._bytes) - 1)]
        carries = (self.kind == Kind.EVENT) | (self.kind == Kind.COMMAND)
        return np.where(carries & (self.size > 0), message, 0).astype(np.uint8)

    @cached_property
    def events(self) -> Ints:
        """The rows that are events."""
        return np.flatnonzero((self.kind == Kind.EVENT) & (self.size >= wire.EVENT_HEADER.size))

    @cached_property
    def host_ns(self) -> Ints:
        """When the host had it."""
        return self._field(_HOST_AT, "<i8").astype(np.int64)

    @cached_property
    def board_us(self) -> Ints:
        """Board time of each event, unwrapped as :class:`rig.clock.Unwrapper` does; -1 for other records."""
        stamps = self._field(_STAMP_AT, "<u4", self.events).astype(np.int64)
        # A difference of stamps taken as signed finds the nearest: right as long as neighbours are within 35 minutes.
        steps = (np.diff(stamps) + (1 << 31)) % (1 << 32) - (1 << 31)
        times = np.full(len(self.at), -1, np.int64)
        if len(stamps):
            times[self.events] = np.concatenate([stamps[:1], stamps[0] + np.cumsum(steps)])
        return times

    def rows(self, *messages: str) -> Ints:
        """The events of these names."""
        numbers = [wire.BY_NAME[name].number for name in messages]
        return self.events[np.isin(self.message[self.events], numbers)]

    def payload(self, row: int) -> bytes:
        """The payload of a record."""
        begin = int(self.at[row]) + HEAD_BYTES
        return self.data[begin : begin + int(self.size[row])]

    def bodies(self, message: str, rows: Ints) -> NDArray[np.uint8]:
        """What these events of one name say, as bytes (rows, n): all of a fixed size, so without a tail."""
        return self._field(_BODY_AT, f"({wire.BY_NAME[message].body.size},)u1", rows)

    def begin_with(self, text: bytes, rows: Ints) -> NDArray[np.bool_]:
        """Which of these rows have a payload that begins so."""
        found = self.size[rows] >= len(text)
        found[found] = (self._field(HEAD_BYTES, f"({len(text)},)u1", rows[found]) == list(text)).all(axis=1)
        return found

    def numbers(self, rows: Ints) -> Ints:
        """The event number of each of these rows."""
        return self._field(_NUMBER_AT, "<u4", rows).astype(np.int64)

    def sound(self, rows: Ints) -> NDArray[np.bool_]:
        """Whether the check of each of these records holds."""
        view = memoryview(self.data)
        begin = self.at[rows] + FRAME_BYTES
        end = begin + (HEAD_BYTES - FRAME_BYTES) + self.size[rows]
        pairs = zip(begin.tolist(), end.tolist(), strict=True)
        sums = np.fromiter((crc32(view[a:b]) for a, b in pairs), np.uint32, len(rows))
        checks = self._field(_CHECK_AT, "<u4", rows)
        return np.asarray(sums ^ (self.at[rows] & LOW32).astype(np.uint32) == checks)

    def records(self, rows: Ints) -> Iterator[tuple[int, int, bytes]]:
        """``(kind, host_ns, payload)`` of these rows, as :func:`rig.events.read_events` takes them; only sound ones."""
        good = rows[self.sound(rows)]
        times = self._field(_HOST_AT, "<i8", good).tolist()
        for row, kind, host_ns in zip(good.tolist(), self.kind[good].tolist(), times, strict=True):
            yield kind, host_ns, self.payload(row)

    @cached_property
    def lever(self) -> Lever:
        """Every lever sample. Raises RecordError where there is none."""
        rows = self.rows("lever")
        rows = rows[self.sound(rows) & (self.size[rows] > _BODY_AT - HEAD_BYTES + _LEVER.body.size)]
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
            offsets = _read(self._bytes, self.at[rows[mine]] + _BODY_AT + _LEVER.body.size, f"({n},)<i2")
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


def _read(data: NDArray[np.uint8], at: Ints, kind: str) -> NDArray[Any]:
    """Little-endian numbers at any byte places: (places,), or (places, n) for a kind such as ``(10,)<i2``."""
    wanted = np.dtype(kind)
    width = wanted.itemsize
    spread = np.lib.stride_tricks.as_strided(data, (max(len(data) - width + 1, 0), width), (1, 1), writeable=False)
    return np.ascontiguousarray(spread[at]).view(wanted.base).reshape(len(at), *wanted.shape)


def _chain(data: NDArray[np.uint8]) -> Ints | None:
    """Where records begin, if one follows the other from the header to the file's end; else None."""
    begin, end = len(MAGIC), len(data)
    if begin == end:
        return np.empty(0, np.int64)
    halves = []
    for phase in (0, 1):  # a mark may begin at an even or at an odd byte
        words = np.frombuffer(data, "<u2", (end - phase) // 2, phase)
        halves.append(2 * np.flatnonzero(words == _SYNC) + phase)
    at = np.sort(np.concatenate(halves), kind="stable")
    at = at[(at >= begin) & (at <= end - HEAD_BYTES)]
    sizes = _read(data, at + _LENGTH_AT, "<u4").astype(np.int64)
    following = at + HEAD_BYTES + sizes
    return _follow(at, following, sizes, begin, end)


def _follow(at: Ints, following: Ints, sizes: Ints, begin: int, end: int) -> Ints | None:
    """The marks that are reached from the first by the lengths: the others are bytes that look like one."""
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
            return at[rows] if (sizes[rows] <= PAYLOAD_LIMIT_BYTES).all() else None
        here = int(np.searchsorted(at, target))
        if here >= len(at) or at[here] != target:
            return None
