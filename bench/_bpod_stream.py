"""bpod-core's own publisher and a subscriber to it, for bench/stalls.py; runs where bpod-core is installed.

python bench/_bpod_stream.py publish RATE_HZ SECONDS [local|ADDRESS]   prints its address, then how many it published
python bench/_bpod_stream.py receive ADDRESS FILE               appends each number it receives, 4 bytes
"""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path

import msgspec
import zmq


def message(n: int) -> dict[str, object]:
    """What a message of the rig's says of a batch of lever samples, under the same names."""
    return {
        "n": n,
        "session": "M07/2026-03-02_1",
        "topic": "lever",
        "kind": 2,
        "host_ns": time.monotonic_ns(),
        "payload": bytes(37),
        "name": "lever",
        "board_us": 200 * n,
        "at_ns": time.monotonic_ns(),
        "fields": {"period_us": 1000, "first_counts": n % 999, "offsets": list(range(-5, 5))},
    }


def publish(rate_hz: float, seconds: float, where: str = "local") -> None:
    """As many messages a second as the rig makes events, in turns of a millisecond as well."""
    from bpod_core.ipc import ServiceHost  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: PLC0415

    host = ServiceHost("bench", "bench", lambda request: None, remote=where != "local")
    address = f"tcp://{'127.0.0.1' if where == 'local' else where}:{host.pub_tcp_port}"
    print(address, flush=True)
    host.wait_for_subscribers(20)
    begin_s, made = time.monotonic(), 0
    while (gone_s := time.monotonic() - begin_s) < seconds:
        while made < int(gone_s * rate_hz):
            host.publish(message(made))
            made += 1
        time.sleep(0.001)
    time.sleep(3)  # what still waits may leave
    print(made, flush=True)
    host.close()


def receive(address: str, file: Path) -> None:
    """Until it is killed, or nothing has come for so long that nothing will."""
    with zmq.Context() as context, file.open("ab", buffering=0) as out:
        socket = context.socket(zmq.SUB)
        socket.connect(address)
        socket.subscribe(b"")
        while True:
            out.write(struct.pack("<I", msgspec.msgpack.decode(socket.recv())["n"]))


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        publish(float(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
    else:
        receive(sys.argv[2], Path(sys.argv[3]))
