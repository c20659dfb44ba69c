"""The emulated board as a ``Link``: the host's time is the chip's, and reading is what makes it pass.

May run the emulator; never reads a clock of the host. Two runs that write and read the same are the same to the byte.
"""

from __future__ import annotations

from avr.emulator import Emulator
from avr.records import bytes_of


class EmulatedLink:
    """Bytes out, bytes in, in lock step: each ``read`` runs the chip until a byte has come or the time is over.

    Args:
        chip: the emulator; its pins and channels stay in the caller's hands.
        step_us: how far the chip runs between two looks at what it sent.
    """

    def __init__(self, chip: Emulator, step_us: int = 100) -> None:
        self.chip = chip
        self._step_cycles = max(1, step_us * chip.f_cpu // 1_000_000)

    def now_ns(self) -> int:
        """The host's clock, which is the chip's since power-on."""
        return self.chip.cycle * 1_000_000_000 // self.chip.f_cpu

    def write(self, data: bytes) -> None:
        """Puts bytes on the line; they arrive as time passes."""
        self.chip.uart_write(data)

    def read(self, timeout_ns: int) -> bytes:
        """The bytes that came, after at most ``timeout_ns`` of virtual time; empty when none did.

        Raises:
            EmulatorError: the program crashed.
        """
        end = self.chip.cycle + -(-timeout_ns * self.chip.f_cpu // 1_000_000_000)
        came = bytes_of(self.chip.uart_read())
        while not came and self.chip.cycle < end:
            self.chip.run_until_cycle(min(end, self.chip.cycle + self._step_cycles))
            came = bytes_of(self.chip.uart_read())
        return came

    def reopen(self, timeout_ns: int) -> bool:
        """It was never gone."""
        return True

    def close(self) -> None:
        """Nothing to let go of."""
