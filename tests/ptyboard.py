"""A board at the far end of a pseudo-terminal: the simulated rig in real time, in a thread of the test.

It lives on when the program that talks to it is killed, can be unplugged and come back under another name, and can be
asked afterwards what had been acknowledged. Its wire may turn bits, both ways.
"""

from __future__ import annotations

import os
import pty
import random
import select
import threading
import time
import tty
from types import SimpleNamespace

from sim.faults import Noise, spoiled

from rig.board import Board, Hello
from rig.bodies.animals import make_animal
from rig.bodies.sim import SimLink, SimSettings

USB = (0x2341, 0x0042, "7A3")


class PtyBoard:
    """A context: ``port`` is the name to open. ``flip``: of the bytes, so many have a bit turned."""

    def __init__(self, pace: float = 1.0, flip: float = 0.0) -> None:
        self._pace, self._noise = pace, Noise(flip)
        self._chance = random.Random(1)
        self.link = self._power(1)
        self._plugged = threading.Lock()
        self._plug()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._bridge)

    def _power(self, boot: int) -> SimLink:
        return SimLink(make_animal("mouse", 100.0, 1), SimSettings(pace=self._pace, boot=boot, frame_hz=None))

    def _plug(self) -> None:
        self._far, self._near = pty.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)

    def __enter__(self) -> PtyBoard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._pull()

    def _pull(self) -> None:
        self.port = ""
        os.close(self._near)
        os.close(self._far)

    def stop(self) -> None:
        """The cable is out; the board keeps what it has."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def replug(self, for_s: float, *, power: bool = True) -> None:
        """Pull the cable, and put it back later: the port has another name then. Without ``power`` the board is new."""
        with self._plugged:
            self._pull()
        time.sleep(for_s)
        with self._plugged:
            taken = os.openpty()  # so that the name is another one
            self._plug()
            for end in taken:
                os.close(end)
            if not power:
                self.link = self._power(2)

    def comports(self) -> list[SimpleNamespace]:
        """As a computer lists it: a USB board, while it is plugged in."""
        vid, pid, number = USB
        here = SimpleNamespace(device=self.port, vid=vid, pid=pid, serial_number=number, description="")
        return [here] if self.port else []

    def hello(self) -> Hello:
        """Ask the board, once the cable is out, how its numbering stands."""
        return Board(self.link).connect()

    def _bridge(self) -> None:
        while not self._ended.is_set():
            with self._plugged:
                if self.port and select.select([self._far], [], [], 0)[0]:
                    self.link.write(self._spoil(os.read(self._far, 4096)))
            data = self._spoil(self.link.read(2_000_000))
            while data and not self._ended.is_set():
                with self._plugged:
                    if not self.port:
                        break
                    if select.select([], [self._far], [], 0.05)[1]:
                        data = data[os.write(self._far, data) :]

    def _spoil(self, data: bytes) -> bytes:
        return spoiled(data, self._noise, self._chance) if data and self._noise.flip else data
