"""The trial machine for re-execution: commands, lever and inputs at given times in, events out. No link, no world.

May not: read files or know what a session is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rig import wire
from rig.bodies import core

WRAP = 1 << 32
MASK = WRAP - 1


class Machine:
    """A trial machine in virtual time; times are board µs of any size."""

    def __init__(self, start_us: int, boot: int = 1, reason: int = 0) -> None:
        self._ffi, self._lib = core.load()
        self._memory = self._ffi.new("uint64_t[]", self._lib.host_size() // 8 + 1)
        self._host = self._ffi.cast("host_t *", self._memory)
        self._out = self._ffi.new("uint8_t[]", 1 << 13)
        self._kept: list[NDArray[np.generic]] = []
        self.t_us = start_us
        self._lib.host_start(self._host, start_us & MASK, boot, reason, int(wire.BoardKind.SIMULATOR), 0)

    def plan_lever(self, t_us: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
        """All lever edges ahead, in order of time; steps beyond ±127 must be split by the caller."""
        times, deltas = (t_us & MASK).astype(np.uint32), steps.astype(np.int8)
        self._kept += [times, deltas]
        buffer = self._ffi.from_buffer
        self._lib.host_plan_lever(self._host, buffer("uint32_t[]", times), buffer("int8_t[]", deltas), len(times))

    def plan_inputs(self, t_us: NDArray[np.int64], levels: NDArray[np.int64]) -> None:
        """All input levels ahead, in order of time."""
        times, levels8 = (t_us & MASK).astype(np.uint32), levels.astype(np.uint8)
        self._kept += [times, levels8]
        buffer = self._ffi.from_buffer
        self._lib.host_plan_inputs(self._host, buffer("uint32_t[]", times), buffer("uint8_t[]", levels8), len(times))

    def run(self, until_us: int) -> list[bytes]:
        """Let time pass, at most 2^30 µs of it. Returns the events told, as payloads.

        None is ever lost for want of room as long as samples do not fill the queue: where they are on, let at most
        100 ms pass at a time.
        """
        told: list[bytes] = []
        while self._lib.host_run(self._host, until_us & MASK, 1):
            told += self.take()
        self.t_us = until_us
        return told + self.take()

    def command(self, name: str, values: dict[str, int] | None = None, sequence: int = 0) -> int:
        """A command, now. Returns its status."""
        return self.payload(wire.encode(name, values or {}, sequence))

    def payload(self, payload: bytes) -> int:
        """A command as its payload, now. Returns its status."""
        fields = payload[2:]
        return int(self._lib.host_command(self._host, payload[1], payload[0], fields, len(fields)))

    def keep_alive(self) -> None:
        """The host was heard."""
        self._lib.host_keep_alive(self._host)

    def lever_to(self, counts: int) -> None:
        """The lever stands there, now."""
        self._lib.host_lever_to(self._host, counts)

    @property
    def lever(self) -> int:
        """Where the lever is, in counts since the last zero."""
        return int(self._lib.host_lever(self._host))

    def input_now(self, levels: int) -> None:
        """The inputs are so, now."""
        self._lib.host_input_now(self._host, levels)

    def take(self) -> list[bytes]:
        """The events told since last asked, as payloads."""
        found: list[bytes] = []
        while n := self._lib.host_take_events(self._host, self._out, len(self._out)):
            data = bytes(self._ffi.buffer(self._out, n))
            at = 0
            while at < n:
                found.append(data[at + 1 : at + 1 + data[at]])
                at += 1 + data[at]
        return found
