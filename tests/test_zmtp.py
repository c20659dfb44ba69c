"""ZMTP as a publisher speaks it: whatever pieces bytes come in, and whatever a peer makes up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.stream import zmtp
from rig.stream.zmtp import PeerError, Reader, Said

READY = zmtp.command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x03SUB\x08Identity\x00\x00\x00\x00")
HELLO = zmtp.GREETING + READY


def test_a_subscriber_in_any_pieces() -> None:
    said = [
        HELLO,
        zmtp.message(b"\x01lever "),
        zmtp.message(b"\x00lever "),
        zmtp.command(b"SUBSCRIBE", b"trial "),
        zmtp.command(b"PING", b"\x00\x0actx"),
        zmtp.command(b"PONG"),
    ]
    expected = [
        Said("ready", b""),
        Said("subscribe", b"lever "),
        Said("cancel", b"lever "),
        Said("subscribe", b"trial "),
        Said("ping", b"ctx"),
        Said("other", b"PONG"),
    ]
    data = b"".join(said)
    for size in range(1, len(data) + 1):
        reader = Reader(255)
        found = [one for at in range(0, len(data), size) for one in reader.feed(data[at : at + size])]
        assert found == expected


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"GET / HTTP/1.1\r\n", "not the protocol"),
        (b"\xff" + bytes(9), "not the protocol"),
        (b"\xff" + bytes(8) + b"\x7f\x01", "older"),
        (zmtp.GREETING.replace(b"NULL", b"CURV"), "keys"),
        (zmtp.GREETING + zmtp.message(b"\x01"), "order"),
        (zmtp.GREETING + zmtp.command(b"READY"), "not a subscriber"),
        (zmtp.GREETING + zmtp.command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x04PULL"), "not a subscriber"),
        (zmtp.GREETING + zmtp.command(b"READY", b"\x0bSocket-Type\x00\x00\xff\x04PULL"), "malformed"),
        (zmtp.GREETING + zmtp.command(b"READY", b"\x0b"), "malformed"),
        (HELLO + READY, "order"),
        (HELLO + zmtp.message(b"stop the session"), "only subscriptions"),
        (HELLO + zmtp.message(b""), "only subscriptions"),
        (HELLO + zmtp.message(b"\x01" + bytes(250)), "oversized"),
        (HELLO + zmtp.message(b"\x01" + bytes(1000)), "oversized"),
        (HELLO + b"\x01\x01\x01", "oversized"),
        (HELLO + b"\x80\x01\x01", "oversized"),
    ],
)
def test_what_no_subscriber_says(data: bytes, fault: str) -> None:
    with pytest.raises(PeerError, match=fault):
        Reader(200).feed(data)


@given(st.binary(max_size=300), st.sampled_from([b"", zmtp.GREETING, HELLO]), st.integers(1, 64))
def test_anything_is_read_or_is_a_fault(data: bytes, before: bytes, size: int) -> None:
    data = before + data
    outcomes = []
    for piece in (size, len(data) or 1):  # and in whatever pieces, the same
        reader = Reader(100)
        said: list[Said] = []
        fault = False
        try:
            for at in range(0, len(data), piece):
                said += reader.feed(data[at : at + piece])
        except PeerError:
            fault = True
        outcomes.append((fault, reader.ready, None if fault else said))
        assert len(reader._data) <= 300
    assert outcomes[0] == outcomes[1]


@given(st.binary(max_size=600))
def test_messages_have_their_length_before_them(body: bytes) -> None:
    framed = zmtp.message(body)
    if len(body) < 256:
        assert framed == bytes([0, len(body)]) + body
    else:
        assert framed == b"\x02" + len(body).to_bytes(8, "big") + body
