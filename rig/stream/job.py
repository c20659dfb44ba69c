"""What the stream's processes are told when they start, and the page of memory they share with the session.

The page is how a session spends nothing where nobody listens: it looks at one byte, and rings only if that byte says
that somebody sleeps and wants to be woken.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import tempfile
import time
from pathlib import Path

import msgspec

MOST_S = 60.0  # the end of a session waits no longer than this, whatever its listeners do
_OFFSET = struct.Struct("<q")
_BYTES = 16
_WANTED, _ENDED, _AT = 0, 1, 8
NOT_AT_ALL, BY_BELL, BY_BYTE = 0, 1, 2  # by a byte into its pipe, or by clearing this very byte


class Job(msgspec.Struct, frozen=True):
    """One process's task. ``handle``: a listening socket inherited; None: bind ``address`` oneself."""

    session: str  # "" where there is none (rig serve)
    data: str  # the rig's data folder
    address: str
    handle: int | None = None
    page: str | None = None
    keys: str | None = None
    log: str | None = None
    eager: bool = False
    linger_s: float = 10.0

    @property
    def journal(self) -> Path:
        """The present session's."""
        return journal_of(Path(self.data), self.session)

    def words(self) -> str:
        """As an argument on a command line."""
        return msgspec.json.encode(self).decode()


def job_from(arguments: list[str]) -> Job:
    """Read back what :meth:`Job.words` gave."""
    return msgspec.json.decode(arguments[1], type=Job)


def journal_of(data: Path, session: str) -> Path:
    """Where a session's journal lies."""
    return data / session / "journal"


class Page:
    """Sixteen bytes that the session and its stream see both."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _BYTES)

    @classmethod
    def make(cls) -> Page:
        """A new one."""
        handle, name = tempfile.mkstemp(prefix="rig-stream-")
        os.write(handle, bytes(_BYTES))
        os.close(handle)
        return cls(Path(name))

    @property
    def flags(self) -> mmap.mmap:
        """``flags[0]``: somebody wants to be woken. For the session, which looks often."""
        return self._map

    @property
    def wanted(self) -> int:
        """How the stream wants to be told that there is something new."""
        return self._map[_WANTED]

    @wanted.setter
    def wanted(self, how: int) -> None:
        self._map[_WANTED] = how

    @property
    def ended(self) -> bool:
        """Has the session written its last record?"""
        return bool(self._map[_ENDED])

    @ended.setter
    def ended(self, on: bool) -> None:
        self._map[_ENDED] = on

    @property
    def offset_ns(self) -> int:
        """This computer's monotonic clock less the session's host clock: 0 but for simulated time."""
        return int(_OFFSET.unpack_from(self._map, _AT)[0])

    @offset_ns.setter
    def offset_ns(self, offset_ns: int) -> None:
        _OFFSET.pack_into(self._map, _AT, offset_ns)

    def now_ns(self) -> int:
        """The session's host clock."""
        return time.monotonic_ns() - self.offset_ns

    def close(self, *, remove: bool = False) -> None:
        """Let go of it."""
        self._map.close()
        if remove:
            self.path.unlink(missing_ok=True)


def resident_bytes() -> int:
    """Memory this process holds; 0 where that cannot be told."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def finish(status: object) -> None:
    """The last thing a process says to the session that started it."""
    sys.stdout.write(msgspec.json.encode(status).decode() + "\n")
    sys.stdout.flush()
