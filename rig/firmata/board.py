"""A StandardFirmata board as pyfirmata2 knows it, without its waiting: bytes in, bytes out, no port and no clock.

pyfirmata2 opens the port itself, waits five seconds at full load and then reads by polling every millisecond. Here
its parser (``iterate``) and its encoders (``Pin``, ``Port``, ``send_sysex``) work on a buffer that somebody else fills
from a blocking read. It is handed whole messages only: else it would wait for the rest, or take a command byte
for data.
"""

from __future__ import annotations

from collections.abc import Callable

import pyfirmata2
from pyfirmata2 import pyfirmata2 as protocol

from rig.firmata.wiring import ANALOGUE, INPUT, NO_CHANNEL, OUTPUT, PULLUP, PWM, Placed

MAX_MESSAGE = 4096  # a capability reply of a board with 100 pins is below 2000
_THREE = {*range(0x90, 0xA0), *range(0xE0, 0xF0), protocol.REPORT_VERSION}


class Splitter:
    """Bytes as they come in, whole Firmata messages out. Bytes that belong to none are counted in ``stray``."""

    def __init__(self) -> None:
        self.stray = 0
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages completed by ``data``, in order."""
        data = self._rest + data
        found, at, end = [], 0, len(data)
        while at < end:
            first = data[at]
            if first == protocol.START_SYSEX:
                size = self._sysex(data, at, end)
            elif first in _THREE:
                size = self._three(data, at, end)
            else:
                size = -1
            if size == 0:
                break
            if size > 0:
                found.append(data[at : at + size])
            else:
                self.stray += -size
            at += abs(size)
        self._rest = data[at:]
        if len(self._rest) > MAX_MESSAGE:
            self.stray += len(self._rest)
            self._rest = b""
        return found

    def leave(self) -> bytes:
        """The beginning of a message whose end somebody else will read."""
        rest, self._rest = self._rest, b""
        return rest

    @staticmethod
    def _three(data: bytes, at: int, end: int) -> int:
        """Length of the message; 0: not whole yet; negative: so many bytes that are none."""
        for i in (1, 2):
            if at + i == end:
                return 0
            if data[at + i] > 0x7F:
                return -i
        return 3

    @staticmethod
    def _sysex(data: bytes, at: int, end: int) -> int:
        i = at + 1
        while i < end and data[i] < 0x80:
            i += 1
        if i == end:
            return 0
        return i + 1 - at if data[i] == protocol.END_SYSEX and i > at + 1 else at - i


class _Buffer:
    """What pyfirmata2 takes for its serial port."""

    def __init__(self) -> None:
        self.out = bytearray()
        self._message = b""
        self._at = 0

    def load(self, message: bytes) -> None:
        self._message, self._at = message, 0

    def read(self, size: int = 1) -> bytes:
        at = self._at
        self._at = at + size
        return self._message[at : at + size]

    def write(self, data: bytes) -> None:
        self.out += data

    def inWaiting(self) -> int:  # noqa: N802 (pyserial's name)
        return len(self._message) - self._at

    def close(self) -> None:
        """There is no port here."""


class PinBoard(pyfirmata2.Board):  # type: ignore[misc]
    """Pins behind bytes. ``on_sample`` gets raw counts of the lever's channel as they come."""

    def __init__(self) -> None:  # pyfirmata2's own opens a port and waits
        self.samplerThread = None
        self.sp = _Buffer()
        self.name = "firmata"
        self.splitter = Splitter()
        self.channels: dict[int, int] = {}
        self.able: dict[int, dict[int, int]] = {}
        self.pullups: tuple[str, ...] = ()
        self.mapped = False
        self.versions = 0
        self.levels = 0
        self.ports_seen: set[int] = set()
        self.on_sample: Callable[[int], None] = lambda counts: None
        self._command_handlers: dict[int, Callable[..., None]] = {}  # pyfirmata2's is shared by all boards
        self._channel: int | None = None
        self.add_cmd_handler(protocol.REPORT_VERSION, self._handle_report_version)
        self.add_cmd_handler(protocol.REPORT_FIRMWARE, self._handle_report_firmware)
        self.add_cmd_handler(protocol.CAPABILITY_RESPONSE, self._handle_capability)
        self.add_cmd_handler(protocol.ANALOG_MAPPING_RESPONSE, self._handle_mapping)

    def __del__(self) -> None:
        """Nothing is open."""

    def exit(self) -> None:
        """Nothing is open."""

    # --- bytes -------------------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> int:
        """Bytes from the board, through pyfirmata2's parser. Returns how many messages they completed."""
        messages = self.splitter.feed(data)
        for message in messages:
            self.sp.load(message)
            try:
                self.iterate()
            except (IndexError, TypeError):  # a reply that is too short
                self.splitter.stray += len(message)
        return len(messages)

    def give(self) -> bytes:
        """Bytes for the board."""
        out = self.sp.out
        if not out:
            return b""
        data = bytes(out)
        out.clear()
        return data

    def ask_who(self) -> None:
        """Version and firmware, please."""
        self.sp.write(bytes((protocol.REPORT_VERSION,)))
        self.send_sysex(protocol.REPORT_FIRMWARE, [])

    def ask_version(self) -> None:
        """The shortest question that has an answer: for round trips."""
        self.sp.write(bytes((protocol.REPORT_VERSION,)))

    def ask_pins(self) -> None:
        """Capabilities and analogue mapping, please."""
        self.send_sysex(protocol.CAPABILITY_QUERY, [])
        self.send_sysex(protocol.ANALOG_MAPPING_QUERY, [])

    # --- what the board says -----------------------------------------------------------------------------------------

    def _handle_report_version(self, major: int, minor: int) -> None:
        self.firmata_version = (major, minor)
        self.versions += 1

    def _handle_capability(self, *data: int) -> None:
        able: dict[int, dict[int, int]] = {}
        pin, i = 0, 0
        able[0] = {}
        while i < len(data):
            if data[i] == 0x7F:
                pin, i = pin + 1, i + 1
                able[pin] = {}
            elif i + 1 < len(data):
                able[pin][data[i]] = data[i + 1]
                i += 2
            else:
                raise ValueError
        del able[pin]  # what follows the last pin's end
        self.able = able

    def _handle_mapping(self, *data: int) -> None:
        self.mapped = True
        self.channels = {channel: pin for pin, channel in enumerate(data) if channel != NO_CHANNEL}

    def _handle_analog_message(self, channel: int, lsb: int, msb: int) -> None:
        if channel == self._channel:
            self.on_sample((msb << 7) + lsb)

    def _handle_digital_message(self, port: int, lsb: int, msb: int) -> None:
        super()._handle_digital_message(port, lsb, msb)
        self.ports_seen.add(port)

    # --- pins --------------------------------------------------------------------------------------------------------

    def settle(self, placed: Placed, bits: dict[str, int], interval_ms: int = 1) -> None:
        """Modes, outputs low, reports on. ``bits``: input roles to their bit in ``levels`` (a lever switch's too)."""
        self.setup_layout(
            {
                "digital": sorted(self.able),
                "analog": sorted(self.channels),
                "pwm": [pin for pin, can in self.able.items() if PWM in can],
                "disabled": [pin for pin, can in self.able.items() if not can],
            }
        )
        for pin in placed.outputs.values():
            self.digital[pin].mode = OUTPUT
        self.set_outputs(dict.fromkeys(placed.outputs.values(), 0))
        if placed.light_level is not None:
            self.digital[placed.light_level].mode = PWM
        self._channel = placed.channel
        if placed.channel is not None:
            self.sp.write(bytes((protocol.SET_PIN_MODE, placed.lever, ANALOGUE)))
            self.setSamplingInterval(interval_ms)
            self.analog[placed.channel].enable_reporting()
        switches = {**placed.inputs} if placed.channel is not None else {**placed.inputs, "lever": placed.lever}
        for role, pin in switches.items():
            self.digital[pin].register_callback(self._watcher(1 << bits[role]))
            self.digital[pin].mode = PULLUP if PULLUP in self.able[pin] and role in self.pullups else INPUT

    def _watcher(self, bit: int) -> Callable[[bool], None]:
        def watch(high: bool) -> None:
            self.levels = self.levels | bit if high else self.levels & ~bit

        return watch

    def set_outputs(self, wanted: dict[int, int]) -> None:
        """Pins to levels, one message for each port of eight."""
        ports = {}
        for pin, level in wanted.items():
            self.digital[pin].value = level
            ports[self.digital[pin].port.port_number] = self.digital[pin].port
        for port in ports.values():
            port.write()
