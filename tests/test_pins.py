"""Pins: the boards' tables, their hash, and what is said where a board has others than config.yaml asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig import pins, wire
from rig.bodies.core import firmware_folder
from rig.errors import BoardError

ROOT = Path(__file__).parent.parent
TABLES = {path.stem.removeprefix("pins_"): path for path in (ROOT / "firmware" / "boards").glob("*/pins_*.h")}


def read(board: str) -> tuple[pins.Pin, ...]:
    return pins.table(TABLES[board].read_text(encoding="utf-8"))


@pytest.mark.parametrize("board", TABLES)
def test_every_table_is_whole(board: str) -> None:
    found = read(board)
    roles = [pin.role for pin in found]
    assert len(set(roles)) == len(roles)
    assert len({pin.name for pin in found}) == len(found)
    outputs, inputs = ([role for role in roles if role in names] for names in (wire.OUTPUTS, wire.INPUTS))
    assert outputs == list(wire.OUTPUTS[: len(outputs)])
    assert inputs == list(wire.INPUTS[: len(inputs)])
    assert {"valve", "laser", "sync", "lick", "interlock", "encoder_a", "encoder_b", "tone"} <= set(roles)


def test_the_wiring_table_of_the_readme_is_the_boards_own() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    said = {row[0].strip("`"): [cell.strip() for cell in row[1:4]] for row in rows if len(row) >= 5}
    for column, board in enumerate(("mega2560", "uno328p", "teensy4")):
        table = {pin.role: pin.name for pin in read(board)}
        assert {role: cells[column] for role, cells in said.items() if cells[column] != "–"} == table


def test_the_hash_is_the_board_s() -> None:
    assert pins.hash_of([pins.Pin("a", "1")]) == pins.hash_of(pins.table("PIN(a, 1, B, 0)"))
    fnv1a_of_a_1 = 0
    for byte in b"a 1\n":
        fnv1a_of_a_1 = ((fnv1a_of_a_1 or 0x811C9DC5) ^ byte) * 0x01000193 % 2**32
    assert pins.hash_of([pins.Pin("a", "1")]) == fnv1a_of_a_1


def test_a_board_with_the_pins_that_are_asked_for_is_taken() -> None:
    table = read("mega2560")
    pins.check("mega2560", table, {}, pins.hash_of(table))
    pins.check("mega2560", table, {"valve": 22}, pins.hash_of(table))
    other = pins.changed(table, {"valve": 30})
    pins.check("mega2560", table, {"valve": 30}, pins.hash_of(other))


@pytest.mark.parametrize(
    ("wishes", "told_by", "said"),
    [
        ({"valve": 30}, {}, "valve: 30, but the program on the mega2560 has valve on pin 22"),
        ({}, {"valve": 30}, "another pin table than this one"),
        ({"nothing": 3}, {}, None),
    ],
)
def test_another_board_is_refused_with_what_to_do(
    wishes: dict[str, str | int], told_by: dict[str, str | int], said: str | None
) -> None:
    table = read("mega2560")
    told = pins.hash_of(pins.changed(table, told_by))
    if said is None:
        pins.check("mega2560", table, wishes, told)
        return
    with pytest.raises(BoardError, match=said):
        pins.check("mega2560", table, wishes, told)


def test_the_tables_lie_where_the_program_looks() -> None:
    assert (firmware_folder() / "boards" / "avr" / "pins_mega2560.h").exists()
