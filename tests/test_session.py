"""Whole sessions on the simulated rig: from the tone to the record, the same at any pace."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
from rehearse import ROOT, SHARED, rig_folder, run_session

from rig import wire
from rig.cli import main
from rig.doors.verify import check
from rig.events import Kind
from rig.record.folder import events_of, manifest_of, read_entries, summary_of
from rig.record.seal import sealed

WHEEL = ROOT / "tests" / "data" / "ibl_zm335_a.encoder.csv.gz"


def contents(session: str) -> list[tuple[int, int, bytes]]:
    """Every record but the two that bear a date, and the seals over them."""
    entries, damage = read_entries(Path(session))
    assert not damage
    dated = (Kind.MANIFEST, Kind.SUMMARY)
    return [(e.kind, e.host_ns, e.payload) for e in entries if e.kind not in dated and sealed(e) is None]


def test_a_session_runs_to_its_end_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run_session(rig_folder(tmp_path), capsys, "--trials", "12", "--subject", "M07")
    assert summary["trials"] == 12
    assert 0 < summary["rewarded"] <= 12
    assert summary["success_rate"] == summary["rewarded"] / 12
    assert summary["water_ul"] == pytest.approx(8.0 * summary["rewarded"])
    assert (summary["lost_events"], summary["gap_us_max"], summary["ended"]) == (0, 0, "trials")
    session = Path(summary["session"])
    assert session.parent == tmp_path / "data" / "M07"
    report = check(session)
    assert report.good, report.faults
    assert report.decisions == report.events == summary["events"]
    entries, _ = read_entries(session)
    assert manifest_of(entries)["protocol"]["source"] == (session / "protocol.py").read_text(encoding="utf-8")
    assert summary_of(entries) == summary


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
@pytest.mark.parametrize("room_bytes", [0, 5, 14, 40])
def test_a_session_that_cannot_begin_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], room_bytes: int
) -> None:
    """The disk ends in the journal's header, or in its first record: nothing was recorded, nothing is left behind."""
    import resource  # noqa: PLC0415

    config = rig_folder(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, before[1]))
    try:
        assert main(["run", "--config", str(config), "--fast", "--trials", "2"]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "journal: " in capsys.readouterr().err
    assert list((tmp_path / "data" / "test").iterdir()) == []
    run_session(config, capsys, "--trials", "2")
    assert [folder.name[-2:] for folder in (tmp_path / "data" / "test").iterdir()] == ["_1"]


def test_the_clock_wraps_in_every_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run_session(rig_folder(tmp_path), capsys, "--minutes", "0.5")
    events = list(events_of(read_entries(Path(summary["session"]))[0]))
    assert events[0].board_us < 1 << 32 < events[-1].board_us
    assert all(b.board_us >= a.board_us for a, b in itertools.pairwise(events))


@pytest.mark.parametrize("pace", ["10", "40"])
def test_the_same_seed_gives_the_same_record_at_any_pace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pace: str
) -> None:
    config = rig_folder(tmp_path)
    fast = run_session(config, capsys, "--trials", "2", "--seed", "5")
    words = ["run", "--config", str(config), "--trials", "2", "--seed", "5", "--pace", pace, "--json"]
    assert main(words) == 0
    paced = sorted((tmp_path / "data" / "test").iterdir())[-1]
    assert contents(str(paced)) == contents(fast["session"])


def test_a_pause_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    fast = run_session(config, capsys, "--trials", "1", "--seed", "5")
    words = [sys.executable, "-m", "rig", "run", "--config", str(config), "--trials", "1", "--seed", "5", "--pace", "8"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        journal = tmp_path / "data" / "test" / Path(fast["session"]).name.replace("_1", "_2") / "journal"
        for _ in range(400):
            if journal.exists() and journal.stat().st_size > 20_000:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.7)
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    assert contents(str(journal.parent)) == contents(fast["session"])


def test_another_seed_is_another_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    one, two = (run_session(config, capsys, "--trials", "2", "--seed", seed) for seed in ("1", "2"))
    assert contents(one["session"]) != contents(two["session"])


@pytest.mark.parametrize("animal", ["none", f"trace:{WHEEL}"])
def test_other_animals_run_whole_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str], animal: str) -> None:
    summary = run_session(rig_folder(tmp_path), capsys, "--trials", "6", "--animal", animal)
    assert (summary["trials"], summary["gap_us_max"]) == (6, 0)
    assert check(Path(summary["session"])).good


def test_recorded_pushes_are_answers_to_the_cue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = SHARED / "traces" / "lever_pushes.csv.gz"
    if not recording.exists():
        recording = tmp_path / "pushes.csv"  # a made-up one of the same form: 0.6 V up and back
        volts = [0.0] * 50 + [0.6] * 30 + [0.0] * 120
        rows = [f"1,{n},{10 * i - 500},{v}" for n in (1, 2) for i, v in enumerate(volts)]
        recording.write_text("session,push,t_ms,lever_v\n" + "\n".join(rows) + "\n", encoding="utf-8")
    summary = run_session(rig_folder(tmp_path), capsys, "--trials", "15", "--animal", f"pushes:{recording}")
    assert summary["trials"] == 15
    assert summary["rewarded"] >= 5
    assert check(Path(summary["session"])).good


