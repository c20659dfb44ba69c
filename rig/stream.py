"""Events for other computers over ZMQ. Publishing never blocks; what a listener misses lies in the journal."""

from __future__ import annotations

from types import TracebackType

import msgspec
import zmq

from rig import wire
from rig.errors import ConfigError

_TOPICS = {message.number: message.name.encode() for message in wire.MESSAGES if message.kind is wire.Kind.EVENT}


class ZmqPublisher:
    """PUB socket: ``[topic, number, msgpack(board_us stamp, host_ns, payload)]`` for each event."""

    def __init__(self, address: str | None) -> None:
        self._socket: zmq.Socket[bytes] | None = None
        if address is None:
            return
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
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
        send, encode = self._socket.send_multipart, self._encode
        for payload in payloads:
            send((_TOPICS[payload[0]], encode((host_ns, payload))), zmq.NOBLOCK)


def open_publisher(address: str | None) -> ZmqPublisher:
    """The publisher of this rig, or a silent one where the configuration names no address."""
    return ZmqPublisher(address)
