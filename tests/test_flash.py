"""`rig flash` with a programmer that writes nothing, and a board behind a pseudo-terminal that answers afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ptyboard import PtyBoard

from rig.bodies.core import firmware_folder
from rig.cli import main
from rig.doors import flash
from rig.errors import BoardError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


@pytest.fixture
def programmer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Notes how it was called; fails where the file `broken` is there."""
    for name in ("avrdude", "teensy_loader_cli"):
        tool = tmp_path / name
        tool.write_text(
            f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/called\ntest ! -e {tmp_path}/broken\n', encoding="utf-8"
        )
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(flash, "BOOT_S", 0.0)
    return tmp_path


def called(folder: Path) -> str:
    return (folder / "called").read_text(encoding="utf-8")


@pytest.mark.parametrize(("board", "chip"), [("mega2560", "-p atmega2560"), ("uno328p", "-p atmega328p")])
def test_the_programmer_gets_the_chip_the_port_and_the_program(programmer: Path, board: str, chip: str) -> None:
    command = flash.command_of(board, "/dev/ttyX", flash.program_of(board, None))
    assert chip in " ".join(command)
    assert "-P /dev/ttyX" in " ".join(command)
    assert command[-1] == f"flash:w:{flash.HEX / board}.hex:i"


def test_a_board_that_answers_is_told_of(programmer: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with PtyBoard() as board:
        (programmer / "my.hex").write_text(":00000001FF\n", encoding="utf-8")
        port = board.port
        assert flash.answered(port, "simulator", 0.0).states == 32
        code = main(["flash", "--board", "mega2560", "--port", port, "--hex", str(programmer / "my.hex")])
    assert code == 1
    assert "a simulator answered, not a mega2560" in capfd.readouterr().err
    assert f"-P {port} -U flash:w:{programmer}/my.hex:i" in called(programmer)


def test_a_programmer_that_fails_is_an_error(programmer: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (programmer / "broken").touch()
    assert main(["flash", "--port", "/dev/ttyX"]) == 1
    assert "avrdude failed (1): is /dev/ttyX the mega2560, and free?" in capfd.readouterr().err


def test_what_is_missing_is_named(programmer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BoardError, match=r"teensy4.hex is not there"):
        flash.program_of("teensy4", None)
    assert "--mcu=TEENSY41" in flash.command_of("teensy4", "", Path("x.hex"))
    monkeypatch.setenv("PATH", str(programmer / "nowhere"))
    with pytest.raises(BoardError, match="avrdude is not installed: apt-get install avrdude"):
        flash.command_of("mega2560", "/dev/ttyX", Path("x.hex"))
    monkeypatch.setattr(flash, "ports", list)
    with pytest.raises(BoardError, match=r"which port\? there are: none"):
        flash.port_of(None)


@pytest.mark.parametrize("board", ["mega2560", "uno328p"])
def test_the_shipped_program_is_the_one_that_the_sources_make(board: str, tmp_path: Path) -> None:
    """After a change of the firmware: `make -C firmware ship`."""
    subprocess.run(
        ["make", "-s", "-C", str(firmware_folder()), f"OUT={tmp_path}", f"{tmp_path}/{board}.hex"], check=True
    )
    assert (tmp_path / f"{board}.hex").read_bytes() == (flash.HEX / f"{board}.hex").read_bytes()