def test_an_inverted_lever_is_the_same_session_in_a_mirror(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    plain = run_session(config, capsys, "--trials", "4")
    inverted = run_session(rig_folder(tmp_path, lever__invert=True), capsys, "--trials", "4")
    assert inverted["rewarded"] == plain["rewarded"]
    assert check(Path(inverted["session"])).good


@pytest.mark.parametrize(
    ("words", "ended"), [(("--minutes", "0.4"), "minutes"), (("--water", "16"), "water"), (("--trials", "1"), "trials")]
)
def test_a_session_ends_by_its_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], ended: str
) -> None:
    summary = run_session(rig_folder(tmp_path), capsys, *words)
    assert summary["ended"] == ended
    assert check(Path(summary["session"])).good


def test_a_protocol_with_everything_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("reward_delay=150ms", "still=1s", "catch=0.3", "iti_min=2s", "iti_max=3s")
    words = [word for option in options for word in ("--set", option)]
    summary = run_session(rig_folder(tmp_path), capsys, "--trials", "15", *words)
    assert summary["trials"] == 15
    assert summary["gap_us_max"] == 0
    assert check(Path(summary["session"])).good


def _started(config: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rig", "run", "--config", str(config), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for_journal(data: Path, size: int) -> Path:
    for _ in range(1000):
        for journal in data.glob("*/*/journal"):
            if journal.stat().st_size > size:
                return journal
        time.sleep(0.02)
    raise AssertionError("the session did not begin")


def test_ctrl_c_finishes_cleanly(tmp_path: Path) -> None:
    with _started(rig_folder(tmp_path), "--minutes", "5") as process:
        journal = _wait_for_journal(tmp_path / "data", 30_000)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "ended by Ctrl-C" in said
    entries, _ = read_entries(journal)
    assert (summary_of(entries) or {})["ended"] == "Ctrl-C"
    last = [event for event in events_of(entries) if event.name in ("output", "trial_end")]
    assert last[-1].name == "trial_end" or last[-1].fields["active"] == ()
    assert check(journal.parent).good


def test_a_second_ctrl_c_is_immediate(tmp_path: Path) -> None:
    with _started(rig_folder(tmp_path), "--minutes", "5") as process:
        journal = _wait_for_journal(tmp_path / "data", 30_000)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert not read_entries(journal)[1]


def real_rig(folder: Path, port: str) -> Path:
    """A rig with a board on a port, calibrated today."""
    today = date.today().isoformat()
    return rig_folder(
        folder,
        **{"body": "serial", "board": "mega2560", "port": port, "lever__calibrated": today},
        **{"valve__calibrated": today, "laser__calibrated": today},
    )


def _wait_for_new(data: Path, before: set[Path], process: subprocess.Popen[str] | None = None) -> Path:
    for _ in range(3000):
        for folder in set(data.glob("*/*")) - before:
            if (folder / "journal").exists():
                return folder
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.01)
    if process is not None:
        process.kill()
        raise AssertionError(f"the session did not begin: {process.communicate()}")
    raise AssertionError("the session did not begin")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_killed_at_any_moment_the_record_holds_what_was_acknowledged(tmp_path: Path) -> None:
    """The board outlives the program, and says afterwards what it was told is safe. RIG_KILLS=50 for the long test."""
    ptyboard = pytest.importorskip("ptyboard")
    data = tmp_path / "data"
    for n in range(int(os.environ.get("RIG_KILLS", "3"))):
        before = set(data.glob("*/*"))
        with ptyboard.PtyBoard() as board:
            with _started(real_rig(tmp_path, board.port), "--minutes", "5") as process:
                _wait_for_new(data, before, process)
                time.sleep(0.31 * n % 1.9)
                process.kill()
                process.wait(10)
            board.stop()
            oldest = board.hello().oldest_event
        folder = _wait_for_new(data, before)
        entries, _ = read_entries(folder)
        assert not entries or entries[0].kind == Kind.MANIFEST
        found = [wire.EVENT_HEADER.unpack_from(e.payload)[1] for e in entries if e.kind == Kind.EVENT]
        assert found == list(range(len(found)))
        assert len(found) >= oldest, f"the board was told that {oldest} events are safe, {len(found)} are there"
        report = check(folder) if entries else None
        assert report is None or [fault for fault in report.faults if "torn" not in fault] == []
    short = ("--trials", "1", "--set", "iti_min=0.5s", "--set", "iti_max=0.5s", "--set", "response_window=2s")
    with ptyboard.PtyBoard() as board, _started(real_rig(tmp_path, board.port), *short, "--json") as process:
        said, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        assert json.loads(said)["lost_events"] == 0
