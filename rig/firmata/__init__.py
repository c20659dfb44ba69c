"""Any board with StandardFirmata as a body: the trial machine runs on this computer, the pins are the board's.

:class:`FirmataLink` is a :class:`rig.link.Link` like the others. Behind it stand two processes that hold the board's
port: the loop (``loop``), which runs the trial machine, and the guard (``guard``), which closes the outputs if the loop
goes silent. What this body cannot guarantee is in ``cautions``, and said at the start of every session.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import serial

from rig.config import Config
from rig.errors import BoardError
from rig.firmata.wiring import TONE, Wiring, cautions, wiring_of
from rig.link import ports
from rig.wire import OUTPUTS

BAUD = 57_600  # StandardFirmata's own
READY_S = 30.0
SILENCE_S = 0.2  # of the loop while an output is on, before the guard acts: stalls of whole computers are shorter
IDLE_S = 2.0
CEILING_MARGIN_S = 0.05  # the trial machine closes at the ceiling; the guard a little later
_HERE = Path(__file__).parent


class FirmataLink:
    """A :class:`rig.link.Link` to a trial machine on this computer with a StandardFirmata board as its pins.

    Args:
        port: the serial port's name.
        max_on_s: ceilings by output's name.

    Raises:
        BoardError: no such port, no Firmata behind it, a pin that cannot do what it is named for.
    """

    def __init__(self, port: str, wiring: Wiring, max_on_s: dict[str, float], said: list[str] | None = None) -> None:
        if sys.platform == "win32":
            raise BoardError(
                "body firmata needs Linux or macOS: the guard shares the port, which Windows does not allow"
            )
        self.cautions = said or []
        self.status: dict[str, Any] = {}
        self.about: dict[str, Any] = {}
        self._buffer = b""
        self._error = ""
        self._processes: list[subprocess.Popen[bytes]] = []
        board = _open(port)
        self._socket, theirs = socket.socketpair()
        self._report, report = os.pipe()
        beats = socket.socketpair()
        try:
            self._guard = self._start_guard(board.fileno(), beats[1], report, wiring, max_on_s)
            self._loop = self._start_loop(board.fileno(), beats[0], theirs, wiring)
        finally:
            for end in (theirs, *beats):
                end.close()
            os.close(report)
            board.close()  # the two processes hold it
        self._wait_until_ready()

    @classmethod
    def of(cls, config: Config, port: str) -> FirmataLink:
        """The link of a rig whose body is firmata. Raises ConfigError for a wiring that cannot be."""
        wiring = wiring_of(config)
        max_on_s = {name: limits.max_on_ms / 1000 for name, limits in config.safety.outputs.items()}
        return cls(port, wiring, max_on_s, cautions(wiring, config))

    # --- Link --------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """See :class:`rig.link.Link`."""
        try:
            self._socket.sendall(data)
        except OSError:
            self._gone()

    def read(self, timeout_ns: int) -> bytes:
        """See :class:`rig.link.Link`."""
        until_ns = time.monotonic_ns() + timeout_ns
        while True:
            left_s = max(0, until_ns - time.monotonic_ns()) / 1e9
            if not select.select([self._socket], [], [], left_s)[0]:
                return b""
            found = self._take()
            if found:
                return found
            if self._error:
                self._gone()

    def reopen(self, timeout_ns: int) -> bool:
        """See :class:`rig.link.Link`. Never: the trial machine ended with its loop, and a new one knows nothing."""
        return False

    def now_ns(self) -> int:
        """See :class:`rig.link.Link`."""
        return time.monotonic_ns()

    def close(self) -> None:
        """Outputs low, port free, both processes ended."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        for process in self._processes[::-1]:
            try:
                process.wait(3.0)
            except subprocess.TimeoutExpired:
                process.kill()  # the loop: then the guard closes the outputs
                process.wait()
        self._processes.clear()
        self._socket.close()
        if self._report >= 0:
            os.close(self._report)
            self._report = -1

    # --- the two processes -------------------------------------------------------------------------------------------

    def _start_guard(
        self, port: int, beats: socket.socket, report: int, wiring: Wiring, max_on_s: dict[str, float]
    ) -> subprocess.Popen[bytes]:
        roles = (*OUTPUTS, TONE)
        limits = {
            "port": port,
            "beats": beats.fileno(),
            "report": report,
            "ports": sorted({pin // 8 for pin in wiring.outputs.values()}),
            "silence_s": SILENCE_S,
            "idle_s": IDLE_S,
            "max_on_s": {
                roles.index(role): max_on_s[role] + CEILING_MARGIN_S for role in wiring.outputs if role in max_on_s
            },
        }
        command = [sys.executable, "-I", "-S", str(_HERE / "guard.py"), json.dumps(limits)]
        return self._start(command, (port, beats.fileno(), report))

    def _start_loop(
        self, port: int, guard: socket.socket, session: socket.socket, wiring: Wiring
    ) -> subprocess.Popen[bytes]:
        said = {"port": port, "guard": guard.fileno(), "session": session.fileno(), "wiring": wiring.plain()}
        command = [sys.executable, "-m", "rig.firmata.loop", json.dumps(said)]
        return self._start(command, (port, guard.fileno(), session.fileno()))

    def _start(self, command: list[str], fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(_HERE.parent.parent), os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            command,
            pass_fds=fds,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._processes.append(process)
        return process

    def _wait_until_ready(self) -> None:
        until_s = time.monotonic() + READY_S
        while not self.about:
            left_s = until_s - time.monotonic()
            if left_s > 0 and select.select([self._socket], [], [], left_s)[0]:
                self._take()
            else:
                self._error = self._error or f"the loop was not ready within {READY_S:.0f} s"
            if self._error:
                self._gone()

    # --- frames ------------------------------------------------------------------------------------------------------

    def _take(self) -> bytes:
        """One reading of what the loop says; the bytes of the wire among it."""
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._error = self._error or "the host loop ended without a word"
            return b""
        self._buffer += data
        found, at = b"", 0
        while len(self._buffer) - at >= 3:
            kind, size = self._buffer[at], int.from_bytes(self._buffer[at + 1 : at + 3], "little")
            if len(self._buffer) - at < 3 + size:
                break
            content = self._buffer[at + 3 : at + 3 + size]
            at += 3 + size
            if kind == ord("W"):
                found += content
            elif kind == ord("S"):
                self.status = json.loads(content)
            elif kind == ord("R"):
                self.about = json.loads(content)
                self.status = dict(self.about)
            else:
                self._error = content.decode()
        self._buffer = self._buffer[at:]
        return found

    def _gone(self) -> None:
        """Raise what ended the loop, with what the guard did about it."""
        while not self._error and self._socket.fileno() >= 0:  # its last word may still lie there
            self._take()
        said = ""
        with contextlib.suppress(OSError, ValueError):  # a second call finds the pipe closed
            if select.select([self._report], [], [], 1.0)[0]:
                said = os.read(self._report, 1000).decode().strip()
        self.close()
        error = self._error or "the host loop is gone"
        raise BoardError(f"{error}; {said}" if said else error)


def _open(port: str) -> serial.Serial:
    try:
        return serial.Serial(port, BAUD, timeout=0, exclusive=True)
    except (serial.SerialException, ValueError, OSError) as error:
        found = ", ".join(name for name, _ in ports()) or "none"
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise BoardError(
            f"port {port!r} cannot be opened ({reason}): ports here: {found}; set `port` in config.yaml"
        ) from None
