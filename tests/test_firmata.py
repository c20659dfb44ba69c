"""The two processes over a real pseudo-terminal: a session, a killed loop, a hung one, a pulled cable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the guard shares the port, which Windows does not allow", allow_module_level=True)

from firmata_board import FirmataBoard
from firmata_rig import CONFIG, PtyBoard, arm, firmata_config, mouse, pulse
from test_firmata_engine import QUICK, go_on

from rig.board import Board
from rig.cli import main
from rig.doors.show import timing_at_end
from rig.errors import BoardError
from rig.firmata import FirmataLink
from rig.record.folder import JOURNAL, events_of, manifest_of, read_entries
from rig.record.verify import verify
from rig.session.setup import open_link
from rig.session.timing import sentence

STALE = (Path(__file__).parent / "data" / "stale_then_startup_adc.bin").read_bytes()[:239]


@pytest.fixture
def pty_board() -> Iterator[PtyBoard]:
    board = PtyBoard(animal=mouse(), stale=STALE)
    yield board
    board.close()


def armed(board: PtyBoard) -> tuple[FirmataLink, Board]:
    config = firmata_config(board.port)
    link = open_link(config)
    assert isinstance(link, FirmataLink)
    return link, arm(link, config)


def valve_is(board: PtyBoard, talk: Board | None, level: int, wait_s: float = 10) -> None:
    """Wait for it; the session goes on meanwhile, if it still can."""
    until_s = time.monotonic() + wait_s
    while board.rig.board.high[8] != level:
        assert time.monotonic() < until_s, f"the valve never came to {level}"
        if talk:
            talk.poll(5_000_000)
        else:
            time.sleep(0.005)


def test_a_session_in_real_time_says_whose_clock_it_is(
    pty_board: PtyBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # the live view is for terminals
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(port=pty_board.port, data=tmp_path), encoding="utf-8")
    changes = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value.replace(' ', '')}")]
    assert main(["run", "--config", str(path), "--trials", "1", "--seed", "1", *changes]) == 0
    said = capsys.readouterr().err
    assert "note: host-timed: this computer decides" in said
    assert "host loop" in said
    assert not any(pty_board.rig.board.high)
    (folder,) = (file.parent for file in tmp_path.rglob(JOURNAL))
    entries, damage = read_entries(folder)
    assert not damage
    report = verify(entries)
    assert not report.faults, report.faults
    timing = timing_at_end(manifest_of(entries), entries)
    assert timing["clock"] == "host"
    assert timing["frames"] > 0
    assert 0 < timing["loop_p50_us"] <= timing["loop_p99_us"] <= timing["loop_worst_us"]
    assert f"times are good to {timing['uncertainty_us']} us" in sentence(timing)
    assert all(e.fields["clock"] == "host" and e.fields["uncertainty_us"] > 0 for e in events_of(entries))
    assert manifest_of(entries)["timing"]["cautions"]


def _kill(link: FirmataLink) -> None:
    os.kill(link._loop.pid, signal.SIGKILL)


def _hang(link: FirmataLink) -> None:
    os.kill(link._loop.pid, signal.SIGSTOP)


@pytest.mark.parametrize(("strike", "said"), [(_kill, "ended without a word"), (_hang, "was silent for")])
def test_the_guard_closes_the_valve_of_a_loop_that_is_gone(
    pty_board: PtyBoard, strike: Callable[[FirmataLink], None], said: str
) -> None:
    link, talk = armed(pty_board)
    pulse(talk, "valve", width_us=490_000)
    valve_is(pty_board, talk, 1)
    strike(link)
    valve_is(pty_board, None, 0)
    if strike is _hang:
        os.kill(link._loop.pid, signal.SIGKILL)
    with pytest.raises(BoardError, match=f"guard: .*{said}.*closed all outputs"):
        go_on(talk)


def test_a_loop_told_to_stop_closes_by_itself(pty_board: PtyBoard) -> None:
    link, talk = armed(pty_board)
    pulse(talk, "valve", width_us=490_000)
    valve_is(pty_board, talk, 1)
    os.kill(link._loop.pid, signal.SIGTERM)
    valve_is(pty_board, None, 0)
    with pytest.raises(BoardError, match="SIGTERM"):
        go_on(talk)


def test_a_loop_whose_guard_is_gone_closes_by_itself(pty_board: PtyBoard) -> None:
    link, talk = armed(pty_board)
    pulse(talk, "valve", width_us=490_000)
    valve_is(pty_board, talk, 1)
    link._guard.kill()
    valve_is(pty_board, None, 0)
    with pytest.raises(BoardError, match="the guard process is gone: outputs were closed, start again"):
        go_on(talk)


def test_a_session_that_lets_go_leaves_all_low(pty_board: PtyBoard) -> None:
    link, talk = armed(pty_board)
    pulse(talk, "valve", width_us=490_000)
    valve_is(pty_board, talk, 1)
    link.close()
    valve_is(pty_board, None, 0)
    assert link._guard.returncode == 0


HOLDS_THE_VALVE = """
import sys
from firmata_rig import LONG_VALVE, arm, firmata_config, pulse
from rig.session.setup import open_link
config = firmata_config(sys.argv[1], more=LONG_VALVE)
board = arm(open_link(config), config)
pulse(board, "valve", width_us=1_800_000)
while True:
    board.poll(5_000_000)
"""


def test_a_killed_session_leaves_the_valve_closed(pty_board: PtyBoard) -> None:
    tests = Path(__file__).parent
    paths = os.pathsep.join([str(tests), str(tests.parent)])
    command = [sys.executable, "-c", HOLDS_THE_VALVE, pty_board.port]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}) as process:
        valve_is(pty_board, None, 1, wait_s=60)
        resets = pty_board.rig.board.resets
        process.kill()
        valve_is(pty_board, None, 0)
    until_s = time.monotonic() + 10
    while pty_board.rig.board.resets == resets:  # by its loop, that is, and not because its time was over
        assert time.monotonic() < until_s, "the board was not made safe"
        time.sleep(0.005)


def test_a_pulled_cable_is_told_in_one_line(pty_board: PtyBoard) -> None:
    _, talk = armed(pty_board)
    pty_board.unplug()
    with pytest.raises(BoardError, match=r"the board is gone .*check the cable"):
        go_on(talk)


def test_a_pin_that_cannot_do_it_ends_both_processes() -> None:
    board = PtyBoard(FirmataBoard(without_analogue=True))
    try:
        with pytest.raises(BoardError, match=r"pins\.lever: pin A0"):
            open_link(firmata_config(board.port))
    finally:
        board.close()


def test_a_port_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(BoardError, match=r"'/dev/nothing' cannot be opened .*ports here"):
        open_link(firmata_config("/dev/nothing"))
