"""A link: bytes out, bytes in, and the host's clock that stamps them. Every body is one, and nobody can tell which.

May not: know what the bytes mean.
"""

from __future__ import annotations

import contextlib
import time
from typing import Protocol

import serial
from serial.tools import list_ports

from rig.errors import BoardError, LinkError

try:
    import termios
except ImportError:  # Windows: opening a port there leaves the line as the driver has it
    termios = None  # type: ignore[assignment]

Identity = tuple[int, int, str | None]
BAUD = 1_000_000
LOOK_AGAIN_S = 0.1


class Link(Protocol):
    """What the program asks of a body. ``now_ns`` is monotonic; in a simulation it is the simulated host's clock."""

    def write(self, data: bytes) -> None:
        """Send bytes. Raises LinkError when the other end is gone."""

    def read(self, timeout_ns: int) -> bytes:
        """The bytes that came, waiting at most so long for the first. Raises LinkError when the other end is gone."""

    def reopen(self, timeout_ns: int) -> bool:
        """Open the same board again, under whatever name it came back; False if it did not within the time."""

    def now_ns(self) -> int:
        """The host's monotonic clock."""

    def close(self) -> None:
        """Let go of the port."""


class SerialLink:
    """A board on a serial port."""

    def __init__(self, port: str, baud: int = BAUD) -> None:
        self._baud = baud
        self._identity = _identity(port)
        self._port = self._open(port)

    def _open(self, port: str) -> serial.Serial:
        try:
            opened = serial.Serial(port, self._baud, timeout=0.1, write_timeout=1.0)
        except (serial.SerialException, ValueError, OSError) as error:
            found = ", ".join(name for name, _ in ports()) or "none"
            raise BoardError(
                f"port {port!r} cannot be opened ({_reason(error)}): ports here: {found}; set `port` in config.yaml"
            ) from None
        _keep_dtr(opened)
        return opened

    def reopen(self, timeout_ns: int) -> bool:
        """See :class:`Link`. A USB board is known again by vendor, product and serial number."""
        name, deadline_ns = str(self._port.port), self.now_ns() + timeout_ns
        self._port.close()
        while True:
            with contextlib.suppress(BoardError):
                if port := port_of(self._identity, name):
                    self._port = self._open(port)
                    return True
            if self.now_ns() >= deadline_ns:
                return False
            time.sleep(LOOK_AGAIN_S)

    def write(self, data: bytes) -> None:
        """See :class:`Link`."""
        try:
            self._port.write(data)
        except (serial.SerialException, OSError) as error:
            raise LinkError(f"{self._port.port}: the board is gone ({_reason(error)}): check the cable") from None

    def read(self, timeout_ns: int) -> bytes:
        """See :class:`Link`."""
        try:
            self._port.timeout = timeout_ns / 1e9
            first: bytes = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else b""
        except (serial.SerialException, OSError, TypeError) as error:
            raise LinkError(f"{self._port.port}: the board is gone ({_reason(error)}): check the cable") from None

    def now_ns(self) -> int:
        """See :class:`Link`."""
        return time.monotonic_ns()

    def close(self) -> None:
        """See :class:`Link`."""
        self._port.close()


def _identity(port: str) -> Identity | None:
    """Vendor, product and serial number of the USB board on a port; None for what is no USB."""
    for found in list_ports.comports():
        if found.device == port and found.vid is not None:
            return found.vid, found.pid, found.serial_number
    return None


def port_of(identity: Identity | None, name: str) -> str | None:
    """Where that board is now: where it was, or wherever its like is the only one. None: nowhere."""
    if identity is None:
        return name
    same = [port.device for port in list_ports.comports() if (port.vid, port.pid, port.serial_number) == identity]
    return name if name in same else same[0] if len(same) == 1 else None


def _keep_dtr(port: serial.Serial) -> None:
    """Leave the DTR line up when the port is closed: on many boards its fall is the reset button."""
    if termios is None:
        return
    with contextlib.suppress(termios.error):
        attributes = termios.tcgetattr(port.fileno())
        attributes[2] &= ~termios.HUPCL
        termios.tcsetattr(port.fileno(), termios.TCSANOW, attributes)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


def ports() -> list[tuple[str, str]]:
    """``(name, description)`` of the serial ports of this computer."""
    return sorted((port.device, port.description or "") for port in list_ports.comports())
