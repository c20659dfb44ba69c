"""Listeners for the tests of the stream: a process as on the imaging computer, one in a thread, and hostile peers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import zmq
from stream_rig import SESSION, StreamRig

from rig.stream import schema
from rig.stream.address import answers_at, split_address
from rig.stream.copy import Proof
from rig.stream.listen import Listener

ROOT = Path(__file__).parents[1]


def until(what: Callable[[], object], seconds: float = 100.0) -> None:
    """Wait for it; an AssertionError says that it did not come."""
    end_s = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end_s, f"not within {seconds} s"
        time.sleep(0.02)


@contextlib.contextmanager
def listen_process(address: str, out: Path) -> Iterator[subprocess.Popen[str]]:
    """`rig listen … --once`, as a person starts it; it does not outlive the test."""
    words = [sys.executable, "-m", "rig", "listen", address, "--out", str(out), "--once"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as listener:
        try:
            yield listener
        finally:
            listener.kill()


class Listening:
    """A listener in a thread of its own, which stands still unless ``awake``. ``proofs`` as sessions end."""

    def __init__(
        self,
        address: str,
        out: Path,
        keys: Path | None = None,
        heard: Callable[[schema.Message, int | None], None] | None = None,
    ) -> None:
        self.proofs: list[Proof] = []
        self.listener = Listener(address, out, keys, self.proofs.append, heard)
        self.awake = threading.Event()
        self.awake.set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            self.awake.wait()
            self.listener.turn(20)
        self.listener.close()

    @property
    def records(self) -> int:
        """How many it holds."""
        copy = self.listener.copy
        return copy.next if copy else 0

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.awake.set()
        self._thread.join()


def whole(data: Path, out: Path, session: str = SESSION) -> None:
    """The copy is the rig's journal byte for byte, and its table has a row for each event."""
    mine, theirs = (out / session / "journal").read_bytes(), (data / session / "journal").read_bytes()
    assert mine == theirs
    rows = (out / session / "events.csv").read_text(encoding="utf-8").splitlines()[1:]
    numbers = [int(row.split(",", 1)[0]) for row in rows]
    assert numbers == sorted(set(numbers))


def subscriber(context: zmq.Context[Any], address: str, *topics: bytes) -> Any:
    """A plain SUB socket."""
    socket = context.socket(zmq.SUB)
    socket.linger = 0
    socket.connect(address)
    for topic in topics:
        socket.subscribe(topic)
    return socket


def messages(socket: Any, enough: Callable[[list[schema.Message]], bool]) -> list[schema.Message]:
    """What comes on it until that is enough."""
    found: list[schema.Message] = []
    while not enough(found):
        assert socket.poll(100_000)
        found.append(schema.read_message(socket.recv().partition(b" ")[2]))
    return found


class Hostile:
    """Never reads, floods requests and subscriptions, connects and says rubbish; until it is told to stop."""

    def __init__(self, address: str) -> None:
        host, port = split_address(address)
        self._doors = [(host, int(port)), (host, int(port) + 1)]
        self._address = address
        self._ended = threading.Event()
        self.flooded = 0
        self._threads = [threading.Thread(target=act) for act in (self._rubbish, self._flood, self._deaf)]
        for thread in self._threads:
            thread.start()

    def _rubbish(self) -> None:
        while not self._ended.is_set():
            for door in self._doors:
                with contextlib.suppress(OSError), socket.create_connection(door, timeout=1) as one:
                    one.sendall(os.urandom(2000))
            time.sleep(0.002)

    def _flood(self) -> None:
        with zmq.Context() as context:
            ask = context.socket(zmq.DEALER)
            ask.linger = 0
            ask.connect(answers_at(self._address))
            subscribe = context.socket(zmq.XSUB)
            subscribe.linger = 0
            subscribe.connect(self._address)
            for n in range(1 << 60):
                if self._ended.is_set():
                    break
                with contextlib.suppress(zmq.Again):
                    ask.send(os.urandom(40) if n % 3 else schema.encode(schema.From(n, SESSION, 0, 0)), zmq.NOBLOCK)
                    ask.send(bytes(5000), zmq.NOBLOCK)
                    subscribe.send(b"\1" + os.urandom(8), zmq.NOBLOCK)
                self.flooded = n
                if n % 50 == 0:
                    time.sleep(0.001)
            ask.close()
            subscribe.close()

    def _deaf(self) -> None:
        """A subscriber to everything that reads nothing: a handshake, then silence."""
        greeting = (b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL").ljust(64, b"\0")  # rfc.zeromq.org/spec/23
        ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
        with contextlib.suppress(OSError), socket.create_connection(self._doors[0], timeout=1) as one:
            one.sendall(greeting + ready + b"\x00\x01\x01")
            self._ended.wait()

    def stop(self) -> None:
        """Enough."""
        self._ended.set()
        for thread in self._threads:
            thread.join()


def running_rig(
    data: Path, rate_hz: float, seconds: float, *, address: str = "tcp://127.0.0.1:*"
) -> tuple[subprocess.Popen[str], str]:
    """tests/stream_rig.py as a process of its own, and its address."""
    words = [sys.executable, str(ROOT / "tests" / "stream_rig.py"), str(data), address, str(rate_hz), str(seconds)]
    rig = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert rig.stdout
    return rig, rig.stdout.readline().strip()


def paced(rig: StreamRig, rate_hz: float) -> tuple[threading.Thread, threading.Event]:
    """Events in a thread, until the event is set."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            rig.pace(rate_hz, 0.1)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, stop
