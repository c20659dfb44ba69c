"""The model of a StandardFirmata board against what a real one was recorded to say, and the protocol's own rules."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from firmata_board import ANALOG, INPUT, OUTPUT, PULLUP, PWM, FirmataBoard
from hypothesis import given
from hypothesis import strategies as st

from rig.firmata.board import PinBoard, Splitter

DATA = Path(__file__).parent / "data"
ADC, I2C = DATA / "stale_then_startup_adc.bin", DATA / "stale_then_startup_i2c.bin"


def recorded(path: Path) -> list[bytes]:
    return Splitter().feed(path.read_bytes())


def sysex(messages: list[bytes], command: int) -> bytes:
    (found,) = (m for m in messages if m[:2] == bytes((0xF0, command)))
    return found


@pytest.mark.parametrize("path", [ADC, I2C], ids=lambda path: path.stem)
def test_the_model_says_what_a_real_board_was_recorded_to_say(path: Path) -> None:
    said = recorded(path)
    board = FirmataBoard("StandardFirmataPlus.ino")
    assert b"\xf9\x02\x05" in said
    assert board.start() == b"\xf9\x02\x05" + sysex(said, 0x79)
    assert board.receive(0, b"\xf0\x6b\xf7") == sysex(said, 0x6C)
    assert board.receive(0, b"\xf0\x69\xf7") == sysex(said, 0x6A)


@given(cuts=st.lists(st.integers(0, 600), max_size=40), path=st.sampled_from([ADC, I2C]))
def test_a_recorded_stream_reads_the_same_however_it_is_cut(cuts: list[int], path: Path) -> None:
    data = path.read_bytes()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    splitter, found = Splitter(), list[bytes]()
    for start, end in pairwise(places):
        found += splitter.feed(data[start:end])
    assert found == recorded(path)
    assert splitter.stray + sum(map(len, found)) == len(data)


@given(data=st.binary(max_size=300))
def test_whatever_comes_only_whole_messages_reach_the_parser(data: bytes) -> None:
    splitter, board = Splitter(), PinBoard()
    for message in splitter.feed(data):
        assert message[0] >= 0x80
        assert all(byte < 0x80 for byte in message[1 : len(message) - (message[0] == 0xF0)])
    board.take(data)
    board.take(b"\xf7\xf9\x02\x05")
    assert board.firmata_version == (2, 5)


def test_pyfirmata2_learns_the_board_from_the_recorded_stream() -> None:
    board = PinBoard()
    board.take(ADC.read_bytes())
    assert (board.firmata_version, board.firmware) == ((2, 5), "StandardFirmataPlus.ino")
    assert board.channels == {channel: 14 + channel for channel in range(6)}
    assert board.able[3] == {INPUT: 1, PULLUP: 1, OUTPUT: 1, PWM: 8, 4: 14}
    assert board.able[0] == {}
    assert board.able[14][ANALOG] == 10
    assert len(board.able) == 20
    assert board.splitter.stray > 0  # the stale samples' torn ones


def test_reports_keep_to_the_interval_and_only_where_asked_for() -> None:
    board = FirmataBoard()
    assert board.step(50_000) == b""
    assert board.receive(50_000, b"\xc0\x01") == b"\xe0\x00\x04"
    board.receive(50_000, b"\xf0\x7a\x0a\x00\xf7")
    said = [t for t in range(60_000, 200_000, 1000) if board.step(t)]
    assert [b - a for a, b in pairwise(said)][-5:] == [10_000] * 5
    board.receive(200_000, b"\xc0\x00")
    assert board.step(300_000) == b""


def test_a_port_is_reported_when_asked_for_and_at_each_change() -> None:
    board = FirmataBoard()
    board.receive(0, bytes((0xF4, 2, INPUT)))
    assert board.receive(0, b"\xd0\x01") == b"\x90\x00\x00"
    board.outside[2] = board.outside[3] = 1
    assert board.step(10) == b"\x90\x04\x00"  # pin 3 is no input
    assert board.step(20) == b""


def test_writes_reach_outputs_only_and_a_reset_leaves_their_level() -> None:
    board = FirmataBoard()
    board.receive(0, bytes((0xF4, 8, OUTPUT, 0xF4, 9, INPUT, 0x91, 3, 0)))
    assert (board.high[8], board.high[9]) == (1, 0)
    board.receive(0, b"\xff")
    assert board.high[8] == 1
    board.receive(0, b"\xf5\x08\x00")
    assert board.high[8] == 0
    assert board.receive(0, b"\xf0\x6d\x08\xf7") == b"\xf0\x6e\x08\x01\x00\xf7"


def test_pwm_takes_plain_and_extended_writes() -> None:
    board = FirmataBoard()
    board.receive(0, bytes((0xF4, 3, PWM, 0xE3, 0x48, 0x01)))
    assert board.state[3] == 200
    board.receive(0, b"\xf0\x6f\x03\x7f\x00\xf7")
    assert board.receive(0, b"\xf0\x6d\x03\xf7") == b"\xf0\x6e\x03\x03\x7f\xf7"
    assert board.receive(0, bytes((0xF4, 3, 77)))[:2] == b"\xf0\x71"


def test_a_message_that_is_cut_off_by_the_guard_does_no_harm() -> None:
    board = FirmataBoard()
    board.receive(0, bytes((0xF4, 8, OUTPUT, 0x91, 1, 0, 0x91, 1)))
    board.receive(0, b"\xf7\x91\x00\x00\xff")
    assert board.high[8] == 0
    board.receive(0, bytes((0xF4, 8, OUTPUT, 0x91, 1, 0)) + b"\xf0\x7a\x01")
    board.receive(0, b"\xf7\x91\x00\x00\xff")
    assert board.high[8] == 0
