"""The files made from the list are fresh, and what the header says is what the list says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rig import wire, wiregen

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", wiregen.FILES)
def test_generated_files_are_fresh(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == wiregen.FILES[name](), f"{name} is stale: run `python -m rig.wiregen`"


def defines() -> dict[str, int]:
    found = re.findall(r"^#define (\w+) (0x[0-9a-f]+|\d+)(?:UL)?$", wiregen.c_header(), re.MULTILINE)
    assert len(found) > 100
    return {name: int(number, 0) for name, number in found}


def test_the_header_has_every_message_every_number_and_the_hash() -> None:
    known = defines()
    for message in wire.MESSAGES:
        assert known[f"MSG_{message.name.upper()}"] == message.number
        if message.kind is wire.Kind.COMMAND:
            assert known[f"LEN_{message.name.upper()}"] == message.body.size
    assert known["DECISION_LEFT_REST"] == wire.Decision.LEFT_REST
    assert known["GENERATOR_MARK_RAMP"] == wire.GeneratorMark.RAMP
    assert known["WIRE_HASH"] == wire.wire_hash()
    assert known["WIRE_MAX_TIMER_US"] == wire.MAX_TIMER_US
    assert [known[f"OUT_{name.upper()}"] for name in wire.OUTPUTS] == list(range(len(wire.OUTPUTS)))
    assert [known[f"IN_{name.upper()}"] for name in wire.INPUTS] == list(range(len(wire.INPUTS)))


def test_no_name_is_defined_twice() -> None:
    names = re.findall(r"^#define (\w+)", wiregen.c_header(), re.MULTILINE)
    assert len(set(names)) == len(names)


def test_the_page_lists_every_message_with_its_fields() -> None:
    page = wiregen.markdown()
    for message in wire.MESSAGES:
        row = next(line for line in page.splitlines() if line.startswith(f"| 0x{message.number:02x} |"))
        for name, kind in message.fields:
            assert f"{name} {kind}" in row
    assert f"`{wire.wire_hash():08x}`" in page


def test_any_change_of_the_list_changes_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = wire.wire_hash()
    for name, other in (
        ("MESSAGES", wire.MESSAGES[:-1]),
        ("VERSION", wire.VERSION + 1),
        ("OUTPUTS", wire.OUTPUTS[::-1]),
        ("MAX_PAYLOAD", 65),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(wire, name, other)
            assert wire.wire_hash() != before, name
    assert wire.wire_hash() == before


def test_main_writes_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in wiregen.FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(wiregen, "__file__", str(tmp_path / "rig" / "wiregen.py"))
    wiregen.main()
    for name, make in wiregen.FILES.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == make()
