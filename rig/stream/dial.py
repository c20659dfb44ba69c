"""A listener's two sockets: one that hears what the rig tells, one that asks. They come back by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import zmq

from rig.stream import keys
from rig.stream.address import answers_at

HELD = 50_000  # live messages that may wait in ZMQ
_RETRY_MS, _RETRY_MOST_MS = 100, 2_000
_OPTIONS = {
    zmq.LINGER: 0,
    zmq.RECONNECT_IVL: _RETRY_MS,
    zmq.RECONNECT_IVL_MAX: _RETRY_MOST_MS,
    zmq.HEARTBEAT_IVL: 1_000,
    zmq.HEARTBEAT_TIMEOUT: 3_000,
    zmq.HANDSHAKE_IVL: 3_000,
    zmq.CONNECT_TIMEOUT: 2_000,
    zmq.IPV6: 1,
}


class Dial:
    """Connects to a rig. ``keys_folder``: this computer's secret key and the rig's public one; None: without keys."""

    def __init__(self, address: str, keys_folder: Path | None) -> None:
        self._address, self._answers_at = address, answers_at(address)
        self._keys = _keys_of(keys_folder) if keys_folder else None
        self._context = zmq.Context()
        self.live: Any = None
        self.ask: Any = None
        self.connect()

    def connect(self) -> None:
        """Connect, or connect anew."""
        for socket in (self.live, self.ask):
            if socket is not None:
                socket.close(linger=0)
        self.live, self.ask = self._socket(zmq.SUB), self._socket(zmq.DEALER)
        self.live.setsockopt(zmq.RCVHWM, HELD)
        self.live.subscribe(b"")
        self.ask.setsockopt(zmq.IMMEDIATE, 1)
        self.live.connect(self._address)
        self.ask.connect(self._answers_at)
        self._poller = zmq.Poller()
        self._poller.register(self.live, zmq.POLLIN)
        self._poller.register(self.ask, zmq.POLLIN)

    def _socket(self, kind: int) -> Any:
        socket: Any = self._context.socket(kind)
        for option, value in _OPTIONS.items():
            socket.setsockopt(option, value)
        if self._keys:
            own, rig = self._keys
            socket.curve_publickey, socket.curve_secretkey, socket.curve_serverkey = own.public, own.secret, rig
        return socket

    def ready(self, timeout_ms: int) -> list[Any]:
        """Wait for something to come; the sockets that have it."""
        return [socket for socket, _ in self._poller.poll(timeout_ms)]

    def close(self) -> None:
        """Let go of the sockets; what was just said may leave."""
        self._context.destroy(linger=1000)


def _keys_of(folder: Path) -> tuple[keys.KeyPair, bytes]:
    """This listener's own pair, and the rig's public key."""
    return keys.read_pair(folder, keys.own_name(folder)), keys.read_public(folder / f"{keys.RIG}.key")
