"""The judge of acknowledgements and commands, at the wire: none before the journal's file has it, and in the end no
event without its acknowledgement.

Reads what the program writes to the board and what stands in the file, and knows nothing of the code between.
May not: change anything on its way.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import TracebackType

from rig import wire
from sim.disk import Disk
from sim.faults import FaultyLink
from sim.records import COMMAND, EVENT, EVENT_HEAD, HEAD, NUMBER

_COMMANDS = {message.number for message in wire.MESSAGES if 0x10 <= message.number < 0x40} - {NUMBER["restart"]}
ROOM = 1 << 13  # more than a program writes between two words to the board
_NEXT = {NUMBER["ack"]: (struct.Struct("<xIB"), 0), NUMBER["ping"]: (struct.Struct("<xII"), 1)}


class Acks:
    """A context. What it finds, it appends to ``found``."""

    def __init__(self, disk: Disk, link: FaultyLink, found: list[str]) -> None:
        self._disk, self._link, self._found = disk, link, found
        self._splitter = wire.FrameSplitter()
        self._file: Path | None = None
        self._fd = -1
        self._at = 0
        self._next_kept = self._next_said = self._cuts = 0
        self._ordered: set[bytes] = set()

    def __enter__(self) -> Acks:
        self._link.said = self._hear
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.said = lambda _: None
        self._close()

    def _hear(self, data: bytes) -> None:
        for payload in self._splitter.feed(data):
            if payload[0] in _NEXT:
                fields, which = _NEXT[payload[0]]
                self._acknowledged(fields.unpack(payload)[which])
            elif payload[0] in _COMMANDS and payload not in self._ordered:
                self._commanded(payload)

    def _commanded(self, payload: bytes) -> None:
        self._read()
        if payload not in self._ordered:
            self._found.append(f"{wire.BY_NUMBER[payload[0]].name} was sent, and is not in the journal")

    def _acknowledged(self, next_event: int) -> None:
        if next_event > self._next_kept or self._disk.journal != self._file or self._disk.cuts != self._cuts:
            self._read()  # else what was read already holds it: a file that is not cut only grows
        if next_event > self._next_kept:
            self._found.append(f"event {next_event - 1} was acknowledged, the journal ends with {self._next_kept - 1}")
        self._next_said = next_event

    def _read(self) -> None:
        """What the file has more than before."""
        if self._disk.journal != self._file:
            self._close()
            self._file, self._next_said = self._disk.journal, 0
            self._begin()
        if self._disk.cuts != self._cuts:
            self._begin()
        if self._file is None:
            return
        if self._fd < 0:
            self._fd = os.open(self._file, os.O_RDONLY)
        data = os.pread(self._fd, ROOM, self._at)
        if len(data) == ROOM:
            data = os.pread(self._fd, os.fstat(self._fd).st_size, self._at)
        at, last, event_at, head = 0, len(data) - HEAD.size, -1, HEAD.unpack_from
        while at <= last:
            _, _, length, kind, _ = head(data, at)
            at, after = at + HEAD.size, at + HEAD.size + length
            if after > len(data):
                at -= HEAD.size
                break
            if kind == EVENT:
                event_at = at
            elif kind == COMMAND:
                self._ordered.add(data[at:after])
            at = after
        if event_at >= 0:
            self._next_kept = EVENT_HEAD.unpack_from(data, event_at)[1] + 1
        self._at += at

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _begin(self) -> None:
        """Read the file from its first record."""
        self._at, self._next_kept, self._cuts = 14, 0, self._disk.cuts
        self._ordered.clear()

    def finish(self) -> None:
        """The day is over as it should be: nothing may be left without an answer."""
        self._read()
        if self._next_said != self._next_kept:
            last = self._next_said - 1
            self._found.append(f"the journal ends with event {self._next_kept - 1}, acknowledged last was {last}")
