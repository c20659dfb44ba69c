"""The simulated rig's board in another process, its bytes over a pseudo-terminal and pyserial: `body: pty`.

It answers to the names of the machine's library, so
:class:`rig.bodies.sim.SimLink` drives it as it drives the one in this process, in the same virtual time; only the
bytes go through the system's terminal driver. May not: know what they mean.
"""

from __future__ import annotations

import struct
import subprocess
from typing import Any

import serial

from rig.bodies import core
from rig.errors import BoardError, LinkError
from rig.link import BAUD

_ANSWER = struct.Struct("<IIIHHBB")
_PATIENCE_S = 5.0


class PtyBody:
    """Functions of ``firmware/boards/host/host.h``; each one's first argument, the machine, is not looked at."""

    def __init__(self) -> None:
        try:
            command = [str(core.build_pty())]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise BoardError(f"body: pty: the board's process cannot be started ({error.strerror})") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self.port = self._answers.readline().decode().strip()
        self._line = serial.Serial(self.port, BAUD, timeout=_PATIENCE_S, write_timeout=_PATIENCE_S)
        self._state: tuple[int, ...] = (0,) * 7

    def _ask(self, request: bytes) -> None:
        try:
            self._requests.write(request)
            self._requests.flush()
        except OSError:
            raise LinkError(f"{self.port}: the board's process has ended") from None

    def _exactly(self, size: int) -> bytes:
        data = self._answers.read(size)
        if len(data) != size:
            raise LinkError(f"{self.port}: the board's process has ended")
        return data

    def _look(self, request: bytes) -> None:
        self._ask(request)
        self._state = _ANSWER.unpack(self._exactly(_ANSWER.size))

    # --- as in host.h ------------------------------------------------------------------------------------------------

    def host_start(self, _: Any, now_us: int, boot: int, reason: int, board: int, pins: int) -> None:
        self._ask(struct.pack("<cIHBBI", b"B", now_us, boot, reason, board, pins))

    def host_input_now(self, _: Any, levels: int) -> None:
        self._ask(struct.pack("<cB", b"N", levels))

    def host_plan_lever(self, _: Any, t_us: Any, steps: Any, n: int) -> None:
        self._ask(struct.pack("<cI", b"L", n) + _bytes(t_us, 4 * n) + _bytes(steps, n))

    def host_plan_inputs(self, _: Any, t_us: Any, levels: Any, n: int) -> None:
        self._ask(struct.pack("<cI", b"I", n) + _bytes(t_us, 4 * n) + _bytes(levels, n))

    def host_run(self, _: Any, until_us: int, news: int) -> int:
        self._look(struct.pack("<cIB", b"R", until_us, news))
        return self._state[5]

    def host_receive(self, _: Any, data: bytes, size: int) -> None:
        self._line.write(data[:size])
        self._look(struct.pack("<cI", b"W", size))

    def host_send(self, _: Any, room: Any, size: int) -> int:
        self._ask(b"S")
        (n,) = struct.unpack("<I", self._exactly(4))
        data = self._line.read(n)
        if len(data) != n or n > size:
            raise LinkError(f"{self.port}: {len(data)} of {n} bytes came through the terminal")
        core.load()[0].memmove(room, data, n)
        return int(n)

    def host_now(self, _: Any) -> int:
        return self._state[0]

    def host_inputs_left(self, _: Any) -> int:
        return self._state[1]

    def host_lever_left(self, _: Any) -> int:
        return self._state[2]

    def host_outputs(self, _: Any) -> int:
        return self._state[3]

    def host_tone_hz(self, _: Any) -> int:
        return self._state[4]

    def host_owes(self, _: Any) -> int:
        return self._state[6]

    def close(self) -> None:
        """The process ends when nobody asks any more."""
        self._line.close()
        self._requests.close()
        self._answers.close()
        self._process.wait(_PATIENCE_S)


def _bytes(array: Any, size: int) -> bytes:
    return bytes(core.load()[0].buffer(array)[:size]) if size else b""
