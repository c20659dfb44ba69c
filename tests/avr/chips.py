"""What the tests of the emulator share: a chip with a test program in it, and the chip's own figures."""

from __future__ import annotations

import pytest

from avr.build import avr_program
from avr.emulator import Emulator
from avr.records import MCUS, NOTHING, Correction

EDGE = {"atmega2560": ("E", 4), "atmega328p": ("D", 2)}
ENTRY = {"atmega2560": 5, "atmega328p": 4}
JMP, SBI, CBI = 3, 2, 2

both_chips = pytest.mark.parametrize("mcu", MCUS)


def start(program: str, mcu: str, without: Correction = NOTHING, **defines: str | int) -> Emulator:
    """A chip at power-on with one of ``programs/``."""
    return Emulator(avr_program([program], mcu, defines=defines), mcu, without=without)


def rises(chip: Emulator, port: str = "B", bit: int = 0) -> list[int]:
    """The cycles at which an output went high."""
    cycles, levels = chip.edges(port, bit)
    return [int(cycle) for cycle in cycles[levels == 1]]
