"""The stream, over real sockets."""

from __future__ import annotations

import msgspec
import pytest
import zmq

from rig import wire
from rig.errors import ConfigError
from rig.stream import open_publisher

STATE = wire.encode_event("state", 5, 1000, {"state": 1, "cause": 1, "late_us": 0})
ARMED = wire.encode_event("armed", 6, 2000, {})


def test_a_subscriber_gets_the_events_it_asked_for() -> None:
    with open_publisher("tcp://127.0.0.1:*") as publisher, zmq.Context() as context:
        address = publisher.address
        assert address is not None
        with context.socket(zmq.SUB) as listener:
            listener.connect(address)
            listener.subscribe(b"state ")
            for _ in range(500):  # until the subscription has reached the publisher
                publisher.publish(77, [ARMED, STATE])
                if listener.poll(10):
                    break
            topic, _, body = listener.recv().partition(b" ")
            assert topic == b"state"
            host_ns, payload = msgspec.msgpack.decode(body)
            assert (host_ns, payload) == (77, STATE)
            while listener.poll(50):
                assert listener.recv().startswith(b"state ")


def test_no_address_is_no_stream() -> None:
    with open_publisher(None) as publisher:
        publisher.publish(0, [STATE])
        assert publisher.address is None


def test_a_taken_address_is_refused() -> None:
    with open_publisher("tcp://127.0.0.1:*") as publisher:
        assert publisher.address is not None
        with pytest.raises(ConfigError, match="cannot be bound"):
            open_publisher(publisher.address)
