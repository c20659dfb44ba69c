"""The loop: a process of its own between the board's port and the session, asleep until a byte or a deadline comes.

It shares its interpreter with nothing, collects no garbage, and runs with real-time priority where the system permits.
The short way – the board's bytes, what they decide, its outputs, the guard's beat – is C, asleep outside the
interpreter (``Trials.wait``); here is what comes after it: the session, the board's other words, signals. It never
waits for the session, and nothing spins. POSIX only (descriptors are inherited, scheduling is asked for).

Frames to the session: kind u8, length u16, content: W bytes of the wire, S status (JSON), R ready (JSON), E the error
that ended it. From the session: bytes of the wire alone; the end of them is the end.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from types import FrameType
from typing import Any

from rig.errors import BoardError, RigError
from rig.firmata.engine import Engine
from rig.firmata.wiring import Wiring

FRAME = struct.Struct("<BH")
PRIORITY = 50
SIGNAL_NS = 10_000_000  # a signal that came between two instructions waits at most so long
STATUS_NS = 1_000_000_000
ROOM = 1 << 16
GOODBYE = b"\xff\xff"


class FdPort:
    """The board's port as a :class:`rig.link.Link` over an inherited descriptor."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        os.set_blocking(fd, False)

    def write(self, data: bytes) -> None:
        """See :class:`rig.link.Link`."""
        try:
            while data:
                try:
                    data = data[os.write(self.fd, data) :]
                except BlockingIOError:
                    if not select.select([], [self.fd], [], 0.2)[1]:
                        raise BoardError("the board takes no bytes: check the cable") from None
        except OSError as error:
            raise BoardError(f"the board is gone ({error.strerror}): check the cable") from None

    def read(self, timeout_ns: int) -> bytes:
        """See :class:`rig.link.Link`."""
        if not select.select([self.fd], [], [], timeout_ns / 1e9)[0]:
            return b""
        return self.take()

    def take(self) -> bytes:
        """What is there. Raises BoardError where the other end is gone."""
        try:
            data = os.read(self.fd, 4096)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise BoardError(f"the board is gone ({error.strerror}): check the cable") from None
        if not data:
            raise BoardError("the board is gone (end of file): check the cable")
        return data

    def now_ns(self) -> int:
        """See :class:`rig.link.Link`."""
        return time.monotonic_ns()

    def close(self) -> None:
        """See :class:`rig.link.Link`."""
        os.close(self.fd)


class StoppedError(Exception):
    """A signal asked for the end."""


class Loop:
    """One session's loop over three descriptors: board, session, guard."""

    def __init__(self, engine: Engine, port: FdPort, session: socket.socket, guard: socket.socket) -> None:
        self.engine, self.port, self.session, self.guard = engine, port, session, guard
        self.scheduling = hurry()
        self._out = bytearray()
        self._status_ns = 0
        self._began = False
        session.setblocking(False)

    def frame(self, kind: bytes, content: bytes) -> None:
        """Queue a frame for the session."""
        self._out += FRAME.pack(kind[0], len(content)) + content

    def status(self) -> dict[str, Any]:
        """What the session shows and keeps of this loop."""
        return self.engine.status(self.scheduling)

    def ready(self) -> None:
        """Tell the session that the board is found and safe."""
        self._began = True
        self.frame(b"R", json.dumps({**self.engine.about(), **self.status()}).encode())

    def run(self) -> str:
        """Until the session lets go. Raises BoardError for the board, StoppedError for a signal."""
        engine, trials, lib = self.engine, self.engine.trials, self.engine.trials.lib
        port, session, guard = self.port.fd, self.session.fileno(), self.guard.fileno()
        while True:
            until_ns = min(time.monotonic_ns() + SIGNAL_NS, self._status_ns + STATUS_NS, 1000 * engine.check_us)
            wants = trials.wait(port, session, guard, until_ns, full=bool(self._out))
            if wants & lib.FIRMATA_GONE:
                raise BoardError(f"the board is gone ({_reason(trials.seen.error)}): check the cable")
            now_ns = time.monotonic_ns()
            engine.attend(now_ns // 1000)
            if wants & lib.FIRMATA_HEAR and not self._hear():
                return "the session let go"
            if wants & lib.FIRMATA_GUARD:
                raise BoardError("the guard process is gone: outputs were closed, start again")
            self._tell(now_ns)

    def _hear(self) -> bool:
        try:
            data = self.session.recv(1 << 14)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data:
            self.engine.session(time.monotonic_ns() // 1000, data)
            self.engine.trials.flush(self.port.fd)
        return bool(data)

    def _tell(self, now_ns: int) -> None:
        """Hand the session what there is; what it does not take waits in the trial machine's own queue."""
        if now_ns - self._status_ns >= STATUS_NS:
            self._status_ns = now_ns
            self.frame(b"S", json.dumps(self.status()).encode())
        if len(self._out) < ROOM:
            data = self.engine.trials.said()
            if data:
                self.frame(b"W", data)
        if self._out:
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                del self._out[: self.session.send(self._out)]

    def last_word(self, text: str) -> None:
        """The error that ended it, for the session, if it still listens."""
        if self._began:
            self.frame(b"S", json.dumps(self.status()).encode())
        self.frame(b"E", text.encode())
        self.session.settimeout(1.0)
        with contextlib.suppress(OSError):
            self.session.sendall(self._out)


def _reason(error: int) -> str:
    return os.strerror(error) if error else "end of file"


def hurry() -> str:
    """No garbage collector, and real-time scheduling where it is permitted. Returns what was granted."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except (AttributeError, OSError):
        return "ordinary (real time was not permitted)"
    return "real time (SCHED_FIFO)"


def _stop(number: int, _frame: FrameType | None) -> None:
    raise StoppedError(f"the loop was told to stop (signal {signal.Signals(number).name})")


def main(text: str) -> int:
    """Run with what :mod:`rig.firmata` says: descriptors and wiring, as JSON."""
    said = json.loads(text)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the session's: it ends in good order
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, _stop)
    session, guard = socket.socket(fileno=said["session"]), socket.socket(fileno=said["guard"])
    port, engine = FdPort(said["port"]), Engine(Wiring(**said["wiring"]))
    guard.recv(1)  # it watches before anything can be on
    loop = Loop(engine, port, session, guard)
    try:
        engine.begin(port)
        loop.ready()
        loop.run()
    except (RigError, StoppedError) as error:
        loop.last_word(str(error))
    finally:
        _end(loop)
    return 0


def _end(loop: Loop) -> None:
    """Outputs low whatever happened; only when the board was told may the guard go."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(RigError):
        loop.port.write(loop.engine.make_safe())
        with contextlib.suppress(OSError):
            loop.guard.send(GOODBYE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
