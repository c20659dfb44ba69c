"""Which pin of a board has which role: its table, as ``firmware/boards/*/pins_*.h`` has it, and the hash told at hello.

Pure: text in, values out. A pin is called as it is printed on the board (``22``, ``A3``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rig.errors import BoardError

_LINE = re.compile(r"PIN\((\w+),\s*(\w+)(?:,\s*(\w+),\s*(\d+))?\)")


@dataclass(frozen=True)
class Pin:
    """A role and where it is: as printed on the board, and, on a bare chip, port and bit."""

    role: str
    name: str
    port: str = ""
    bit: int = 0


def table(text: str) -> tuple[Pin, ...]:
    """The pins that a header states, in its order."""
    return tuple(Pin(role, name, port, int(bit or 0)) for role, name, port, bit in _LINE.findall(text))


def hash_of(pins: Iterable[Pin]) -> int:
    """What the board tells at hello: FNV-1a, 32 bits (Fowler, Noll & Vo), over lines ``role pin``."""
    value = 2166136261
    for pin in pins:
        for byte in f"{pin.role} {pin.name}\n".encode():
            value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def changed(pins: tuple[Pin, ...], wishes: Mapping[str, str | int]) -> tuple[Pin, ...]:
    """The table with other pins for some roles."""
    return tuple(replace(pin, name=str(wishes.get(pin.role, pin.name))) for pin in pins)


def check(board: str, pins: tuple[Pin, ...], wishes: Mapping[str, str | int], told: int) -> None:
    """Raises BoardError where the board's pins, by the hash it told, are not the ones of config.yaml."""
    if told == hash_of(changed(pins, wishes)):
        return
    if told == hash_of(pins):
        own = {pin.role: pin.name for pin in pins}
        role = next(role for role, name in wishes.items() if str(name) != own.get(role))
        where = f"has {role} on pin {own[role]}" if role in own else f"has no {role}"
        raise BoardError(
            f"config.yaml: pins: {role}: {wishes[role]}, but the program on the {board} {where}: wire it so and leave "
            "the key out, or change the table in firmware/boards and flash the board again"
        )
    raise BoardError(f"the program on the {board} has another pin table than this one: `rig flash`, or see `rig check`")
