"""The list and its two directions: what goes in comes out, what is wrong says why."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig import wire
from rig.errors import BoardError

PAYLOADS = st.binary(min_size=1, max_size=wire.MAX_PAYLOAD)
U8, U32 = st.integers(0, 255), st.integers(0, 0xFFFFFFFF)


def bounds(kind: str) -> tuple[int, int]:
    bits = 8 * wire.SIZES[kind]
    return (0, (1 << bits) - 1) if kind[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)


def values(message: wire.Message) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries({name: st.integers(*bounds(kind)) for name, kind in message.fields})


# --- the list ---------------------------------------------------------------------------------------------------------


def test_names_and_numbers_are_unique_and_say_their_direction() -> None:
    assert len(wire.BY_NAME) == len(wire.BY_NUMBER) == len(wire.MESSAGES)
    for message in wire.MESSAGES:
        if message.kind is wire.Kind.EVENT:
            assert message.number >= 0x80
            assert not message.to_board
        elif message.kind is wire.Kind.COMMAND:
            assert 0x10 <= message.number < 0x40
            assert message.to_board
        else:
            assert message.number < 0x10 or 0x40 <= message.number < 0x80
            assert message.to_board == (message.number < 0x10)


def test_every_message_fits_a_payload() -> None:
    heads = {wire.Kind.CONTROL: 1, wire.Kind.COMMAND: 2, wire.Kind.EVENT: wire.EVENT_HEADER.size}
    for message in wire.MESSAGES:
        tail = 2 * 20 if message.tail else 0  # a full batch of samples
        assert heads[message.kind] + message.body.size + tail <= wire.MAX_PAYLOAD, message.name


def test_transition_codes_do_not_overlap() -> None:
    codes = [*range(wire.ON_RULE, wire.ON_RULE + 16), *range(wire.ON_INPUT, wire.ON_INPUT + 32)]
    codes += [*range(wire.ON_HOST, wire.ON_HOST + 16), *range(wire.ON_GENERATOR, wire.ON_GENERATOR + 8)]
    assert len(set(codes)) == len(codes)
    assert not {*codes} & {*wire.Cause}


# --- payloads ---------------------------------------------------------------------------------------------------------


@given(st.data())
def test_control_messages_and_commands_come_back(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from([m for m in wire.MESSAGES if m.kind is not wire.Kind.EVENT]))
    fields, sequence = data.draw(values(message)), data.draw(U8)
    command = message.kind is wire.Kind.COMMAND
    payload = wire.encode(message.name, fields, sequence if command else None)
    assert wire.decode(payload) == (message.name, sequence if command else 0, 0, fields)


@given(st.data(), U32, U32)
def test_events_come_back(data: st.DataObject, number: int, board_us: int) -> None:
    message = data.draw(st.sampled_from([m for m in wire.MESSAGES if m.kind is wire.Kind.EVENT]))
    fields = data.draw(values(message))
    tail = tuple(data.draw(st.lists(st.integers(-0x8000, 0x7FFF), max_size=20))) if message.tail else ()
    decoded = wire.decode(wire.encode_event(message.name, number, board_us, fields, tail))
    expected: dict[str, int | tuple[int, ...]] = {**fields, **({message.tail[0]: tail} if message.tail else {})}
    assert decoded == (message.name, number, board_us, expected)


def test_numbers_and_times_are_cut_to_32_bits() -> None:
    decoded = wire.decode(wire.encode_event("armed", 1 << 32, (1 << 32) + 5, {}))
    assert decoded[1:3] == (0, 5)


@pytest.mark.parametrize(("name", "fields", "complaint"), [
    ("stop", {"at_end": 256}, "stop: at_end = 256 does not fit 0..255"),
    ("stop", {}, "stop: at_end = None does not fit 0..255"),
    ("ping", {"token": -1, "next_event": 0}, "ping: token = -1 does not fit 0..4294967295"),
    ("set_inputs", {"enabled": 0, "invert": 1 << 16}, "set_inputs: invert = 65536 does not fit 0..65535"),
])  # fmt: skip
def test_a_value_that_does_not_fit_names_its_field(name: str, fields: dict[str, int], complaint: str) -> None:
    with pytest.raises(BoardError, match=complaint):
        wire.encode(name, fields, 0 if name != "ping" else None)


def test_a_negative_field_has_its_own_bounds() -> None:
    row = dict.fromkeys((name for name, _ in wire.RULE_FIELDS), 0) | {"index": 0, "lo_counts": 1 << 31}
    with pytest.raises(BoardError, match=r"lo_counts = 2147483648 does not fit -2147483648\.\.2147483647"):
        wire.encode("table_rule", row, 0)


def test_a_value_that_is_no_number_is_the_caller_s_fault() -> None:
    with pytest.raises((struct.error, TypeError)):
        wire.encode("stop", {"at_end": 1.5}, 0)  # type: ignore[dict-item]


@pytest.mark.parametrize(("payload", "complaint"), [
    (b"", r"message 0x\? is not on the list"),
    (b"\x7f", "message 0x7f is not on the list"),
    (b"\x02\x01", "ping: 2 bytes are too few"),
    (b"\x14", "lock: 1 bytes are too few"),
    (b"\x8a\x00\x00", "armed: 3 bytes are too few"),
    (b"\x14\x00\x00", "lock: 3 bytes are too many"),
    (b"\x84" + bytes(8 + 8 + 1), "lever: 18 bytes end inside offsets"),
])  # fmt: skip
def test_a_payload_that_is_not_one_says_why(payload: bytes, complaint: str) -> None:
    with pytest.raises(BoardError, match=complaint):
        wire.decode(payload)


@given(st.binary(max_size=80))
def test_decoding_anything_gives_a_message_or_a_board_error(payload: bytes) -> None:
    try:
        decoded = wire.decode(payload)
    except BoardError:
        return
    assert decoded.name in wire.BY_NAME


# --- frames -----------------------------------------------------------------------------------------------------------


@given(PAYLOADS)
def test_a_frame_has_one_zero_at_its_end_and_is_no_longer_than_promised(payload: bytes) -> None:
    framed = wire.frame(payload)
    assert framed.count(0) == 1
    assert framed[-1] == 0
    assert len(framed) == len(payload) + 5  # one code byte, trailer, delimiter


@given(st.lists(PAYLOADS, max_size=8), st.data())
def test_payloads_come_back_however_the_bytes_are_cut(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(wire.frame, payloads))
    splitter, back, at = wire.FrameSplitter(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, 40))
        back += splitter.feed(stream[at : at + size])
        at += size
    assert back == payloads
    assert splitter.damaged == 0


@given(PAYLOADS, st.binary(min_size=1, max_size=400))
def test_after_any_noise_the_next_frame_but_one_is_read(payload: bytes, noise: bytes) -> None:
    splitter = wire.FrameSplitter()
    splitter.feed(noise)
    splitter.feed(wire.frame(payload))
    assert splitter.feed(wire.frame(payload))[-1:] == [payload]


def test_noise_without_an_end_is_not_hoarded_and_counts_as_damaged_once() -> None:
    splitter = wire.FrameSplitter()
    for _ in range(1000):
        assert splitter.feed(b"\xff" * 100) == []
    assert len(splitter._rest) <= 3 * wire.MAX_PAYLOAD
    assert splitter.feed(b"\0" + wire.frame(b"abc")) == [b"abc"]
    assert splitter.damaged == 1


def test_nothing_longer_than_a_payload_or_empty_is_read() -> None:
    splitter = wire.FrameSplitter()
    assert splitter.feed(wire.frame(bytes(65)) + wire.frame(b"x" * 65) + wire.frame(b"") + b"\0\0") == []
    assert splitter.damaged == 3


def test_cobs_that_does_not_end_with_its_frame_is_refused_though_its_crc_is_right() -> None:
    for encoded in (b"\x05ab", b"\x03abc", b"\xffab"):
        splitter = wire.FrameSplitter()
        assert splitter.feed(encoded + wire._trailer(encoded) + b"\0") == []
        assert splitter.damaged == 1
