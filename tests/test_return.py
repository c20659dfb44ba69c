"""A real serial port, a board behind it in real time, and what happens to the two: they find each other again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from test_session import real_rig

from rig import wire
from rig.cli import main
from rig.doors.verify import check
from rig.events import Kind, read_json
from rig.record.folder import read_entries
from rig.record.journal import read_journal

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are POSIX", allow_module_level=True)

from ptyboard import PtyBoard

SHORT = ("--set", "iti_min=0.5s", "--set", "iti_max=0.5s", "--set", "response_window=1s", "--set", "timeout=0.1s")


def notes(session: str) -> list[str]:
    """The notes of a record, but for those that every session has."""
    found = [read_json(entry.payload)["note"] for entry in read_entries(Path(session))[0] if entry.kind == Kind.NOTE]
    return [name for name in found if name in ("link_lost", "link_back", "again", "resumed")]


def in_order(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """A computer that is busy may upset a board more often."""
    left = iter(found)
    return all(name in left for name in wanted)


def begun(journal: Path) -> bool:
    """Does the record tell of a trial?"""
    found = (one.payload[0] for one in read_journal(journal) if one.kind == Kind.EVENT)
    return wire.BY_NAME["trial_begin"].number in found


def when_begun(session: Path, then: Callable[[], None]) -> threading.Thread:
    """Do something once the first trial of a session below this folder has begun."""

    def wait() -> None:
        for _ in range(12_000):
            if any(begun(path) for path in session.glob("*/*/journal")):
                then()
                return
            time.sleep(0.01)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def run(folder: Path, board: PtyBoard, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """A session in this process. Returns its exit code and the last line it printed."""
    code = main(["run", "--config", str(real_rig(folder, board.port)), *SHORT, *words, "--json"])
    said = capsys.readouterr()
    return code, (said.out or said.err).strip().splitlines()[-1]


def test_a_cable_that_was_pulled_and_a_port_with_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyBoard() as board:
        monkeypatch.setattr("rig.link.list_ports.comports", board.comports)
        was = board.port
        puller = when_begun(tmp_path / "data", lambda: board.replug(1.2))
        code, said = run(tmp_path, board, capsys, "--trials", "2")
        puller.join()
        assert board.port != was
    summary = json.loads(said)
    assert (code, summary["ended"], summary["trials"], summary["lost_events"]) == (0, "trials", 2, 0)
    assert in_order(("link_lost", "link_back", "again"), notes(summary["session"]))
    assert check(Path(summary["session"])).faults == []


def test_a_board_that_lost_its_power_ends_the_session_and_another_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyBoard() as board:
        monkeypatch.setattr("rig.link.list_ports.comports", board.comports)
        puller = when_begun(tmp_path / "data", lambda: board.replug(0.3, power=False))
        code, said = run(tmp_path, board, capsys, "--trials", "2")
        puller.join()
        assert code == 1
        assert "the board has started again" in said
        code, said = run(tmp_path, board, capsys, "--resume")
    assert code == 0, said
    second = Path(json.loads(said)["session"])
    first = second.with_name(second.name.replace("_2", "_1"))
    continued = read_json(read_entries(second)[0][0].payload)["continues"]
    assert continued == first.name
    assert (check(first).faults, check(second).faults) == ([], [])


def test_a_program_that_was_killed_goes_on_in_the_same_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyBoard() as board:
        config = real_rig(tmp_path, board.port)
        command = [sys.executable, "-m", "rig", "run", "--config", str(config), "--trials", "3", *SHORT]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            when_begun(tmp_path / "data", lambda: process.send_signal(signal.SIGKILL)).join()
            assert process.wait(30) == -signal.SIGKILL
        time.sleep(0.8)  # so that the board goes safe by itself
        code, said = run(tmp_path, board, capsys, "--resume")
    summary = json.loads(said)
    assert (code, summary["ended"], summary["trials"], summary["lost_events"]) == (0, "trials", 3, 0)
    assert summary["session"].endswith("_1")
    assert in_order(("resumed", "again"), notes(summary["session"]))
    assert check(Path(summary["session"])).faults == []


def test_what_is_over_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with PtyBoard() as board:
        code, said = run(tmp_path, board, capsys, "--resume")
        assert (code, "to resume: run without --resume" in said) == (1, True)
        code, _ = run(tmp_path, board, capsys, "--trials", "1")
        assert code == 0
        code, said = run(tmp_path, board, capsys, "--resume")
        assert (code, "nothing to resume, the session was over (trials)" in said) == (1, True)


def test_a_wire_that_turns_five_in_ten_thousand_bits_carries_a_whole_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyBoard(flip=0.004) as board:
        code, said = run(tmp_path, board, capsys, "--trials", "2")
    summary = json.loads(said)
    assert (code, summary["ended"], summary["lost_events"]) == (0, "trials", 0)
    assert summary["damaged_frames"] > 10
    report = check(Path(summary["session"]))
    assert (report.faults, report.events) == ([], summary["events"])
