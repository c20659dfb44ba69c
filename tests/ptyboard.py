"""A board at the far end of a pseudo-terminal: the simulated rig in real time, in a thread of the test.

It lives on when the program that talks to it is killed, and can be asked afterwards what had been acknowledged.
"""

from __future__ import annotations

import os
import pty
import select
import threading
import tty

from rig.animals import make_animal
from rig.board import Board, Hello
from rig.sim import SimLink, SimSettings


class PtyBoard:
    """A context: ``port`` is the name to open."""

    def __init__(self, pace: float = 1.0) -> None:
        self.link = SimLink(make_animal("mouse", 100.0, 1), SimSettings(pace=pace))
        self._far, self._near = pty.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._bridge)

    def __enter__(self) -> PtyBoard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        os.close(self._far)
        os.close(self._near)

    def stop(self) -> None:
        """The cable is out; the board keeps what it has."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def hello(self) -> Hello:
        """Ask the board, once the cable is out, how its numbering stands."""
        return Board(self.link).connect()

    def _bridge(self) -> None:
        while not self._ended.is_set():
            if select.select([self._far], [], [], 0)[0]:
                self.link.write(os.read(self._far, 4096))
            data = self.link.read(2_000_000)
            while data and not self._ended.is_set():
                if select.select([], [self._far], [], 0.05)[1]:
                    data = data[os.write(self._far, data) :]
