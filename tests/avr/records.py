"""The records that cross between Python and the harness, and the names of what they hold; mirrors ``harness.h``."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Cause = Literal["power_on", "external", "brown_out", "watchdog"]
CAUSES: dict[Cause, int] = {"power_on": 1, "external": 2, "brown_out": 4, "watchdog": 8}
EVENTS = {1: "reset", 2: "overrun", 3: "unheard", 4: "udr_full", 5: "interrupt"}
MCUS = ("atmega2560", "atmega328p")
LET_GO = 2


class Correction(enum.IntFlag):
    """The faults of libsimavr 1.6 that the harness corrects; ``harness.h`` says what each one is."""

    ENTRY = 1
    RETURN = 2
    MASKED = 4
    FLAGS = 8
    SBI = 16
    PULLUP = 32
    UART = 64
    LEVEL = 128
    SLEEP = 256
    QUIET = 512
    EXACT = 1024
    ADC = 2048
    RESET = 4096
    EEPROM = 8192
    ALL = 16383


NOTHING = Correction(0)


def _record(size: int, **fields: tuple[str, int]) -> np.dtype[np.void]:
    return np.dtype(
        {
            "names": list(fields),
            "formats": [form for form, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": size,
        }
    )


PIN_CHANGE = _record(16, cycle=("<u8", 0), port=("u1", 8), driven=("u1", 9), level=("u1", 10))
UART_BYTE = _record(16, cycle=("<u8", 0), value=("u1", 8))
CHIP_EVENT = _record(16, cycle=("<u8", 0), kind=("<u4", 8), detail=("<u4", 12))
STIMULUS = _record(16, cycle=("<u8", 0), value=("<u4", 8), kind=("u1", 12), port=("u1", 13), bit=("u1", 14))

Records = npt.NDArray[np.void]
Cycles = npt.NDArray[np.uint64]


def bytes_of(sent: Records | Sequence[Records]) -> bytes:
    """Only the values of what ``uart_read`` returned."""
    records = sent if isinstance(sent, np.ndarray) else np.concatenate(list(sent))
    return bytes(records["value"].tobytes())
