"""A link: bytes out, bytes in, and the host's clock that stamps them. Every body is one, and nobody can tell which.

May not: know what the bytes mean.
"""

from __future__ import annotations

import time
from typing import Protocol

import serial
from serial.tools import list_ports

from rig.errors import BoardError

BAUD = 1_000_000


class Link(Protocol):
    """What the program asks of a body. ``now_ns`` is monotonic; in a simulation it is the simulated host's clock."""

    def write(self, data: bytes) -> None:
        """Send bytes. Raises BoardError when the other end is gone."""

    def read(self, timeout_ns: int) -> bytes:
        """The bytes that came, waiting at most so long for the first. Raises BoardError when the other end is gone."""

    def now_ns(self) -> int:
        """The host's monotonic clock."""

    def close(self) -> None:
        """Let go of the port."""


class SerialLink:
    """A board on a serial port."""

    def __init__(self, port: str, baud: int = BAUD) -> None:
        try:
            self._port = serial.Serial(port, baud, timeout=0.1, write_timeout=1.0)
        except (serial.SerialException, ValueError, OSError) as error:
            found = ", ".join(name for name, _ in ports()) or "none"
            raise BoardError(
                f"port {port!r} cannot be opened ({_reason(error)}): ports here: {found}; set `port` in config.yaml"
            ) from None

    def write(self, data: bytes) -> None:
        """See :class:`Link`."""
        try:
            self._port.write(data)
        except (serial.SerialException, OSError) as error:
            raise BoardError(f"{self._port.port}: the board is gone ({_reason(error)}): check the cable") from None

    def read(self, timeout_ns: int) -> bytes:
        """See :class:`Link`."""
        try:
            self._port.timeout = timeout_ns / 1e9
            first: bytes = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else b""
        except (serial.SerialException, OSError, TypeError) as error:
            raise BoardError(f"{self._port.port}: the board is gone ({_reason(error)}): check the cable") from None

    def now_ns(self) -> int:
        """See :class:`Link`."""
        return time.monotonic_ns()

    def close(self) -> None:
        """See :class:`Link`."""
        self._port.close()


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


def ports() -> list[tuple[str, str]]:
    """``(name, description)`` of the serial ports of this computer."""
    return sorted((port.device, port.description or "") for port in list_ports.comports())
