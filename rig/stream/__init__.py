"""Events for other computers over ZMQ. Publishing never blocks; what a listener misses lies in the journal."""

from __future__ import annotations

from types import TracebackType

import msgspec
import zmq

from rig import wire
from rig.errors import ConfigError

_NOWAIT = int(zmq.NOBLOCK)
_TOPICS = {message.number: message.name.encode() + b" " for message in wire.MESSAGES if message.kind is wire.Kind.EVENT}


class ZmqPublisher:
    """One message an event: its name, a space, msgpack of ``(host_ns, payload)``. Subscribe by name.

    The socket is an XPUB, which is a PUB that knows whether anybody listens: where nobody does, nothing is encoded.
    """

    def __init__(self, address: str | None) -> None:
        self._socket: zmq.Socket[bytes] | None = None
        if address is None:
            return
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._listeners = 0
        self._socket.linger = 0
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self._socket.close()
            self._context.term()
            raise ConfigError(
                f"config.yaml: stream: {address} cannot be bound ({error}); choose another port"
            ) from None
        self._encode = msgspec.msgpack.Encoder().encode

    @property
    def address(self) -> str | None:
        """Where it listens, or None."""
        return None if self._socket is None else self._socket.last_endpoint.decode()

    def __enter__(self) -> ZmqPublisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._socket is not None:
            self._socket.close()
            self._context.term()

    def publish(self, host_ns: int, payloads: list[bytes]) -> None:
        """Send each event; drops where nobody reads fast enough."""
        if self._socket is None:
            return
        self._count_listeners()
        if not self._listeners:
            return
        send, encode = self._socket.send, self._encode
        for payload in payloads:
            send(_TOPICS[payload[0]] + encode((host_ns, payload)), _NOWAIT)

    def _count_listeners(self) -> None:
        assert self._socket is not None
        while int(self._socket.get(zmq.EVENTS)) & int(zmq.POLLIN):
            said = self._socket.recv(_NOWAIT)
            self._listeners += 1 if said[:1] == b"\1" else -1


def open_publisher(address: str | None) -> ZmqPublisher:
    """The publisher of this rig, or a silent one where the configuration names no address."""
    return ZmqPublisher(address)
