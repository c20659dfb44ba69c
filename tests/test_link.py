"""A serial link over a real pseudo-terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from rig.errors import BoardError, LinkError
from rig.link import SerialLink, port_of, ports

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are POSIX", allow_module_level=True)

import pty
import tty


@pytest.fixture
def wire_ends() -> Iterator[tuple[int, SerialLink]]:
    far, near = pty.openpty()
    tty.setraw(near)
    link = SerialLink(os.ttyname(near))
    os.close(near)
    yield far, link
    link.close()
    os.close(far)


def test_bytes_go_both_ways(wire_ends: tuple[int, SerialLink]) -> None:
    far, link = wire_ends
    every_byte = bytes(range(256))
    link.write(every_byte)
    assert os.read(far, 1000) == every_byte
    os.write(far, every_byte)
    found = b""
    while len(found) < 256:
        found += link.read(1_000_000_000)
    assert found == every_byte


def test_a_read_waits_for_the_first_byte_and_no_longer_than_asked(wire_ends: tuple[int, SerialLink]) -> None:
    far, link = wire_ends
    assert link.read(10_000_000) == b""
    threading.Timer(0.05, os.write, (far, b"late")).start()
    assert link.read(5_000_000_000)[:1] == b"l"


def test_a_pulled_cable_is_a_board_error() -> None:
    far, near = pty.openpty()
    tty.setraw(near)
    link = SerialLink(os.ttyname(near))
    os.close(near)
    os.close(far)
    with pytest.raises(BoardError, match="the board is gone"):
        use(link)
    link.close()


def test_a_board_that_comes_back_is_opened_again(tmp_path: Path) -> None:
    first, near = pty.openpty()
    second, other = pty.openpty()
    tty.setraw(other)
    port = tmp_path / "board"
    port.symlink_to(os.ttyname(near))
    link = SerialLink(str(port))
    os.close(near)
    os.close(first)
    with pytest.raises(LinkError, match="the board is gone"):
        use(link)
    port.unlink()
    assert not link.reopen(150_000_000)
    port.symlink_to(os.ttyname(other))
    assert link.reopen(150_000_000)
    link.write(b"again")
    assert os.read(second, 10) == b"again"
    link.close()
    os.close(other)
    os.close(second)


USB = (0x2341, 0x0042, "7A3")


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ([("/dev/ttyACM0", USB)], "/dev/ttyACM0"),
        ([("/dev/ttyACM1", USB)], "/dev/ttyACM1"),
        ([("/dev/ttyACM1", USB), ("/dev/ttyACM0", (1, 2, "other"))], "/dev/ttyACM1"),
        ([("/dev/ttyACM0", (1, 2, "other"))], None),
        ([("/dev/ttyACM1", USB), ("/dev/ttyACM2", USB)], None),
        ([], None),
    ],
)
def test_a_usb_board_is_known_by_what_it_is_and_not_by_its_port(
    monkeypatch: pytest.MonkeyPatch, now: list[tuple[str, tuple[int, int, str]]], found: str | None
) -> None:
    there = [SimpleNamespace(device=name, vid=vid, pid=pid, serial_number=number) for name, (vid, pid, number) in now]
    monkeypatch.setattr("rig.link.list_ports.comports", lambda: there)
    assert port_of(USB, "/dev/ttyACM0") == found
    assert port_of(None, "/dev/ttyS0") == "/dev/ttyS0"


def use(link: SerialLink) -> None:
    """Write and read for a while."""
    for _ in range(100):
        link.write(b"x")
        link.read(10_000_000)


def test_an_absent_port_names_those_there_are() -> None:
    with pytest.raises(BoardError, match=r"ports here: .*; set `port` in config.yaml"):
        SerialLink("/dev/ttyNONE9")
    assert isinstance(ports(), list)


def test_the_clock_is_monotonic(wire_ends: tuple[int, SerialLink]) -> None:
    _, link = wire_ends
    before = link.now_ns()
    time.sleep(0.001)
    assert link.now_ns() > before
