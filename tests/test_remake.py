"""A record whose trials are not the ones that plan, training, protocol and seed make is found out."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rehearse import rig_folder

from rig import wire
from rig.cli import main
from rig.events import Kind
from rig.record.folder import manifest_of, read_entries
from rig.record.journal import Record
from rig.record.remake import remake, tables_of

STAGES = "stages:\n  - {name: easy, protocol: cued_lever_inactivation, params: {press: 2 mm},"
STAGES += " advance: {success: 0.1, trials: 5}}\n  - {name: task, protocol: cued_lever_inactivation}\n"


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """A light day of an animal that moves on in its training under way."""
    folder = tmp_path_factory.mktemp("remake")
    (folder / "training.yaml").write_text(STAGES, encoding="utf-8")
    make = ["--mice", "M07", "--group", "opsin=1", "--days", "2", "--light-days", "1,2", "--windows", "none"]
    make += ["--first", "2", "--start", "2025-03-03", "--seed", "4", "--block", "4", "--fraction", "0.5"]
    assert main(["plan", "make", str(folder / "plan.yaml"), *make]) == 0
    outputs = {"laser": {"max_on_ms": 12000, "window_s": None, "max_duty_ms": None}}
    config = rig_folder(folder, plan="plan.yaml", training="training.yaml", safety__outputs=outputs)
    words = ["--subject", "M07", "--date", "2025-03-03", "--trials", "12", "--animal", "mouse:day=14"]
    words += ["--set", "iti_min=1s", "--set", "iti_max=2s", "--fast"]
    assert main(["run", "--config", str(config), *words]) == 0
    (session,) = (path.parent for path in (folder / "data").glob("M07/*/journal"))
    return read_entries(session)[0]


def noted(entries: list[Record], change: Callable[[dict[str, Any]], None], name: str, nth: int = 0) -> list[Record]:
    """The record with its nth note of a name changed."""
    found, left = [], nth
    for entry in entries:
        note = json.loads(entry.payload) if entry.kind == Kind.NOTE else {}
        if note.get("note") == name:
            if left == 0:
                change(note)
                found.append(entry._replace(payload=json.dumps(note).encode()))
                left -= 1
                continue
            left -= 1
        found.append(entry)
    return found


def test_the_record_as_it_is_has_no_fault(entries: list[Record]) -> None:
    assert remake(entries, manifest_of(entries)) == []
    tables = tables_of(entries)
    assert len(tables) >= 12
    assert any(row[0] == "table_generator" for row in tables[1])


def test_what_a_trial_was_given(entries: list[Record]) -> None:
    def lie(note: dict[str, Any]) -> None:
        note["given"]["light"] = not note["given"]["light"]

    (said,) = remake(noted(entries, lie, "trial", 4), manifest_of(entries))
    assert "plan and training say" in said


def test_a_move_that_training_does_not_make(entries: list[Record]) -> None:
    def lie(note: dict[str, Any]) -> None:
        note["reason"] = "by favour"

    (said,) = remake(noted(entries, lie, "stage"), manifest_of(entries))
    assert "does not stand in the record" in said


def test_the_outcome_that_a_trial_rests_on(entries: list[Record]) -> None:
    def lie(note: dict[str, Any]) -> None:
        note["last"] = "missed"

    assert remake(noted(entries, lie, "trial", 5), manifest_of(entries))


def test_light_that_the_record_is_silent_about(entries: list[Record]) -> None:
    def lie(note: dict[str, Any]) -> None:
        note["seen"] = 0

    (said,) = remake(noted(entries, lie, "light"), manifest_of(entries))
    assert "the record says light seen 0, its events say 1" in said


def test_light_that_no_note_tells_of(entries: list[Record]) -> None:
    lit = next(e for e in entries if e.kind == Kind.NOTE and json.loads(e.payload).get("seen"))
    (said,) = remake([e for e in entries if e is not lit], manifest_of(entries))
    assert "its events show light, the record says nothing of it" in said


def test_events_lost_after_a_trial_may_have_come_after_its_judgement(entries: list[Record]) -> None:
    """Whether they did hangs on when the session looked at its clock, which no event tells."""
    number = wire.BY_NAME["trial_end"].number
    at = next(i for i, e in enumerate(entries) if e.kind == Kind.EVENT and e.payload[0] == number)
    _, count, stamp_us = wire.EVENT_HEADER.unpack_from(entries[at].payload)
    lost = wire.encode_event("lost", count + 1, stamp_us, {"from_event": count + 1, "to_event": count + 1})
    found = [*entries[: at + 1], entries[at]._replace(payload=lost), *entries[at + 1 :]]
    assert remake(found, manifest_of(entries)) == []


def test_a_table_that_another_protocol_made(entries: list[Record]) -> None:
    number = wire.BY_NAME["table_generator"].number
    at = next(i for i, e in enumerate(entries) if e.kind == Kind.COMMAND and e.payload[0] == number)
    payload = bytearray(entries[at].payload)
    payload[-1] ^= 1
    spoilt = [*entries[:at], entries[at]._replace(payload=bytes(payload)), *entries[at + 1 :]]
    (said,) = remake(spoilt, manifest_of(entries))
    assert "the table on the board is not the one the protocol makes" in said


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "seed": (lambda m: m.update(seed=m["seed"] + 1), "the table on the board is not"),
    "parameter": (lambda m: m["params"].update(press="4 mm"), "record gave it|table on the board"),
    "plan": (lambda m: m["plan"].update(seed=5), "is not the one that its row was taken from"),
    "row": (lambda m: m["course"]["today"]["row"].update(fraction=0.25), "the row is not the plan's"),
    "protocol": (
        lambda m: m["protocol"].update(source=m["protocol"]["source"].replace("130 * ms", "131 * ms")),
        "the table on the board is not",
    ),
    "broken protocol": (lambda m: m["protocol"].update(source="nonsense ="), "cannot be made again"),
    "stage": (lambda m: m["course"].update(stage="task"), "record gave it|training does not|table on the board"),
}


@pytest.mark.parametrize("part", CHANGES)
def test_another_beginning(part: str, entries: list[Record]) -> None:
    change, says = CHANGES[part]
    manifest = copy.deepcopy(manifest_of(entries))
    change(manifest)
    said = remake(entries, manifest)
    assert said
    assert any(words in said[0] for words in says.split("|")), said


def test_a_session_that_was_killed_is_judged_as_far_as_it_got(entries: list[Record], tmp_path: Path) -> None:
    half = entries[: len(entries) // 2]
    assert remake(half, manifest_of(entries)) == []
