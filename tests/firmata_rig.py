"""A StandardFirmata board in a rig with an animal: the world's events at its pins, a wire of 57600 baud, three ends.

``ModelEnd`` is the model in virtual time, ``ChipEnd`` (tests/avr) the real sketch on an emulated chip, ``PtyBoard`` the
model behind a pseudo-terminal in real time. ``VirtualLink`` puts the engine before either of the first two.
"""

from __future__ import annotations

import os
import pty
import select
import threading
import time
import tty
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Protocol

from firmata_board import FIRST_ANALOG, FirmataBoard

from rig import wire
from rig.board import Board
from rig.bodies.animals import Animal, Nobody, Paw
from rig.bodies.sim import START_US, SimSettings, World
from rig.config import Config, parse_config
from rig.firmata.engine import Engine
from rig.firmata.wiring import Wiring, wiring_of
from rig.link import Link
from rig.mouse import Mouse
from rig.mouse.animal import draw_animal
from rig.session.setup import board_setup

BYTE_US = 10e6 / 57_600
REST_COUNTS = 512
CUE_HZ = 6000
SLICE_US = 20_000

CONFIG = """
rig: bench
body: firmata
board: uno328p
port: {port}
data: {data}
stream: none
archive: none
lever: {{source: analogue, mm_per_count: 0.02, travel_mm: [-1, 8], calibrated: 2026-11-01}}
valve:
  calibrated: 2026-11-01
  refuse_after_days: 366
  drops:
    - {{open_ms: 15, ul: 2.2}}
    - {{open_ms: 25, ul: 4.3}}
    - {{open_ms: 35, ul: 6.4}}
    - {{open_ms: 50, ul: 9.6}}
    - {{open_ms: 70, ul: 14.0}}
inputs:
  lick: {{}}
  frame: {{}}
pins: {{lever: A0, valve: 8, sync: 9, tone: 10, lick: 2, frame: 4}}
"""
LONG_VALVE = "safety: {outputs: {valve: {max_on_ms: 1900}}}\n"  # the board's own cap is 2 s
ROLES = {"valve": 8, "sync": 9, "tone": 10, "lick": 2, "frame": 4}


def firmata_config(port: str = "/dev/null", data: str = "data", more: str = "", text: str = CONFIG) -> Config:
    """A rig on a StandardFirmata board; ``more``: further lines of YAML."""
    return parse_config(text.format(port=port, data=data) + more)


def mouse(seed: int = 1, mm_per_count: float = 0.02) -> Animal:
    """An expert that answers nearly every cue."""
    return Paw(Mouse(draw_animal(seed, 1), 14), 1 / mm_per_count)


class Surroundings:
    """Lever, spout, microscope and ears around a board, by its pins. Times are the board's own µs.

    Args:
        pins: roles to whatever the board calls a pin.
        counts: the lever's lowest, its rest and its highest.
    """

    def __init__(
        self,
        animal: Animal,
        pins: Mapping[str, Hashable] = ROLES,
        frame_hz: float | None = 30.0,
        counts: tuple[int, int, int] = (0, REST_COUNTS, 1023),
    ) -> None:
        self._world = World(animal, SimSettings(frame_hz=frame_hz))
        self._pins = pins
        self._outputs = self._tone_hz = 0
        self._roles = {pin: role for role, pin in pins.items()}
        self._lowest, self.counts, self._highest = counts
        self._levels = 0
        self.valve_us: list[tuple[int, int]] = []  # (time, level)

    def ahead(self, start_us: int, end_us: int) -> list[tuple[int, str, int]]:
        """``(time, role, value)`` with start < time <= end: the lever's counts, levels of input pins."""
        found: list[tuple[int, str, int]] = []
        edge_us, steps = self._world.edges(START_US + start_us, START_US + end_us)
        for t_us, step in zip(edge_us, steps, strict=True):
            self.counts = max(self._lowest, min(self._highest, self.counts + int(step)))
            found.append(((int(t_us) - START_US - start_us & 0xFFFFFFFF) + start_us, "lever", self.counts))
        input_us, levels = self._world.inputs(START_US + start_us, START_US + end_us)
        for t_us, level in zip(input_us, levels, strict=True):
            for i, role in enumerate(wire.INPUTS):
                if (self._levels ^ int(level)) >> i & 1 and role in self._pins:
                    at_us = (int(t_us) - START_US - start_us & 0xFFFFFFFF) + start_us
                    found.append((at_us, role, int(level) >> i & 1))
            self._levels = int(level)
            self._world.passed(int(level))
        return sorted(found, key=lambda change: change[0])

    def output(self, t_us: int, pin: Hashable, level: int) -> None:
        """The board drives a pin."""
        role = self._roles.get(pin)
        if role == "tone":
            self._tone_hz = CUE_HZ if level else 0
        elif role in wire.OUTPUTS:
            bit = 1 << wire.OUTPUTS.index(role)
            self._outputs = self._outputs | bit if level else self._outputs & ~bit
        if role == "valve":
            self.valve_us.append((t_us, level))
        self._world.outputs(START_US + t_us, self._outputs, self._tone_hz)


