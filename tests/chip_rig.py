"""An emulated chip in a rig with an animal at its pins: a flashed board (a link), or StandardFirmata's own sketch.

Virtual time: the animal sees outputs within ``step_us`` and plans ``SLICE_US`` ahead. May run the emulator; never
judges.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from avr.build import avr_program
from avr.emulator import Emulator
from avr.records import bytes_of
from firmata_rig import Surroundings

from rig.bodies import core
from rig.bodies.animals import Animal

CYCLES_A_US = 16
STEP_US, SLICE_US = 200, 20_000
QUIET_US = 2_000  # after its last edge a tone is over: 250 Hz is the lowest that is told from silence
GRAY = (0b00, 0b01, 0b11, 0b10)  # line A is bit 0; A leads upwards
FAR = 1 << 30
Pin = tuple[str, int]


class ChipInRig:
    """The chip and what is around it, as a :class:`rig.link.Link` and as an end that ``VirtualLink`` takes.

    Args:
        pins: port and bit of every role; ``tone``: its gate, or with ``wave`` the tone itself.
        encoder: the lever's two lines; else it is analogue channel 0.
        step_us: how far the chip runs between two looks at it.
        byte_us: of the line.
    """

    def __init__(
        self,
        chip: Emulator,
        around: Surroundings,
        pins: dict[str, Pin],
        encoder: tuple[Pin, Pin] | None = None,
        *,
        wave: bool = False,
        step_us: int = STEP_US,
        byte_us: float = 10.0,
    ) -> None:
        self.chip, self.around = chip, around
        self._pins, self._encoder = pins, encoder
        self._tone = pins.get("tone") if wave else None
        self._roles = {pin: role for role, pin in pins.items()}
        self._levels: dict[str, int] = {}  # by port
        self._counts = around.counts
        self._step_us, self._byte_us, self._line_us = step_us, byte_us, 0.0
        self.driven: list[tuple[float, str, int]] = []  # every change of an output: µs, role, level
        self.sent: list[tuple[float, int]] = []  # bytes of the board: end of the stop bit in µs, value
        self.told: list[tuple[float, float]] = []  # writes to the board: begin and end on the wire, µs
        self._planned_us = self._toned_us = 0
        self._sounds = False

    @property
    def now_us(self) -> int:
        """Since power-on."""
        return self.chip.cycle // CYCLES_A_US

    # --- a link, and an end ------------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """See :class:`rig.link.Link`."""
        return self.chip.cycle * 1000 // CYCLES_A_US

    def write(self, data: bytes) -> None:
        """See :class:`rig.link.Link`."""
        begin_us = max(self._line_us, self.chip.cycle / CYCLES_A_US)
        self._line_us = begin_us + self._byte_us * len(data)
        self.told.append((begin_us, self._line_us))
        self.chip.uart_write(data)

    def read(self, timeout_ns: int) -> bytes:
        """See :class:`rig.link.Link`."""
        return self.read_until(self.now_us + -(-timeout_ns // 1000))

    def read_until(self, t_us: int) -> bytes:
        """Time passes until bytes have come, at most until then."""
        came = self._heard()
        while not came and self.now_us < t_us:
            if self._planned_us <= self.now_us:
                self._plan()
            self.chip.run_until_cycle(min(t_us, self.now_us + self._step_us, self._planned_us) * CYCLES_A_US)
            self._look()
            came = self._heard()
        return came

    def _heard(self) -> bytes:
        came = self.chip.uart_read()
        self.sent += [(int(byte["cycle"]) / CYCLES_A_US, int(byte["value"])) for byte in came]
        return bytes_of(came)

    def reopen(self, timeout_ns: int) -> bool:
        """It was never gone."""
        return True

    def close(self) -> None:
        """Nothing to let go of."""

    # --- the outside -------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        start_us, self._planned_us = self._planned_us, self.now_us + SLICE_US
        for t_us, role, value in self.around.ahead(start_us, self._planned_us):
            cycle = max(t_us, self.now_us + 2) * CYCLES_A_US
            if role == "lever":
                self._move(value, cycle)
            else:
                self.chip.schedule_pin(*self._pins[role], value, cycle)

    def _move(self, counts: int, cycle: int) -> None:
        if self._encoder is None:
            self.chip.schedule_adc(0, counts, cycle)
        else:
            before, after = GRAY[self._counts % 4], GRAY[counts % 4]
            line = self._encoder[(before ^ after) >> 1]
            self.chip.schedule_pin(*line, after >> ((before ^ after) >> 1) & 1, cycle)
        self._counts = counts

    def _look(self) -> None:
        """What the outputs did since last looked."""
        for change in self.chip.pin_changes(forget=True):
            port, t_us = chr(change["port"]), int(change["cycle"]) // CYCLES_A_US
            level = int(change["level"])
            changed, self._levels[port] = self._levels.get(port, 0) ^ level, level
            for bit in np.flatnonzero([changed >> i & 1 for i in range(8)]):
                pin = (port, int(bit))
                if pin == self._tone:
                    self._toned_us = t_us
                elif role := self._roles.get(pin):
                    self.driven.append((int(change["cycle"]) / CYCLES_A_US, role, level >> int(bit) & 1))
                    self.around.output(t_us, pin, level >> int(bit) & 1)
        sounds = bool(self._tone) and self._toned_us > self.now_us - QUIET_US > 0
        if sounds != self._sounds:
            self._sounds = sounds
            self.around.output(self._toned_us if sounds else self.now_us, self._tone, int(sounds))


# --- a flashed Mega ---------------------------------------------------------------------------------------------------


def flashed_mega(animal: Animal) -> ChipInRig:
    """A Mega 2560 with the firmware as it lies in this repository, an encoder on its lever."""
    folder = core.firmware_folder()
    flags = ("-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fno-split-wide-types", "-fwhole-program")
    program = avr_program([folder / "all.c"], "atmega2560", include_dirs=_parts(folder), flags=flags)
    text = (folder / "boards" / "avr" / "pins_mega2560.h").read_text(encoding="utf-8")
    pins = {role: (port, int(bit)) for role, port, bit in re.findall(r"PIN\((\w+), *\w+, *(\w), *(\d)\)", text)}
    around = Surroundings(animal, pins, counts=(-FAR, 0, FAR))
    chip = ChipInRig(Emulator(program, "atmega2560"), around, pins, (pins["encoder_a"], pins["encoder_b"]), wave=True)
    for role in ("encoder_a", "encoder_b", "lick", "frame", "touch", "laser_back"):
        chip.chip.schedule_pin(*pins[role], 0, 0)
    return chip


def _parts(folder: Path) -> list[Path]:
    """Where headers lie: they are part of what the program is kept under."""
    return [folder / "core", folder / "boards", folder / "boards" / "avr"]
