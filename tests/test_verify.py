"""A record that is right verifies; one byte, one decision or one line of protocol changed, and it says where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rehearse import rig_folder, run_session

from rig import wire
from rig.cli import main
from rig.events import Kind
from rig.record.folder import JOURNAL, read_entries
from rig.record.journal import JournalWriter, Record
from rig.record.verify import Report, verify


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    config = rig_folder(folder)
    words = ("--trials", "6", "--fast", "--set", "still=1s", "--set", "iti_min=1s", "--set", "iti_max=2s")
    assert main(["run", "--config", str(config), *words]) == 0
    (found,) = (folder / "data" / "test").iterdir()
    return found


@pytest.fixture(scope="module")
def entries(session: Path) -> list[Record]:
    return read_entries(session)[0]


def changed(entries: list[Record], name: str, change: Callable[[bytearray], None], nth: int = 0) -> Report:
    """The report on a record in which the nth event of a kind was edited, its CRC made to fit."""
    number = wire.BY_NAME[name].number
    places = [i for i, e in enumerate(entries) if e.kind == Kind.EVENT and e.payload[0] == number]
    at = places[nth]
    payload = bytearray(entries[at].payload)
    change(payload)
    edited = [*entries]
    edited[at] = entries[at]._replace(payload=bytes(payload))
    return verify(edited)


def add_one(at: int) -> Callable[[bytearray], None]:
    def change(payload: bytearray) -> None:
        payload[at] = (payload[at] + 1) & 0xFF

    return change


def test_the_untouched_record_is_right(entries: list[Record]) -> None:
    report = verify(entries)
    assert report.good, report.faults
    assert report.decisions == report.events > 1000


def test_a_record_cut_before_the_samples_of_a_press_came_is_right(tmp_path: Path) -> None:
    """A press tells the largest change between samples, some of which the board sends only a second later."""
    config = rig_folder(tmp_path, lever__sample_hz=20, lever__batch_samples=20)
    assert main(["run", "--config", str(config), "--trials", "4", "--fast"]) == 0
    (folder,) = (tmp_path / "data" / "test").iterdir()
    entries, rule = read_entries(folder)[0], wire.BY_NAME["rule"].number
    cuts = [
        i + 1
        for i, e in enumerate(entries)
        if e.kind == Kind.EVENT and e.payload[0] == rule and e.payload[10] == wire.Decision.PRESS
    ]
    assert cuts
    for cut in cuts:
        report = verify(entries[:cut])
        assert report.good, report.faults


@pytest.mark.parametrize("name", ["rule", "state", "output", "generator", "trial_end", "lever", "applied"])
@pytest.mark.parametrize("at", [5, -1])
def test_an_edited_event_is_found(entries: list[Record], name: str, at: int) -> None:
    if (name, at) in {("state", -1), ("output", -1)}:
        at = 9  # their last bytes say how late the step was: the board's own affair
    report = changed(entries, name, add_one(at), nth=1)
    assert not report.good


def test_the_fault_names_event_and_place(entries: list[Record]) -> None:
    report = changed(entries, "rule", add_one(5), nth=2)
    assert "the record says" in report.faults[0]
    assert "re-execution gives" in report.faults[0]
    assert "byte " in report.faults[0]


def test_a_press_that_was_never_is_found(entries: list[Record]) -> None:
    def press(payload: bytearray) -> None:
        payload[10] = wire.Decision.PRESS

    assert not changed(entries, "rule", press).good


def test_a_missing_and_a_doubled_event_are_found(entries: list[Record]) -> None:
    place = next(i for i, e in enumerate(entries) if e.kind == Kind.EVENT and i > 500)
    missing = verify([*entries[:place], *entries[place + 1 :]])
    assert "was due" in missing.faults[0]
    doubled = verify([*entries[:place], entries[place], *entries[place:]])
    assert "was due" in doubled.faults[0]


def test_every_changed_byte_of_the_journal_is_found(session: Path, tmp_path: Path) -> None:
    data = (session / JOURNAL).read_bytes()
    step = len(data) // 40
    for at in range(20, len(data), step):
        copy = tmp_path / JOURNAL
        copy.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        found, damage = read_entries(copy)
        report = verify(found, [str(one) for one in damage])
        assert not report.good, f"byte {at}"


def _with_manifest(entries: list[Record], change: Callable[[dict[str, object]], None]) -> list[Record]:
    manifest = json.loads(entries[0].payload)
    change(manifest)
    return [entries[0]._replace(payload=json.dumps(manifest).encode()), *entries[1:]]


def test_an_altered_protocol_is_found(entries: list[Record]) -> None:
    def alter(manifest: dict[str, object]) -> None:
        protocol = manifest["protocol"]
        assert isinstance(protocol, dict)
        protocol["source"] = protocol["source"].replace("200 * ms", "250 * ms")

    report = verify(_with_manifest(entries, alter))
    assert "the protocol's text" in report.faults[0]


def test_a_protocol_altered_with_its_digest_makes_other_tables(entries: list[Record]) -> None:
    def alter(manifest: dict[str, object]) -> None:
        params = manifest["params"]
        assert isinstance(params, dict)
        params["within"] = "250 ms"

    report = verify(_with_manifest(entries, alter))
    assert report.faults == ["trial 1: the table on the board is not the one the protocol makes"]


def test_an_altered_copy_of_the_protocol_is_found(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = session / "protocol.py"
    before = copy.read_text(encoding="utf-8")
    copy.write_text(before + "\n# changed\n", encoding="utf-8")
    try:
        assert main(["verify", str(session)]) == 1
        assert "the protocol's copy was altered" in capsys.readouterr().out
    finally:
        copy.write_text(before, encoding="utf-8")
    assert main(["verify", str(session), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["good"] is True


def test_a_rewritten_journal_of_an_edited_decision_is_found(entries: list[Record], tmp_path: Path) -> None:
    """The whole way: a decision edited on disk, CRC and all, through the command."""
    number = wire.BY_NAME["rule"].number
    writer = JournalWriter.create(tmp_path / JOURNAL)
    done = False
    for entry in entries:
        payload = entry.payload
        if entry.kind == Kind.EVENT and payload[0] == number and not done:
            payload, done = payload[:5] + bytes([payload[5] ^ 1]) + payload[6:], True
        writer.append(entry.kind, entry.host_ns, payload)
    writer.commit()
    writer.close()
    assert main(["verify", str(tmp_path)]) == 1


def test_not_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 1
    (tmp_path / JOURNAL).write_bytes(b"hello")
    assert main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2


def test_a_session_of_each_outcome_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path, simulator__frame_hz=None, lever__batch_samples=20, lever__sample_hz=200)
    summary = run_session(config, capsys, "--trials", "5", "--animal", "none")
    assert summary["outcomes"] == {"missed": 5}
    assert main(["verify", summary["session"]]) == 0
