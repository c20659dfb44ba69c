"""A serial link over a real pseudo-terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from rig.errors import BoardError
from rig.link import SerialLink, ports

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
