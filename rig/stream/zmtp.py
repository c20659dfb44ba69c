"""ZMTP 3.0 (rfc.zeromq.org/spec/23), as much of it as a publisher without keys needs. Pure: bytes in, bytes out.

A publisher that writes its sockets itself wakes one thread less than libzmq's, and can count what a peer says before
it costs anything. Everything a subscriber may say is small: what is not, or is not in order, is a :class:`PeerError`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from rig.errors import RigError

GREETING_BYTES = 64
_SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
_NULL = b"NULL".ljust(20, b"\0")
GREETING = (_SIGNATURE + b"\x03\x00" + _NULL).ljust(GREETING_BYTES, b"\0")
_VERSION_AT, _MECHANISM_AT = 10, 12
_MORE, _LONG, _COMMAND = 1, 2, 4
_LENGTH = struct.Struct(">Q")
_PROPERTY = struct.Struct(">I")
_SUBSCRIBERS = (b"SUB", b"XSUB")


class PeerError(RigError):
    """A peer says what no subscriber says; the text says what, for the log."""


class Said(NamedTuple):
    """A frame from a subscriber. ``what``: ready, subscribe, cancel, ping or other; ``body``: prefix or context."""

    what: str
    body: bytes


def message(body: bytes) -> bytes:
    """A message of one frame."""
    size = len(body)
    return b"%c%c%b" % (0, size, body) if size < 256 else b"%c%b%b" % (_LONG, _LENGTH.pack(size), body)


def command(name: bytes, body: bytes = b"") -> bytes:
    """A short command."""
    data = b"%c%b%b" % (len(name), name, body)
    return b"%c%c%b" % (_COMMAND, len(data), data)


READY = command(b"READY", b"\x0bSocket-Type" + _PROPERTY.pack(3) + b"PUB")
PING = command(b"PING", bytes(2))


def pong(context: bytes) -> bytes:
    """The answer to a ping."""
    return command(b"PONG", context)


class Reader:
    """Takes what one peer sends, in any pieces. ``limit_bytes``: of a frame's body."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._data = bytearray()
        self._greeted = False
        self.ready = False

    def feed(self, data: bytes) -> list[Said]:
        """What became whole by these bytes. Raises PeerError; then the peer is to be sent away."""
        self._data += data
        said: list[Said] = []
        if not self._greeted:
            self._greet()
        while self._greeted and (frame := self._frame()) is not None:
            flags, body = frame
            one = _command(body) if flags & _COMMAND else _subscription(body)
            if self.ready == (one.what == "ready"):
                raise PeerError("a handshake out of order")
            self.ready = True
            said.append(one)
        return said

    def _greet(self) -> None:
        data = self._data
        if not _SIGNATURE.startswith(data[:1]) or (len(data) > 9 and data[9] != _SIGNATURE[9]):
            raise PeerError("not the protocol")
        if len(data) > _VERSION_AT and data[_VERSION_AT] < 3:
            raise PeerError("a protocol older than ZMTP 3")
        if len(data) < GREETING_BYTES:
            return
        if data[_MECHANISM_AT : _MECHANISM_AT + 20] != _NULL:
            raise PeerError("keys where there are none")
        del data[:GREETING_BYTES]
        self._greeted = True

    def _frame(self) -> tuple[int, bytes] | None:
        data = self._data
        if not data:
            return None
        flags = data[0]
        if flags & ~_COMMAND:  # in parts, long (longer than any limit of ours), or not defined
            raise PeerError("an oversized or unknown frame")
        if len(data) < 2:
            return None
        end = 2 + data[1]
        if data[1] > self._limit:
            raise PeerError("an oversized or unknown frame")
        if len(data) < end:
            return None
        body = bytes(data[2:end])
        del data[:end]
        return flags, body


def _subscription(body: bytes) -> Said:
    if body[:1] not in (b"\0", b"\1"):
        raise PeerError("a message where only subscriptions are taken")
    return Said("subscribe" if body[0] else "cancel", body[1:])


def _command(body: bytes) -> Said:
    length = body[0] if body else 0
    name, rest = body[1 : 1 + length], body[1 + length :]
    if name == b"READY":
        if _properties(rest).get(b"socket-type") not in _SUBSCRIBERS:
            raise PeerError("not a subscriber")
        return Said("ready", b"")
    if name == b"PING" and len(rest) >= 2:
        return Said("ping", rest[2:])
    if name in (b"SUBSCRIBE", b"CANCEL"):
        return Said(name.decode().lower(), rest)
    return Said("other", name)


def _properties(data: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    while data:
        name_end = 1 + data[0]
        value_at = name_end + _PROPERTY.size
        if value_at > len(data):
            raise PeerError("a malformed handshake")
        end = value_at + _PROPERTY.unpack_from(data, name_end)[0]
        if end > len(data):
            raise PeerError("a malformed handshake")
        found[data[1:name_end].lower()] = data[value_at:end]
        data = data[end:]
    return found
