"""Seals: notes within a journal that hold the SHA-256 of everything since the seal before. Pure.

The check of a record finds what a disk or a cable changed. Who edits a record on purpose makes its check fit; the seal
then no longer fits the block, and `broken` names it. It is no signature: whoever has the file can make new seals as
well, all of them from the edited one on, unless the last one was written down elsewhere. See docs/journal.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rig import events
from rig.errors import RecordError
from rig.events import Kind
from rig.record.format import HEAD_BYTES, MAGIC, Journal, Record

EVERY_BYTES = 1 << 16  # of records: about eight seconds of a session
_BEGINS = b'{"note":"seal"'


class Seals:
    """What a JournalWriter needs to seal as it writes: see its ``seals``."""

    every_bytes = EVERY_BYTES
    kind = int(Kind.NOTE)
    before = int(Kind.SUMMARY)  # the last thing in a record: a seal comes just ahead of it, and covers it as well

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def take(self, data: bytes) -> None:
        """The next bytes of the journal, from its first record on."""
        self._hash.update(data)

    def payload(self, last: bytes | None = None) -> bytes:
        """The note that seals what was taken, and the payload of the ``last`` record, which is to follow.

        A new block begins: with the record that this is put into.
        """
        sealed = {"sha256": self._hash.hexdigest()}
        if last is not None:
            sealed["next_sha256"] = hashlib.sha256(last).hexdigest()
        self._hash = hashlib.sha256()
        return events.note("seal", **sealed)

    def end(self, journal: Journal) -> int:
        """Where an interrupted journal ends, without a seal whose last record is missing."""
        told = sealed(journal[-1]) if len(journal) else None
        return journal[-1].offset if told and "next_sha256" in told else journal.end

    def go_on(self, journal: Journal) -> int:
        """After an interruption: take what follows the last seal of a journal. Where that block begins."""
        end = self.end(journal)
        found = (one.offset for one in _backwards(journal) if one.offset < end and sealed(one) is not None)
        begin = next(found, len(MAGIC))
        self._hash = hashlib.sha256(_bytes(journal, begin, end))
        return begin


class Block(NamedTuple):
    """What one seal covers: bytes of the file from ``begin`` to ``end``, where the seal's own record begins."""

    begin: int
    end: int
    sha256: str
    whole: bool


def sealed(record: Record) -> dict[str, str] | None:
    """The sums that a seal holds; None for any other record."""
    if record.kind != Kind.NOTE or not record.payload.startswith(_BEGINS):
        return None
    try:
        return events.read_json(record.payload)
    except RecordError:
        return None


def blocks(journal: Journal, records: Iterable[Record] | None = None) -> Iterator[Block]:
    """Every sealed block of a journal, in order, and whether it is what was sealed; after the last one, the summary.

    ``records``: the journal's, where they are at hand.
    """
    begin = len(MAGIC)
    for i, record in enumerate(journal if records is None else records):
        told = sealed(record)
        if told is None:
            continue
        found = hashlib.sha256(_bytes(journal, begin, record.offset)).hexdigest()
        yield Block(begin, record.offset, str(told.get("sha256")), found == told.get("sha256"))
        begin = record.offset
        if "next_sha256" in told:
            yield _next(journal, i + 1, told["next_sha256"])


def mark(journal: Journal) -> str:
    """The beginnings of what the last seal holds: noted elsewhere, they show any later change. Empty without seals."""
    for record in _backwards(journal):
        told = sealed(record)
        if told is not None:
            return "-".join(str(told[key])[:16] for key in ("sha256", "next_sha256") if key in told)
    return ""


def _next(journal: Journal, index: int, told: str) -> Block:
    """The record that follows the last seal, which covers its payload too."""
    if index >= len(journal):
        return Block(journal.end, journal.end, told, False)
    begin, payload = journal[index].offset, journal[index].payload
    end = begin + HEAD_BYTES + len(payload)
    return Block(begin, end, told, hashlib.sha256(payload).hexdigest() == told)


def broken(found: Iterable[Block]) -> list[str]:
    """A sentence for each block that is not what was sealed."""
    return [
        f"bytes {one.begin} to {one.end} are not what was sealed: something in them was changed after it was written"
        for one in found
        if not one.whole
    ]


def _bytes(journal: Journal, begin: int, end: int) -> memoryview:
    return memoryview(journal.data)[max(begin - journal.base, 0) : end - journal.base]


def _backwards(journal: Journal) -> Iterator[Record]:
    return (journal[i] for i in range(len(journal) - 1, -1, -1))
