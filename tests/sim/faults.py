"""Everything that can go wrong between a computer and its board, done to a simulated rig at drawn times.

Bytes are damaged as they travel; at times of its own the cable is pulled, the board resets, the host stalls, sleeps, or
is killed. May not: draw what happens when (draw.py), or judge it (checkers.py).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rig import wire
from rig.bodies.animals import Animal
from rig.bodies.sim import SimLink, SimSettings
from rig.errors import LinkError

CLOSED = 1 << wire.INPUTS.index("interlock")
MASK = 0xFFFFFFFF
STRIDE_US = 200_000


class Killed(BaseException):
    """``kill -9``: nothing that comes after it in the program may have an effect."""


class Endless(BaseException):
    """The day does not end."""


@dataclass(frozen=True)
class Noise:
    """What a wire does to bytes, in one direction. The shares are of the chunks written or read at once."""

    flip: float = 0.0  # of the bytes: one bit of it turns
    cut: float = 0.0  # some bytes of the chunk are lost
    repeat: float = 0.0  # the chunk comes twice
    burst: float = 0.0  # up to 60 bytes become random ones
    swap: float = 0.0  # two neighbouring bytes change places
    splice: float = 0.0  # the chunk's halves change places
    late: float = 0.0  # it comes up to 300 ms later, and all behind it


def spoiled(data: bytes, noise: Noise, chance: random.Random) -> bytes:
    """What arrives where ``data`` was sent."""
    turns = chance.random
    if noise.flip:
        at = chance.expovariate(noise.flip)
        if at < len(data):
            turned = bytearray(data)
            while at < len(data):
                turned[int(at)] ^= 1 << chance.randrange(8)
                at += 1 + chance.expovariate(noise.flip)
            data = bytes(turned)
    at = chance.randrange(len(data))
    if turns() < noise.cut:
        data = data[:at] + data[at + chance.randint(1, 40) :]
    if turns() < noise.repeat:
        data += data
    if turns() < noise.burst:
        data = data[:at] + chance.randbytes(chance.randint(1, 60)) + data[at + chance.randint(0, 60) :]
    if turns() < noise.swap and len(data) > at + 1:
        data = data[:at] + data[at + 1 : at + 2] + data[at : at + 1] + data[at + 2 :]
    if turns() < noise.splice:
        data = data[at:] + data[:at]
    return data


@dataclass(frozen=True)
class Episode:
    """Something that happens at one time. ``kind`` is a method of :class:`FaultyLink`, or of the disk."""

    at_us: int  # since the rig was switched on
    kind: str
    length_us: int = 0

    def __str__(self) -> str:
        return f"{self.at_us / 1e6:.3f} s: {self.kind} {self.length_us / 1e6:g} s"


class FaultyLink(SimLink):
    """The simulated rig behind a bad wire, on a bad day."""

    def __init__(
        self,
        animal: Animal,
        settings: SimSettings,
        *,
        seed: int,
        to_board: Noise,
        from_board: Noise,
        episodes: list[Episode],
        buffer_bytes: int = 4096,
    ) -> None:
        super().__init__(animal, settings)
        self._chance = random.Random(f"wire {seed}")
        self._to_board, self._from_board = to_board, from_board
        self._quiet_to, self._quiet_from = to_board == Noise(), from_board == Noise()
        self._episodes = deque(sorted(episodes, key=lambda episode: episode.at_us))
        self._buffer_bytes = buffer_bytes  # what the computer's driver holds while the program does not read
        self._came: deque[tuple[int, bytes]] = deque()
        self._came_bytes = 0
        self._start_us = self._drain_us = self.t_us
        self._asleep_us = 0
        self.jumps_us = [(0, 0)]  # when the host's clock jumped, and how far it is behind since
        self.end_us: int | None = None  # a day that is not over by then never will be
        self._gone_until_us: int | None = None
        self._stale = False  # the port was open when the cable was pulled
        self.killed = False
        self._kill_in: int | None = None
        self.restart_after_us = 0
        self.interrupt: Callable[[], None] = lambda: None
        self.elsewhere: dict[str, Callable[[int], None]] = {}  # episodes of the disk and the subscribers
        self.happened: list[str] = []
        self.drained: Callable[[], None] = lambda: None
        self.said: Callable[[bytes], None] = lambda _: None  # hears what the program writes, undamaged

    # --- Link --------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """See :class:`rig.link.Link`."""
        self._alive()
        self.said(data)
        if not self._quiet_to:
            late = self._chance.random() < self._to_board.late
            data = spoiled(data, self._to_board, self._chance)
            if late:
                last_us = self._arrivals[-1][0] if self._arrivals else self.t_us
                self._arrivals.append((max(last_us, self.t_us + self._chance.randrange(300_000)), b""))
        super().write(data)

    def read(self, timeout_ns: int) -> bytes:
        """See :class:`rig.link.Link`."""
        end_us = self.t_us + timeout_ns // 1000
        while True:
            while self._episodes and self._episodes[0].at_us <= self.t_us - self._start_us:
                self._do(self._episodes.popleft())
            self._alive()
            data = self._arrived()
            if data or self.t_us >= end_us:
                return data
            until_us = min(end_us, self._came[0][0]) if self._came else end_us
            if self._episodes:
                until_us = min(until_us, max(self.t_us, self._episodes[0].at_us + self._start_us))
            self._pass(until_us, reading=True)

    def reopen(self, timeout_ns: int) -> bool:
        """See :class:`rig.link.Link`."""
        self.step()
        until_us = self.t_us + timeout_ns // 1000
        if self._gone_until_us is not None:
            self.sleep(min(until_us, self._gone_until_us) - self.t_us)
            if self.t_us < self._gone_until_us:
                return False
        self._gone_until_us, self._stale = None, False
        self._came.clear()
        self._came_bytes = 0
        return True

    def now_ns(self) -> int:
        """The host's clock, which stands still while the host sleeps."""
        return 1_000_000_000 + int((self.t_us - self._epoch_us) * self._ns_per_us) - 1000 * self._asleep_us

    def sleep(self, length_us: int) -> None:
        """The host does nothing for a while."""
        until_us = self.t_us + max(0, length_us)
        while self.t_us < until_us:
            self._pass(min(until_us, self.t_us + STRIDE_US))

    def revive(self) -> None:
        """A new process opens the port."""
        self.killed, self._kill_in = False, None
        self.interrupt = lambda: None
        self._arrivals = [(self.t_us, b"")]
        self.reopen(0)

    # --- bytes -------------------------------------------------------------------------------------------------------

    def _alive(self) -> None:
        if self.killed or self._kill_in is not None:
            self.step()
        if self._stale:
            raise LinkError("the board is gone (simulated): check the cable")

    def _pass(self, until_us: int, *, reading: bool = False) -> None:
        """Time passes for the board, until then or until it has something to say.

        The driver's buffer overflows while nobody reads; who reads is quicker than a line, though here, in no time at
        all, a board says all that it has.
        """
        if self.end_us is not None and self.t_us > self.end_us:
            raise Endless(f"it is {self.t_us / 6e7:.0f} min, and no end")
        if self.t_us >= self._drain_us:
            self._drain_us = self.t_us + 10_000_000
            self.drained()
        data = super().read(max(0, until_us - self.t_us) * 1000)
        if not data or self._gone_until_us is not None:
            return
        at_us = self._came[-1][0] if self._came else self.t_us
        if not self._quiet_from:
            if self._chance.random() < self._from_board.late:
                at_us = max(at_us, self.t_us + self._chance.randrange(300_000))
            data = spoiled(data, self._from_board, self._chance)
        if not reading:
            data = data[: max(0, self._buffer_bytes - self._came_bytes)]
        self._came.append((max(at_us, self.t_us), data))
        self._came_bytes += len(data)

    def _arrived(self) -> bytes:
        data = b""
        while self._came and self._came[0][0] <= self.t_us:
            data += self._came.popleft()[1]
        self._came_bytes -= len(data)
        return data

    # --- episodes ----------------------------------------------------------------------------------------------------

    def _do(self, episode: Episode) -> None:
        self.happened.append(str(episode))
        self.drained()
        if episode.kind in self.elsewhere:
            self.elsewhere[episode.kind](episode.length_us)
        else:
            getattr(self, episode.kind)(episode.length_us)

    def stall(self, length_us: int) -> None:
        """The host is busy with something else."""
        self.sleep(length_us)

    def suspend(self, length_us: int) -> None:
        """The computer sleeps; its monotonic clock with it."""
        before_us = self.t_us
        self.sleep(length_us)
        self._jump(self.t_us - before_us)

    def clock_step(self, length_us: int) -> None:
        """The host's clock jumps ahead."""
        self._jump(-length_us)

    def _jump(self, back_us: int) -> None:
        self._asleep_us += back_us
        self.jumps_us.append((self.t_us, self._asleep_us))

    def unplug(self, length_us: int) -> None:
        """The cable is pulled; the port comes back under another name, so the open one is of no use any more."""
        self._stale, self._gone_until_us = True, self.t_us + length_us
        self._came.clear()
        self._came_bytes = 0
        self._arrivals.clear()

    def suspend_and_unplug(self, length_us: int) -> None:
        """What many laptops do."""
        self.suspend(length_us)
        self.unplug(500_000)

    def reset(self, _length_us: int) -> None:
        """The board starts again, by its watchdog or for want of power."""
        level = self._level_now()
        level = self.world.level if level is None else level
        self._lib.host_start(self._host, self.t_us & MASK, self._lib.tap_boot() + 1, 2, 1, 0)
        self._lib.host_input_now(self._host, level)
        self.world.passed(level)
        self._kept = tuple(np.empty(0, kind) for kind in (np.uint32, np.int8, np.uint32, np.uint8))
        self._planned_us = self.t_us
        self._act()

    def unplug_power(self, length_us: int) -> None:
        """The cable was the board's power, too."""
        self.unplug(length_us)
        self.reset(0)

    def kill(self, length_us: int) -> None:
        """The program is killed within its next steps, and started again by somebody ``length_us`` later."""
        self._kill_in = self._chance.choice((0, 0, self._chance.randrange(40)))
        self.restart_after_us = length_us
        self.step()

    def step(self) -> None:
        """The program does something that can be seen from outside. A killed one does not."""
        if self._kill_in is not None:
            self.killed = self.killed or self._kill_in == 0
            self._kill_in -= 1
        if self.killed:
            raise Killed

    def ctrl_c(self, _length_us: int) -> None:
        """The person at the rig has had enough."""
        self.interrupt()

    def interlock(self, length_us: int) -> None:
        """The box is opened, and closed again."""
        self.world.will(self.t_us + 1, CLOSED, False)
        self.world.will(self.t_us + max(2, length_us), CLOSED, True)
        self._planned_us = self.t_us
        self._note_level()
