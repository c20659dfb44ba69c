"""The disk below the journal: full, slow, gone with the process. Stands in for ``os`` in `record/journal.py` alone.

May not: know what the bytes mean.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from rig.record import journal
from sim.faults import FaultyLink


class Disk:
    """Looks like the ``os`` module, but for writing."""

    def __init__(self, link: FaultyLink) -> None:
        self.link = link
        self.journal: Path | None = None  # the one that was opened last
        self.cuts = 0  # how often a file was cut back
        self._files: set[int] = set()
        self._full_until_us = self._slow_until_us = 0
        self._slow_us = 0
        self._some = False
        link.elsewhere |= {"disk_full": self.fill, "disk_slow": self.slow}

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        setattr(self, name, found)  # asked for once
        return found

    def __enter__(self) -> Disk:
        journal.os = self  # type: ignore[assignment, attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        journal.os = os  # type: ignore[attr-defined]
        self.drop()

    def fill(self, length_us: int) -> None:
        """No room for a while."""
        self._full_until_us = self.link.t_us + length_us

    def slow(self, length_us: int) -> None:
        """Every write takes long for a while."""
        self._slow_until_us = self.link.t_us + length_us
        self._slow_us = max(1000, length_us // 40)

    def drop(self) -> None:
        """The process is gone, and its open files and locks with it."""
        for fd in self._files:
            os.close(fd)
        self._files.clear()

    # --- os ----------------------------------------------------------------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        """See os.open."""
        fd = os.open(path, flags, mode)
        if Path(path).name == "journal":
            self.journal = Path(path)
        self._files.add(fd)
        return fd

    def close(self, fd: int) -> None:
        """See os.close."""
        if fd in self._files:
            self._files.discard(fd)
            os.close(fd)

    def ftruncate(self, fd: int, length: int) -> None:
        """See os.ftruncate."""
        self.cuts += 1
        os.ftruncate(fd, length)

    def write(self, fd: int, data: bytes) -> int:
        """See os.write: whole, in part, or not at all."""
        self.link.step()
        if self.link.t_us < self._slow_until_us:
            self.link.sleep(self._slow_us)
        if self.link.t_us < self._full_until_us:
            self._some = not self._some and len(data) > 1
            if self._some:  # part of it still fits
                return os.write(fd, bytes(data)[: self.link.t_us % len(data) or 1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        """A simulated session does not wait for the real disk."""
