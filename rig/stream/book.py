"""A session's journal as the stream reads it: record by record while it grows, or from any number on.

May not: write, or know of sockets. One process writes a journal; any number of these read it, and the writer never
waits for them.
"""

from __future__ import annotations

import hashlib
import os
import re
from array import array
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path

from rig.errors import RecordError
from rig.events import Kind
from rig.record.format import FRAME_BYTES, HEAD_BYTES, MAGIC, Journal, Record, scan
from rig.stream import schema
from rig.stream.job import journal_of
from rig.stream.schema import Maker

SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}/[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{1,3}")
PIECE_BYTES = 1 << 20
GLANCE_BYTES = 2048  # what a few events take; a large piece of memory costs more than all the rest of a reading
KEEP_EVERY = 2000  # records between the places from which reading can be taken up for good
BOOKS = 4  # open at once, beside the present session's
PIECES = 32  # answers made lately, each of REPLY_MESSAGES
PLACES = 64  # and so many more where somebody has stopped reading lately


class Growing:
    """The records of a journal that have not been read yet."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
        self.end = len(MAGIC)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def read(self) -> Journal:
        """The next whole records, at most some PIECE_BYTES of them; none where there is nothing new."""
        size = GLANCE_BYTES
        while len(data := self.at(self.end, size)) == size and size < PIECE_BYTES:
            size = PIECE_BYTES
        while not (found := scan(data, self.end)).offsets and len(data) == size:
            size *= 4  # one record longer than a piece
            data = self.at(self.end, size)
        base, self.end = self.end, found.end
        return Journal(data, base, found)

    def at(self, offset: int, size: int) -> bytes:
        """Bytes of the file, as many as are there."""
        if hasattr(os, "pread"):  # one call less; Windows has none
            return os.pread(self._file.fileno(), size, offset)
        self._file.seek(offset)
        return self._file.read(size) or b""


class Book:
    """A journal opened at any page: how many records there are, and messages from a number on."""

    def __init__(self, session: str, path: Path) -> None:
        self.session = session
        self.complete = False
        self._growing = Growing(path)
        self._offsets: array[int] = array("Q")
        self._digest = hashlib.sha256()
        self._kept = [Maker(session)]
        self._kept_numbers = [0]
        self._left: OrderedDict[int, Maker] = OrderedDict()
        self._pieces: OrderedDict[int, list[bytes]] = OrderedDict()

    def close(self) -> None:
        """Let go of the file."""
        self._growing.close()

    @property
    def count(self) -> int:
        """Records there are, as of the last refresh."""
        return len(self._offsets)

    @property
    def digest(self) -> str:
        """SHA-256 over these records' content, hex."""
        return self._digest.hexdigest()

    def refresh(self) -> None:
        """Take notice of what was written since."""
        while len(journal := self._growing.read()):
            data, base = journal.data, journal.base
            update = self._digest.update
            for offset in journal.offsets:
                at = offset - base
                end = at + HEAD_BYTES + int.from_bytes(data[at + FRAME_BYTES : at + FRAME_BYTES + 4], "little")
                update(data[at + FRAME_BYTES : end])
                self.complete = self.complete or data[at + FRAME_BYTES + 4] == Kind.SUMMARY
            self._offsets.extend(journal.offsets)

    def record(self, number: int) -> Record:
        """One record."""
        begin = self._offsets[number]
        end = self._offsets[number + 1] if number + 1 < self.count else self._growing.end
        data = self._growing.at(begin, end - begin)
        return Journal(data, begin, scan(data, begin))[0]

    def agrees(self, number: int, check: int) -> bool:
        """Is this the check of the record before ``number``?"""
        if number == 0:
            return True
        return number <= self.count and schema.check(*self.record(number - 1)[:3]) == check

    def messages(self, first: int, most: int = schema.REPLY_MESSAGES, size: int = schema.REPLY_BYTES) -> list[bytes]:
        """Messages from number ``first`` on: at most so many, and about so many bytes (or some made lately)."""
        if first >= self.count:
            return []
        if first in self._pieces:  # listeners that lost the same ask for the same
            return self._pieces[first]
        maker = self._maker_before(first)
        made: list[bytes] = []
        room, at = size, self._offsets[maker.number]
        while maker.number < self.count and room > 0 and len(made) < most:
            end = self._piece_end(maker.number, min(self.count, first + most))
            data = self._growing.at(at, end - at)
            for kind, host_ns, payload, _ in Journal(data, at, scan(data, at)):
                message = maker.make(kind, host_ns, payload)[1]
                if maker.number % KEEP_EVERY == 0:
                    self._keep(maker.copy())
                if maker.number <= first:
                    continue
                made.append(message)
                room -= len(message)
                if room <= 0 or len(made) >= most:
                    break
            at = end
        self._left[maker.number] = maker
        if len(self._left) > PLACES:
            self._left.popitem(last=False)
        if len(made) == schema.REPLY_MESSAGES:
            self._pieces[first] = made
            if len(self._pieces) > PIECES:
                self._pieces.popitem(last=False)
        return made

    def _piece_end(self, number: int, last: int) -> int:
        """Where to stop reading: after a piece, but not within a record or beyond what is wanted."""
        wanted = self._offsets[last] if last < self.count else self._growing.end
        most = self._offsets[number] + PIECE_BYTES
        if wanted <= most:
            return wanted
        after = bisect_right(self._offsets, most) - 1
        return self._offsets[after] if after > number else self._offsets[number + 1]

    def _maker_before(self, first: int) -> Maker:
        """The nearest place at or before ``first`` from which reading can be taken up."""
        exact = self._left.get(first)
        if exact is not None:
            return exact.copy()
        kept = self._kept[bisect_right(self._kept_numbers, first) - 1]
        nearest = max((number for number in self._left if number <= first), default=-1)
        return (self._left[nearest] if nearest > kept.number else kept).copy()

    def _keep(self, maker: Maker) -> None:
        if maker.number > self._kept_numbers[-1]:
            self._kept.append(maker)
            self._kept_numbers.append(maker.number)


class Library:
    """The sessions of a data folder, the present one always open."""

    def __init__(self, data: Path, present: str) -> None:
        self.present, self._data = present, data
        self._open: OrderedDict[str, Book] = OrderedDict()

    def book(self, session: str) -> Book | None:
        """A session's book as it is now, or None where there is none by that name."""
        name = session or self.present
        if not SESSION.fullmatch(name):
            return None
        book = self._open.get(name)
        if book is None:
            try:
                book = Book(name, journal_of(self._data, name))
            except RecordError:
                return None
            self._open[name] = book
        self._open.move_to_end(name)
        book.refresh()
        for old in [one for one in self._open if one not in (self.present, name)][: max(0, len(self._open) - BOOKS)]:
            self._open.pop(old).close()
        return book