class Line:
    """One direction of a serial line: bytes arrive one after the other, at its speed."""

    def __init__(self) -> None:
        self._free_us = 0.0
        self.queue: list[tuple[int, bytes]] = []

    def put(self, t_us: int, data: bytes) -> None:
        """Bytes handed to the line; a message of three or fewer arrives whole."""
        for at in range(0, len(data), 3):
            part = data[at : at + 3]
            self._free_us = max(self._free_us, t_us) + BYTE_US * len(part)
            self.queue.append((round(self._free_us), part))

    def next_us(self) -> int:
        """When the next bytes arrive."""
        return self.queue[0][0] if self.queue else 1 << 60

    def take(self, t_us: int) -> bytes:
        """What has arrived by then."""
        found = b""
        while self.queue and self.queue[0][0] <= t_us:
            found += self.queue.pop(0)[1]
        return found


class BoardInRig:
    """The model with its surroundings and its line, stepped by whoever has the time."""

    def __init__(self, board: FirmataBoard, around: Surroundings) -> None:
        self.board, self.around = board, around
        self.to_board, self.to_host = Line(), Line()
        self.lever = REST_COUNTS
        self.disturb: Callable[[int], int] = lambda counts: counts  # a wire that lies between lever and pin
        self._planned_us = 0
        self._coming: list[tuple[int, str, int]] = []
        board.analogue = lambda channel: self.disturb(self.lever) if channel == 0 else 0
        board.on_output = around.output

    def next_us(self) -> int:
        """When something happens by itself."""
        coming = self._coming[0][0] if self._coming else self._planned_us
        return min(coming, self.to_board.next_us(), self.to_host.next_us(), self.board.next_us())

    def step(self, t_us: int) -> bytes:
        """Everything until now; the bytes that have arrived at the host."""
        while self._planned_us <= t_us:
            self._coming += self.around.ahead(self._planned_us, self._planned_us + SLICE_US)
            self._planned_us += SLICE_US
        while self._coming and self._coming[0][0] <= t_us:
            _, role, value = self._coming.pop(0)
            if role == "lever":
                self.lever = value
            else:
                self.board.outside[ROLES[role]] = value
        said = self.board.receive(t_us, self.to_board.take(t_us)) + self.board.step(t_us)
        self.to_host.put(t_us, said)
        return self.to_host.take(t_us)


class End(Protocol):
    """A board in virtual time."""

    @property
    def now_us(self) -> int: ...

    def write(self, data: bytes) -> None: ...

    def read_until(self, t_us: int) -> bytes: ...


class ModelEnd:
    """The model in virtual time."""

    def __init__(self, rig: BoardInRig) -> None:
        self.rig = rig
        self.now_us = 0
        rig.to_host.put(1_600_000, rig.board.start())

    def write(self, data: bytes) -> None:
        """Bytes for the board."""
        self.rig.to_board.put(self.now_us, data)

    def read_until(self, t_us: int) -> bytes:
        """Time passes until bytes have come, at most until then."""
        while True:
            self.now_us = min(max(self.rig.next_us(), self.now_us), t_us)
            data = self.rig.step(self.now_us)
            if data or self.now_us >= t_us:
                return data


class VirtualLink:
    """The engine before a board in virtual time, as a :class:`rig.link.Link`; the computer takes no time."""

    def __init__(self, end: End, wiring: Wiring) -> None:
        self.end = end
        self.engine = Engine(wiring)
        self.engine.begin(_Port(end))
        self.cautions: list[str] = []
        self.about, self.status = self.engine.about(), self.engine.status("none: virtual time")
        self.decided: list[tuple[int, int]] = []  # (bytes arrived, outputs after): for latencies

    def write(self, data: bytes) -> None:
        """See :class:`rig.link.Link`."""
        self.engine.session(self.end.now_us, data)
        self._act()

    def read(self, timeout_ns: int) -> bytes:
        """See :class:`rig.link.Link`."""
        engine, end = self.engine, self.end
        until_us = end.now_us + timeout_ns // 1000
        while True:
            said = engine.trials.said()
            if said or end.now_us >= until_us:
                return said
            data = end.read_until(max(end.now_us + 1, min(until_us, engine.trials.next_us(end.now_us))))
            if data:
                engine.serial(end.now_us, data)
            else:
                engine.step(end.now_us)
            self._act()

    def _act(self) -> None:
        out = self.engine.trials.out()
        if out:
            self.end.write(out)

    def reopen(self, timeout_ns: int) -> bool:
        """See :class:`rig.link.Link`."""
        return False

    def now_ns(self) -> int:
        """See :class:`rig.link.Link`."""
        return self.end.now_us * 1000

    def close(self) -> None:
        """See :class:`rig.link.Link`."""
        self.end.write(self.engine.make_safe())


