"""Frames on both ends: firmware/core/frame.c and rig/wire.py write and read the same, and nothing false."""

from __future__ import annotations

import random

import pytest
from bodies import roomy
from damaged import KINDS, false, stream
from hypothesis import given
from hypothesis import strategies as st

from rig import wire

DAMAGED = 20_000
PAYLOADS = st.binary(min_size=1, max_size=wire.MAX_PAYLOAD)


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """The shim is compiled before the first example, not within it."""
    roomy()


def c_frame(payload: bytes) -> bytes:
    ffi, lib = roomy()
    to = ffi.new("uint8_t[]", 80)
    return bytes(ffi.buffer(to, lib.shim_frame(to, payload, len(payload))))


def c_read(data: bytes) -> tuple[list[bytes], int]:
    """The payloads that the board's reader finds, and how many frames it calls damaged."""
    ffi, lib = roomy()
    to, damaged = ffi.new("uint8_t[]", len(data) + 1), ffi.new("uint32_t *")
    found = bytes(ffi.buffer(to, lib.shim_read(data, len(data), to, damaged)))
    payloads, at = [], 0
    while at < len(found):
        payloads.append(found[at + 1 : at + 1 + found[at]])
        at += 1 + found[at]
    return payloads, damaged[0]


def py_read(data: bytes) -> tuple[list[bytes], int]:
    splitter = wire.FrameSplitter()
    return splitter.feed(data), splitter.damaged


@given(PAYLOADS)
def test_both_ends_write_the_same_frame(payload: bytes) -> None:
    assert c_frame(payload) == wire.frame(payload)


@given(st.lists(PAYLOADS, max_size=6))
def test_both_ends_read_what_either_wrote(payloads: list[bytes]) -> None:
    data = b"".join(map(wire.frame, payloads))
    assert c_read(data) == py_read(data) == (payloads, 0)


@given(st.binary(max_size=300))
def test_both_ends_read_the_same_from_anything(data: bytes) -> None:
    assert c_read(data) == py_read(data)


@given(st.binary(min_size=1, max_size=80).map(lambda data: data.replace(b"\0", b"\1")))
def test_both_ends_agree_on_cobs_that_no_one_wrote_with_a_right_trailer(encoded: bytes) -> None:
    data = encoded + wire._trailer(encoded) + b"\0"
    assert c_read(data) == py_read(data)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 66, 120, 200])
def test_both_ends_refuse_what_is_longer_than_a_payload(size: int) -> None:
    data = wire.frame(b"x" * size)
    assert c_read(data) == py_read(data) == (([b"x" * size], 0) if size <= wire.MAX_PAYLOAD else ([], 1))


@pytest.mark.parametrize("kind", KINDS)
def test_no_damaged_frame_is_read_as_an_event(kind: str) -> None:
    rng = random.Random(kind)
    streams = [stream(rng) for _ in range(200)]
    harmless = 0
    for _ in range(DAMAGED):
        sent, good = rng.choice(streams)
        damaged = KINDS[kind](rng, good)
        read = py_read(damaged)
        assert c_read(damaged) == read
        assert not false(sent, read[0]), f"{damaged.hex()} was read as {read[0]}, sent was {sent}"
        harmless += read[0] == sent
    assert harmless < DAMAGED / 10  # only a zero between frames changes nothing


def test_damage_really_damages() -> None:
    rng = random.Random(1)
    for damage in KINDS.values():
        sent, good = stream(rng)
        assert any(py_read(damage(rng, good))[0] != sent for _ in range(20))


def test_what_was_never_sent_or_comes_out_of_order_is_false() -> None:
    assert false([b"a", b"b", b"c"], [b"a", b"c"]) == []
    assert false([b"a", b"b"], [b"b", b"a"]) == [b"a"]
    assert false([b"a"], [b"x", b"a"]) == [b"x"]
    assert false([b"a"], [b"a", b"a"]) == [b"a"]
