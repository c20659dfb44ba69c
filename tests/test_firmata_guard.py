"""The guard's process alone, on a pseudo-terminal: what it does for each way in which a loop may fail."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import struct
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the guard shares the port, which Windows does not allow", allow_module_level=True)

from firmata_rig import firmata_config
from hypothesis import given
from hypothesis import strategies as st

from rig.errors import BoardError
from rig.firmata import FirmataLink, guard
from rig.firmata.guard import low_bytes, overdue_s, safe_bytes
from rig.firmata.wiring import wiring_of

VALVE = 1


class Guarded:
    """A guard, its loop played by the test, its board a bare pseudo-terminal."""

    def __init__(self, **limits: object) -> None:
        self.far, near = pty.openpty()
        tty.setraw(near)
        self.loop, theirs = socket.socketpair()
        self.report, report = os.pipe()
        given = {
            "port": near,
            "beats": theirs.fileno(),
            "report": report,
            "ports": [1],
            "silence_s": 0.3,
            "idle_s": 5.0,
        }
        fds = (near, theirs.fileno(), report)
        command = [sys.executable, "-I", "-S", guard.__file__, json.dumps({**given, "max_on_s": {}, **limits})]
        self.process = subprocess.Popen(command, pass_fds=fds)
        theirs.close()
        os.close(report)
        self._near = near  # held: else the far end hangs up with the guard
        assert self.loop.recv(1) == b"R"

    def beat(self, mask: int) -> None:
        self.loop.send(struct.pack("<H", mask))

    def said(self) -> str:
        assert select.select([self.report], [], [], 10.0)[0], "the guard said nothing"
        return os.read(self.report, 1000).decode()

    def wrote(self) -> bytes:
        return os.read(self.far, 100) if select.select([self.far], [], [], 5.0)[0] else b""

    def end(self) -> None:
        self.loop.close()
        self.process.wait(10.0)
        for fd in (self.far, self._near, self.report):
            os.close(fd)


@pytest.fixture
def guarded(request: pytest.FixtureRequest) -> Iterator[Guarded]:
    made = Guarded(**getattr(request, "param", {}))
    yield made
    made.end()


@pytest.mark.parametrize("guarded", [{"max_on_s": {0: 0.25}}], indirect=True)
def test_an_output_that_stays_on_beyond_its_ceiling_is_closed_although_the_loop_beats(guarded: Guarded) -> None:
    began_s = time.monotonic()
    while not select.select([guarded.report], [], [], 0.01)[0]:
        guarded.beat(VALVE)
        assert time.monotonic() < began_s + 10
    assert time.monotonic() - began_s > 0.24
    assert "beyond its ceiling; closed all outputs" in guarded.said()
    assert guarded.wrote() == safe_bytes([1])
    assert guarded.process.wait(5.0) == 1


@pytest.mark.parametrize("guarded", [{"max_on_s": {0: 0.25}}], indirect=True)
def test_an_output_that_goes_off_in_time_may_come_again(guarded: Guarded) -> None:
    for i in range(60):
        guarded.beat(VALVE if i % 10 < 5 else 0)
        time.sleep(0.01)
    guarded.beat(guard.GOODBYE)
    assert guarded.process.wait(5.0) == 0
    assert not select.select([guarded.far], [], [], 0.1)[0]


def test_silence_while_an_output_is_on_is_not_waited_out(guarded: Guarded) -> None:
    guarded.beat(VALVE)
    assert "the loop was silent for" in guarded.said()
    assert guarded.wrote() == safe_bytes([1])


def test_silence_with_nothing_known_to_be_on_puts_outputs_low_and_may_end(guarded: Guarded) -> None:
    """The loop may have hung between an output and the word of it."""
    guarded.beat(0)
    assert guarded.wrote() == low_bytes([1])
    guarded.beat(0)
    guarded.beat(VALVE)  # it is heard again, so this is an output like any other
    guarded.beat(guard.GOODBYE)
    assert guarded.process.wait(5.0) == 0


def test_a_loop_that_comes_back_with_an_output_that_was_put_low_is_not_believed(guarded: Guarded) -> None:
    guarded.beat(0)
    assert guarded.wrote() == low_bytes([1])
    guarded.beat(VALVE)
    assert "the loop was silent for" in guarded.said()
    assert guarded.wrote() == safe_bytes([1])


@pytest.mark.parametrize("guarded", [{"silence_s": 0.1, "idle_s": 0.3}], indirect=True)
def test_a_loop_that_stays_silent_is_given_up(guarded: Guarded) -> None:
    guarded.beat(0)
    assert "the loop was silent for" in guarded.said()


def test_a_loop_that_ends_without_a_word_leaves_nothing_on(guarded: Guarded) -> None:
    guarded.beat(VALVE)
    guarded.loop.close()
    assert "ended without a word; closed all outputs" in guarded.said()
    assert guarded.wrote() == safe_bytes([1])


def test_signals_for_the_session_are_not_the_guards(guarded: Guarded) -> None:
    for number in (2, 15, 1):
        guarded.process.send_signal(number)
    time.sleep(0.2)
    assert guarded.process.poll() is None
    guarded.beat(guard.GOODBYE)
    assert guarded.process.wait(5.0) == 0


@given(st.dictionaries(st.integers(0, 8), st.floats(0, 10)), st.floats(0, 20))
def test_it_acts_at_the_first_of_all_ends(since_s: dict[int, float], silent_s: float) -> None:
    max_on_s = dict.fromkeys(range(9), 0.5)
    assert overdue_s(since_s, max_on_s, silent_s) == min([silent_s, *(t + 0.5 for t in since_s.values())])


def test_windows_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(BoardError, match="body firmata needs Linux or macOS: the guard shares the port"):
        FirmataLink("COM3", wiring_of(firmata_config()), {})
