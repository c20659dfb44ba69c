"""The session's append-only record: a kill loses nothing committed, and damage shows.

Floor 1: files, and nothing else. The format is rig/record/format.py's. No byte that was found in a
journal is ever deleted: what `reopen` cuts off, it keeps aside.

What holds when: `append` keeps a record in memory; once `commit` has returned, the records survive
the end of the process (kill -9); up to ``synced_bytes`` they survive a power cut as well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Never, Protocol, Self
from zlib import crc32

from rig.errors import RecordError
from rig.record.format import (
    BODY,
    FRAME,
    FRAME_BYTES,
    HEAD_BYTES,
    LOW32,
    MAGIC,
    PAYLOAD_LIMIT_BYTES,
    SYNC,
    Damage,
    Journal,
    Record,
    Scan,
    scan,
)

try:
    import fcntl
except ImportError:  # Windows: there, nothing keeps a second writer out
    fcntl = None  # type: ignore[assignment]

__all__ = ["Damage", "Journal", "JournalWriter", "Record", "Scan", "read_journal", "scan"]

SYNC_EVERY_S = 1.0
_pack_body, _pack_frame = BODY.pack, FRAME.pack  # bound once: they run 100,000 times a second
_keep_on_disk = getattr(os, "fdatasync", os.fsync)  # Windows and macOS have the latter alone


def read_journal(path: str | Path, strict: bool = False, since: int = 0) -> Journal:
    """Read a journal, also one that is still being written.

    Args:
        path: the file.
        strict: raise RecordError at any damage, instead of reporting and skipping it.
        since: begin at this file offset (a record's, or the ``end`` of an earlier reading).
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            file.seek(since)
            data = file.read()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    base = since
    if not since and data.startswith(MAGIC):
        data, base = data[len(MAGIC) :], len(MAGIC)
    found = scan(data, base)
    if not base and not found.offsets and not MAGIC.startswith(data):
        _refuse(path, data)
    if not base and (not found.damage or found.damage[0].offset):
        found.damage.insert(0, Damage(0, 0, "the header is missing"))
    if strict and found.damage:
        raise RecordError(f"{path}: {found.damage[0]}; read it without strict to get the rest")
    return Journal(data, base, found)


def _refuse(path: Path, data: bytes) -> Never:
    if version := re.match(rb"rig journal (\d+)\n", data):
        number = version[1].decode()
        raise RecordError(f"{path}: journal format {number} is unknown here; use a newer rig")
    raise RecordError(f"{path}: not a journal; name the file `journal` in a session's folder")


class Seals(Protocol):
    """Notes that say what was written so far (made by `seal.py`): one every so often, and before the last record.

    A seal's block begins with the record of the seal before it, and ends where its own begins.
    """

    every_bytes: int
    kind: int  # of a seal's record
    before: int  # a record of this kind is the last one

    def take(self, data: bytes) -> None:
        """The next bytes of the journal."""

    def payload(self, last: bytes | None = None) -> bytes:
        """Of a seal for what was taken, and for the last record's payload to come; a new block begins."""

    def end(self, journal: Journal) -> int:
        """Where an interrupted journal ends, without a seal whose last record is missing."""

    def go_on(self, journal: Journal) -> int:
        """Take what follows the last seal of an interrupted journal; where that block begins."""


class JournalWriter:
    """Appends records to one journal: `create` or `reopen` it.

    One thread appends and commits; a second one, its own, asks the disk to keep what is committed,
    so that the first never waits for the disk.
    """

    def __init__(self, path: Path, fd: int, end: int, sync_every_s: float | None, seals: Seals | None = None) -> None:
        self.path = path
        self.torn_bytes = 0  # cut off and kept aside by `reopen`
        self._fd = fd
        self._waiting: list[bytes] = []
        self._seals, self._last_kind = seals, seals.before if seals else None
        self._taken = 0  # so many of those in waiting are in the block already
        self._block = len(MAGIC)  # where it began
        self._last_seal = -1  # of those in waiting, the one that covers the last record as well
        self._end = self._written = self._synced = end
        self._sync_fault: OSError | None = None
        self._stop = threading.Event()
        self._syncer: threading.Thread | None = None
        if sync_every_s is not None:
            self._syncer = threading.Thread(
                target=self._sync_every, args=(sync_every_s,), name="journal-sync", daemon=True
            )
            self._syncer.start()

    @classmethod
    def create(cls, path: str | Path, sync_every_s: float | None = SYNC_EVERY_S, seals: Seals | None = None) -> Self:
        """Begin a journal. RecordError if the file exists: a journal is never overwritten.

        ``sync_every_s``: how often the disk is asked to keep what is committed; None: at `close`
        only (for simulated sessions, which a power cut may take).
        """
        path = Path(path)
        fd = _open(path, os.O_CREAT | os.O_EXCL)
        try:
            _begin(path, fd)
        except OSError as error:
            os.close(fd)
            raise RecordError(f"{path}: cannot be begun: {error.strerror}") from error
        return cls(path, fd, len(MAGIC), sync_every_s, seals)

    @classmethod
    def reopen(cls, path: str | Path, sync_every_s: float | None = SYNC_EVERY_S, seals: Seals | None = None) -> Self:
        """Go on with an interrupted journal.

        What follows the last whole record is moved to ``<path>.torn``; ``torn_bytes`` says how much
        that was. Damage before it stays where it is, for the reader to report.
        """
        path = Path(path)
        fd = _open(path, 0)
        try:
            end, torn_bytes, journal = _mend(path, fd, seals)
        except BaseException:
            os.close(fd)
            raise
        writer = cls(path, fd, end, sync_every_s, seals)
        writer.torn_bytes = torn_bytes
        if seals:
            writer._block = seals.go_on(journal)
        return writer

    @property
    def end_bytes(self) -> int:
        """Where the next record will begin in the file, those in waiting included."""
        return self._end

    @property
    def written_bytes(self) -> int:
        """Up to here the file survives the end of this process."""
        return self._written

    @property
    def synced_bytes(self) -> int:
        """Up to here the file survives a power cut, as far as the disk keeps its word."""
        return self._synced

    def append(self, kind: int, host_ns: int, payload: bytes) -> None:
        """Keep a record in memory until `commit`. ``kind`` is a u8, ``host_ns`` an i64."""
        if kind == self._last_kind:
            self._seal(host_ns, payload)
            self._last_seal = len(self._waiting) - 1
        length = len(payload)
        try:
            body = _pack_body(length, kind, host_ns) + payload
        except struct.error as error:
            raise RecordError(f"{self.path}: kind {kind}, host_ns {host_ns}: {error}") from error
        if length > PAYLOAD_LIMIT_BYTES:
            raise RecordError(
                f"{self.path}: a payload of {length} bytes is over the limit of {PAYLOAD_LIMIT_BYTES}; split it"
            )
        end = self._end
        self._waiting.append(_pack_frame(SYNC, crc32(body) ^ (end & LOW32)) + body)
        self._end = end + HEAD_BYTES + length

    def append_batch(self, kind: int, host_ns: int, payloads: Sequence[bytes]) -> None:
        """`append` payloads of one kind that came at one time; the quick way for what a link yields."""
        end, keep = self._end, self._waiting.append
        for payload in payloads:
            length = len(payload)
            if length > PAYLOAD_LIMIT_BYTES:
                self._end = end
                self.append(kind, host_ns, payload)  # which refuses it
            body = _pack_body(length, kind, host_ns) + payload
            keep(_pack_frame(SYNC, crc32(body) ^ (end & LOW32)) + body)
            end += HEAD_BYTES + length
        self._end = end

    def _seal(self, host_ns: int, last: bytes | None = None) -> None:
        """A record that says what everything since the last such record was."""
        assert self._seals
        self._seals.take(b"".join(self._waiting[self._taken :]))
        at, payload = self._end, self._seals.payload(last)
        body = _pack_body(len(payload), self._seals.kind, host_ns) + payload
        self._waiting.append(_pack_frame(SYNC, crc32(body) ^ (at & LOW32)) + body)
        self._taken, self._block, self._end = len(self._waiting) - 1, at, at + FRAME_BYTES + len(body)

    def _seal_if_due(self) -> None:
        if self._seals and self._end - self._block >= self._seals.every_bytes:
            self._seal(BODY.unpack_from(self._waiting[-1], FRAME_BYTES)[2])

    def commit(self) -> None:
        """Write what waits, in one write(2). Once this returns, the records may be acknowledged.

        RecordError if the disk is full or fails. The file then ends with a whole record, everything
        not written is still waiting, and the next `commit` tries again.
        """
        if self._sync_fault is not None:
            self._refuse_faulty_disk()
        if not self._waiting:
            return
        self._seal_if_due()
        data = memoryview(b"".join(self._waiting))
        done = 0
        try:
            # To the same place again if the last try failed or was interrupted half-way.
            os.lseek(self._fd, self._written, os.SEEK_SET)
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError as error:
            self._cut_to_whole(done)
            raise RecordError(
                f"{self.path}: {error.strerror} at byte {self._written + done}; make room on its"
                f" disk and commit again ({len(self._waiting)} records wait in memory)"
            ) from error
        self._written += len(data)
        if self._seals:
            self._seals.take(b"".join(self._waiting[self._taken :]))
            self._taken = 0
        self._waiting.clear()
        self._last_seal = -1

    def _cut_to_whole(self, done: int) -> None:
        """After a failed write: leave no part of a record at the end of the file, nor a seal without what it covers."""
        end = kept = 0
        for record in self._waiting:
            if end + len(record) > done:
                break
            end, kept = end + len(record), kept + 1
        if kept and kept - 1 == self._last_seal:
            end -= len(self._waiting[kept - 1])
        with contextlib.suppress(OSError):  # then a torn tail stays, which the next write covers
            os.ftruncate(self._fd, self._written + end)

    def close(self) -> None:
        """Commit, wait until the disk has it all, and close. RecordError as from `commit`."""
        if self._fd < 0:
            return
        self._stop.set()
        if self._syncer:
            self._syncer.join()
        try:
            self.commit()
            self._sync()
            self._refuse_faulty_disk()
        finally:
            os.close(self._fd)
            self._fd = -1
            self._waiting = _Closed(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _sync_every(self, period_s: float) -> None:
        while not self._stop.wait(period_s):
            self._sync()

    def _refuse_faulty_disk(self) -> None:
        if self._sync_fault is not None:
            said = self._sync_fault.strerror
            raise RecordError(f"{self.path}: the disk kept only {self._synced} bytes ({said}); use another disk")

    def _sync(self) -> None:
        """A failed sync is final: the kernel may have dropped the pages, and a retry would lie."""
        written = self._written
        if written == self._synced or self._sync_fault is not None:
            return
        try:
            _keep_on_disk(self._fd)
        except OSError as error:
            self._sync_fault = error
        else:
            self._synced = written


class _Closed(list[bytes]):
    """Stands where the waiting records stood, so that an append after `close` is not lost."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, _record: bytes) -> None:
        raise RecordError(f"{self._path}: closed already; reopen it to append")


def _open(path: Path, flags: int) -> int:
    """Open to read and write, and keep other writers out."""
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) | flags, 0o644)
    except FileExistsError as error:
        raise RecordError(f"{path}: exists already; reopen it, or begin a new session") from error
    except OSError as error:
        raise RecordError(f"{path}: cannot be opened to write: {error.strerror}") from error
    try:
        if fcntl:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise RecordError(f"{path}: another process is writing it; end that one first") from error
    except OSError:
        pass  # a file system without locks
    return fd


def _begin(path: Path, fd: int) -> None:
    """Write the header, and make the file's name outlive a power cut."""
    if os.write(fd, MAGIC) < len(MAGIC):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(fd)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _mend(path: Path, fd: int, seals: Seals | None) -> tuple[int, int, Journal]:
    """Cut a torn tail off, keeping it aside. Returns (where to append, bytes cut, what was read)."""
    journal = read_journal(path)
    end = seals.end(journal) if seals else journal.end
    tail = journal.data[end - journal.base :]
    try:
        if tail:
            with path.with_name(path.name + ".torn").open("ab") as aside:
                aside.write(b"torn from offset %d, %d bytes:\n%b\n" % (end, len(tail), tail))
                aside.flush()
                os.fsync(aside.fileno())
            os.ftruncate(fd, end)
        if end == 0:  # cut off before its header was whole
            _begin(path, fd)
        os.fsync(fd)
    except OSError as error:
        raise RecordError(f"{path}: cannot be mended: {error.strerror}") from error
    return max(end, len(MAGIC)), len(tail), journal
