"""A model of a StandardFirmata board: protocol 2.5 as an Arduino Uno speaks it, in whatever time it is told.

Written from the protocol's description and from what the sketch does where that is silent: a system reset leaves an
output's level as it is, a port's report is forced when it is asked for, samples keep to a grid. No port, no clock:
bytes and times in, bytes and pin levels out.
"""

from __future__ import annotations

from collections.abc import Callable

INPUT, OUTPUT, ANALOG, PWM, SERVO, I2C, PULLUP = 0, 1, 2, 3, 4, 6, 11
PINS, CHANNELS = 20, 6
FIRST_ANALOG, PWM_PINS, I2C_PINS = 14, (3, 5, 6, 9, 10, 11), (18, 19)
SERIAL_PINS = (0, 1)
ANALOG_READ_US = 112
SYSEX_ROOM = 64


class FirmataBoard:
    """One board at power-on.

    Args:
        name: of its firmware.
        version: of the protocol; the firmware's is the same.
        without_analogue: a board whose pins have no converter.
    """

    def __init__(
        self, name: str = "StandardFirmata.ino", version: tuple[int, int] = (2, 5), *, without_analogue: bool = False
    ) -> None:
        self.name, self.version = name, version
        self.channels = 0 if without_analogue else CHANNELS
        self.analogue: Callable[[int], int] = lambda channel: 512
        self.on_output: Callable[[int, int, int], None] = lambda t_us, pin, level: None
        self.silent = False  # hung: says and hears nothing
        self.resets = 0
        self.mode = [ANALOG if self._is_analog(pin) else OUTPUT for pin in range(PINS)]
        self.state = [0] * PINS
        self.high = [0] * PINS  # what an output drives
        self.outside = [0] * PINS  # what the world drives at an input
        self.interval_ms = 19
        self.analog_reports: set[int] = set()
        self.digital_reports = [0] * 3
        self._seen = [0] * 3
        self._sampled_ms = 0
        self._command: int | None = None
        self._data = b""
        self._need = 0
        self._sysex: bytearray | None = None
        self._out = bytearray()

    def start(self) -> bytes:
        """What it says by itself when it starts."""
        return self._version() + self._firmware()

    # --- time --------------------------------------------------------------------------------------------------------

    def next_us(self) -> int:
        """When the next sample is due."""
        return (self._sampled_ms + self.interval_ms + 1) * 1000 if self.analog_reports and not self.silent else 1 << 60

    def step(self, t_us: int) -> bytes:
        """Inputs and samples until now; what it says to them."""
        if self.silent:
            return b""
        for port in range(3):
            if self.digital_reports[port]:
                self._report_port(port, forced=False)
        if t_us // 1000 - self._sampled_ms > self.interval_ms:
            self._sampled_ms += self.interval_ms
            if t_us // 1000 - self._sampled_ms > 10 * self.interval_ms + 10:
                self._sampled_ms = t_us // 1000
            for channel in sorted(self.analog_reports):
                if self.mode[FIRST_ANALOG + channel] == ANALOG:
                    self._say_analog(channel)
        return self._taken()

    def receive(self, t_us: int, data: bytes) -> bytes:
        """Bytes from the host, and the answers."""
        if self.silent:
            return b""
        for byte in data:
            self._parse(t_us, byte)
        return self._taken()

    def _taken(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out

    # --- commands ----------------------------------------------------------------------------------------------------

    def _parse(self, t_us: int, byte: int) -> None:
        if self._sysex is not None:
            if byte == 0xF7:
                message, self._sysex = bytes(self._sysex), None
                if message:
                    self._on_sysex(message[0], message[1:])
            elif len(self._sysex) < SYSEX_ROOM:
                self._sysex.append(byte)
        elif byte < 0x80:
            if self._need:
                self._data += bytes((byte,))
                self._need -= 1
                if not self._need and self._command is not None:
                    command, self._command = self._command, None
                    self._on_command(t_us, command, self._data)
        elif byte == 0xF0:
            self._sysex = bytearray()
        elif byte == 0xFF:
            self.reset()
        elif byte == 0xF9:
            self._out += self._version()
        else:
            kind = byte if byte >= 0xF0 else byte & 0xF0
            if kind in (0xE0, 0x90, 0xF4, 0xF5, 0xC0, 0xD0):
                self._command, self._data = byte, b""
                self._need = 1 if kind in (0xC0, 0xD0) else 2

    def _on_command(self, t_us: int, command: int, data: bytes) -> None:
        kind, low = (command, 0) if command >= 0xF0 else (command & 0xF0, command & 0x0F)
        if kind == 0x90:
            self._write_port(t_us, low, data[0] | data[1] << 7)
        elif kind == 0xE0:
            self._write_analog(low, data[0] | data[1] << 7)
        elif kind == 0xF4:
            self._set_mode(t_us, data[0], data[1])
        elif kind == 0xF5 and data[0] < PINS and self.mode[data[0]] == OUTPUT and self._is_digital(data[0]):
            self.state[data[0]] = data[1]
            self._drive(t_us, data[0], int(data[1] > 0))
        elif kind == 0xC0:
            self._report_analog(low, on=bool(data[0]))
        elif kind == 0xD0 and low < 3:
            self.digital_reports[low] = data[0]
            if data[0]:
                self._report_port(low, forced=True)

    def _on_sysex(self, command: int, data: bytes) -> None:
        if command == 0x79:
            self._out += self._firmware()
        elif command == 0x6B:
            self._out += b"\xf0\x6c" + b"".join(self._capability(pin) + b"\x7f" for pin in range(PINS)) + b"\xf7"
        elif command == 0x69:
            mapping = [pin - FIRST_ANALOG if self._is_analog(pin) else 127 for pin in range(PINS)]
            self._out += b"\xf0\x6a" + bytes(mapping) + b"\xf7"
        elif command == 0x6D and data:
            self._out += b"\xf0\x6e" + data[:1] + self._pin_state(data[0]) + b"\xf7"
        elif command == 0x7A and len(data) > 1:
            self.interval_ms = max(1, data[0] | data[1] << 7)
        elif command == 0x6F and len(data) > 1:
            value = sum(part << 7 * i for i, part in enumerate(data[1:4]))
            self._write_analog(data[0], value)

    def reset(self) -> None:
        """The system reset: modes and reports, not the level of what is an output already."""
        self.resets += 1
        self.digital_reports, self._seen = [0] * 3, [0] * 3
        for pin in range(PINS):
            if self._is_analog(pin) or self._is_digital(pin):
                self.mode[pin] = ANALOG if self._is_analog(pin) else OUTPUT
                self.high[pin] = 0 if self._is_analog(pin) else self.high[pin]
                self.state[pin] = 0
        self.analog_reports.clear()

    # --- pins --------------------------------------------------------------------------------------------------------

    def _is_analog(self, pin: int) -> bool:
        return FIRST_ANALOG <= pin < FIRST_ANALOG + self.channels

    @staticmethod
    def _is_digital(pin: int) -> bool:
        return 2 <= pin < PINS

    def _set_mode(self, t_us: int, pin: int, mode: int) -> None:
        if pin >= PINS:
            return
        if self._is_analog(pin):
            self._report_analog(pin - FIRST_ANALOG, on=mode == ANALOG)
        self.state[pin] = int(mode == PULLUP)
        able = self._capability(pin)[::2]
        if mode not in (INPUT, OUTPUT, ANALOG, PWM, SERVO, I2C, PULLUP):
            self._say("Unknown pin mode")
        elif mode in able:
            self.mode[pin] = mode
            if mode != OUTPUT:
                self._drive(t_us, pin, 0)

    def _write_port(self, t_us: int, port: int, value: int) -> None:
        for pin in range(8 * port, min(8 * port + 8, PINS)):
            level = value >> (pin & 7) & 1
            if self._is_digital(pin) and self.mode[pin] in (INPUT, OUTPUT):
                self.state[pin] = level
                if self.mode[pin] == OUTPUT:
                    self._drive(t_us, pin, level)

    def _drive(self, t_us: int, pin: int, level: int) -> None:
        if self.high[pin] != level:
            self.high[pin] = level
            self.on_output(t_us, pin, level)

    def _write_analog(self, pin: int, value: int) -> None:
        if pin < PINS and self.mode[pin] in (PWM, SERVO):
            self.state[pin] = value

    def _report_analog(self, channel: int, *, on: bool) -> None:
        if channel >= self.channels:
            return
        if on:
            self.analog_reports.add(channel)
            self._say_analog(channel)
        else:
            self.analog_reports.discard(channel)

    # --- what it says ------------------------------------------------------------------------------------------------

    def _say_analog(self, channel: int) -> None:
        counts = self.analogue(channel)
        self._out += bytes((0xE0 | channel, counts & 0x7F, counts >> 7 & 0x7F))

    def _report_port(self, port: int, *, forced: bool) -> None:
        levels = 0
        for pin in range(8 * port, min(8 * port + 8, PINS)):
            if self.mode[pin] in (INPUT, PULLUP):
                levels |= self.outside[pin] << (pin & 7)
        if forced or levels != self._seen[port]:
            self._seen[port] = levels
            self._out += bytes((0x90 | port, levels & 0x7F, levels >> 7))

    def _version(self) -> bytes:
        return bytes((0xF9, *self.version))

    def _firmware(self) -> bytes:
        letters = b"".join(bytes((ord(letter) & 0x7F, ord(letter) >> 7)) for letter in self.name)
        return b"\xf0\x79" + bytes(self.version) + letters + b"\xf7"

    def _say(self, text: str) -> None:
        self._out += b"\xf0\x71" + b"".join(bytes((ord(letter) & 0x7F, ord(letter) >> 7)) for letter in text) + b"\xf7"

    def _capability(self, pin: int) -> bytes:
        if not self._is_digital(pin):
            return b""
        able = bytes((INPUT, 1, PULLUP, 1, OUTPUT, 1))
        able += bytes((ANALOG, 10)) if self._is_analog(pin) else b""
        able += bytes((PWM, 8)) if pin in PWM_PINS else b""
        return able + bytes((SERVO, 14)) + (bytes((I2C, 1)) if pin in I2C_PINS else b"")

    def _pin_state(self, pin: int) -> bytes:
        if pin >= PINS:
            return b""
        state = self.state[pin]
        more = [state >> shift & 0x7F for shift in (7, 14) if state >> shift]
        return bytes((self.mode[pin], state & 0x7F, *more))