class _Port:
    def __init__(self, end: End) -> None:
        self._end = end

    def write(self, data: bytes) -> None:
        self._end.write(data)

    def read(self, timeout_ns: int) -> bytes:
        return self._end.read_until(self._end.now_us + timeout_ns // 1000)

    def now_ns(self) -> int:
        return self._end.now_us * 1000


def virtual_link(config: Config, animal: Animal | None = None, board: FirmataBoard | None = None) -> VirtualLink:
    """The whole rig in virtual time, with the model."""
    rig = BoardInRig(board or FirmataBoard(), Surroundings(animal or Nobody()))
    return VirtualLink(ModelEnd(rig), wiring_of(config))


def arm(link: Link, config: Config) -> Board:
    """Bring the machine to where a session has it before the first trial."""
    board = Board(link)
    board.begin_anew()
    for name, values in board_setup(config):
        board.send(name, values)
    while not board.idle:
        board.poll(20_000_000)
    return board


def pulse(board: Board, output: str, level: int = 255, width_us: int = 100_000) -> None:
    """One state that runs one pulse on an output and outlasts it."""
    row = dict.fromkeys((name for name, _ in wire.GENERATOR_FIELDS), 0)
    row |= {"kind": int(wire.Generator.PULSE), "output": wire.OUTPUTS.index(output), "level": level}
    state = dict.fromkeys((name for name, _ in wire.STATE_FIELDS), 0)
    state |= {"start": 1, "after_us": width_us + 200_000, "after_to": wire.END}
    board.send("table_begin", {"trial": 1, "states": 1, "rules": 0, "generators": 1})
    board.send("table_state", {"index": 0, **state})
    board.send("table_generator", {"index": 0, **row, "width_us": width_us})
    board.send("table_commit")


class PtyBoard:
    """The model behind a pseudo-terminal, in real time, on a thread of its own."""

    def __init__(self, board: FirmataBoard | None = None, animal: Animal | None = None, stale: bytes = b"") -> None:
        self.rig = BoardInRig(board or FirmataBoard(), Surroundings(animal or Nobody()))
        self._far, near = pty.openpty()
        tty.setraw(near)
        self.port = os.ttyname(near)
        self._near = near  # held, so that the far end does not hang up between two openings
        self._wake, self._waker = os.pipe()
        self._start_ns = time.monotonic_ns()
        self.rig.to_host.put(0, stale + self.rig.board.start())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def us_of(self, monotonic_ns: int) -> int:
        """The board's time of a moment."""
        return (monotonic_ns - self._start_ns) // 1000

    def _run(self) -> None:
        os.set_blocking(self._far, False)
        fds: list[Any] = [self._far, self._wake]
        while True:
            now_us = self.us_of(time.monotonic_ns())
            data = self.rig.step(now_us)
            try:
                if data:
                    os.write(self._far, data)
                wait_s = max(0.0, (self.rig.next_us() - self.us_of(time.monotonic_ns())) / 1e6)
                ready = select.select(fds, [], [], min(wait_s, 0.1))[0]
                if self._wake in ready:
                    return
                if self._far in ready:
                    self.rig.to_board.put(self.us_of(time.monotonic_ns()), os.read(self._far, 4096))
            except BlockingIOError:
                continue
            except OSError:
                return

    def let_go(self) -> int:
        """The board says and hears no more; its end of the line is whoever's."""
        os.write(self._waker, b"x")
        self._thread.join()
        return self._far

    def unplug(self) -> None:
        """Pull the cable."""
        if self._thread.is_alive():
            self.let_go()
        for fd in (self._near, self._far):
            if fd >= 0:
                os.close(fd)
        self._near = self._far = -1

    def close(self) -> None:
        """The end of the board."""
        if self._far >= 0:
            self.unplug()
        for fd in (self._wake, self._waker):
            os.close(fd)


def levels_over(board: FirmataBoard, pins: dict[str, int] = ROLES) -> Iterator[tuple[str, int]]:
    """The output roles and what their pins drive."""
    for role, pin in pins.items():
        if role in (*wire.OUTPUTS, "tone"):
            yield role, board.high[pin]


assert FIRST_ANALOG == 14
