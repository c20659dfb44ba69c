"""`rig run --body emulator`: a session on the flashed Mega's own program, emulated, that verifies like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearse import rig_folder, run_session

from rig.cli import main
from rig.doors.verify import check
from rig.record.folder import manifest_of, read_entries
from rig.session import setup

SHORT = ("--trials", "1", "--seed", "5", "--set", "iti_min=0.5s", "--set", "iti_max=0.6s")


def test_a_session_on_the_emulated_mega_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run_session(rig_folder(tmp_path), capsys, "--body", "emulator", *SHORT)
    assert (summary["trials"], summary["lost_events"], summary["damaged_frames"]) == (1, 0, 0)
    report = check(Path(summary["session"]))
    assert report.good, report.faults
    timing = manifest_of(read_entries(Path(summary["session"]))[0])["timing"]
    assert timing["clock"] == "board"


def test_an_installed_package_says_that_it_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = rig_folder(tmp_path)
    monkeypatch.setattr(setup, "firmware_folder", lambda: tmp_path / "firmware")
    assert main(["run", "--config", str(config), "--body", "emulator", "--no-weight"]) != 0
    assert "body: emulator is in the sources only" in capsys.readouterr().err


def test_the_emulated_mega_passes_the_check_of_a_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", str(rig_folder(tmp_path)), "--body", "emulator", "--seconds", "0.5", "--outputs", "--yes"]
    assert main(["check", *words]) == 0
    said = capsys.readouterr().out
    assert "hello: mega2560, life 0, 32 states, 2560 bytes of events" in said
    assert "link: 0 damaged frames" in said
    assert said.count("confirmed") == 8
