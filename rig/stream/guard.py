"""The stream's doorkeeper: who may connect, how large and how fast they may speak, and a line in the log for the rest.

With keys, a peer must prove by CURVE (curvezmq.org, RFC 26) that it holds an authorised key before a single message
passes; ZMQ asks here (ZAP, RFC 27). The log is kept short whatever a flood of nonsense does.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from rig.errors import ConfigError
from rig.stream import keys
from rig.stream.schema import MAX_REQUEST_BYTES

Socket = Any  # pyzmq's is generic in ways that do not help here
HANDSHAKE_MS = 3_000  # who has not said who he is by then is sent away
HEARTBEAT_MS = 1_000
SILENT_MS = 5_000  # a peer that answers no heartbeat for so long is gone
LINES_OF_A_KIND = 5
LINES = 2_000
QUIET_S = 10.0
_BATCH = 20
_FAILED = {
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL): "no handshake",
    int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL): "not the protocol, or without keys where keys are asked for",
    int(zmq.EVENT_HANDSHAKE_FAILED_AUTH): "not authorised",
}
_EVENT = struct.Struct("=HI")


class Log:
    """What was refused. The first few of a kind each get a line; of more, the number is told now and then."""

    def __init__(self, path: Path | None, who: str) -> None:
        self.refused: dict[str, int] = {}
        self._path, self._who = path, who
        self._told: dict[str, tuple[int, float]] = {}
        self._lines = 0

    def refuse(self, why: str, peer: str) -> None:
        """Count it, and perhaps tell it."""
        self.refused[why] = n = self.refused.get(why, 0) + 1
        told, when_s = self._told.get(why, (0, 0.0))
        now_s = time.monotonic()
        if n <= LINES_OF_A_KIND or now_s - when_s > QUIET_S:
            self._told[why] = (n, now_s)
            more = f" ({n - told - 1} more since)" if n - told > 1 else ""
            self.say(f"refused {peer or 'somebody'}: {why}{more}")

    def say(self, text: str) -> None:
        """A line, unless there are too many already."""
        self._lines += 1
        if self._path is None or self._lines > LINES:
            return
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{stamp} {self._who}: {text}\n")
        except OSError:
            self._path = None  # a full disk is the session's to tell, and a log is not worth an end

    def close(self) -> None:
        """Tell the totals."""
        for why, n in self.refused.items():
            self.say(f"refused in all: {n} × {why}")


class Guard:
    """Protects the sockets of one process. Poll its ``sockets`` and call :meth:`handle` when one is ready."""

    def __init__(self, context: zmq.Context[Any], keys_folder: Path | None, log: Log) -> None:
        self.log = log
        self._context, self._folder = context, keys_folder
        self._pair = keys.read_pair(keys_folder) if keys_folder else None
        self._peer = ""
        self._accepted = self._through = self._failed = 0
        self._zap: Socket = context.socket(zmq.REP)
        self._zap.linger = 0
        self._zap.bind("inproc://zeromq.zap.01")
        self.sockets: list[Socket] = [self._zap]

    def protect(self, server: Socket, name: str) -> None:
        """Set the limits (and keys) of a socket that will be bound, and watch its connections."""
        server.linger = 0
        server.setsockopt(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
        server.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        server.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        server.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENT_MS)
        server.setsockopt(zmq.IPV6, 1)
        # Without keys as well: where libzmq has to ask here, it refuses ZMTP 1, which takes any bytes for messages.
        server.setsockopt(zmq.ZAP_DOMAIN, b"rig")
        if self._pair:
            server.curve_server = True
            server.curve_secretkey, server.curve_publickey = self._pair.secret, self._pair.public
        address = f"inproc://monitor-{name}"
        server.monitor(address, int(zmq.EVENT_ACCEPTED) | int(zmq.EVENT_HANDSHAKE_SUCCEEDED) | sum(_FAILED))
        watch = self._context.socket(zmq.PAIR)
        watch.setsockopt(zmq.RCVHWM, 0)  # a full queue would hold up the thread that does all sending
        watch.linger = 0
        watch.connect(address)
        self.sockets.append(watch)

    def handle(self, ready: Socket) -> None:
        """Answer ZMQ's question, or take note of what became of a connection; a few at a time."""
        for _ in range(_BATCH):
            try:
                frames = ready.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if ready is self._zap:
                self._zap.send_multipart(self._judge(frames))
            else:
                self._note(frames)

    def close_log(self) -> None:
        """The totals. libzmq says nothing of those it sends away at their first bytes; they are what is left over."""
        silent = self._accepted - self._through - self._failed
        if silent > 0:
            self.log.refused["never said who it was, in any protocol of ours"] = silent
        self.log.close()

    def _judge(self, frames: list[bytes]) -> list[bytes]:
        """A ZAP reply: 200 and the listener's name, or 400."""
        version, ask, _, address, _, mechanism, *credentials = frames
        if self._folder is None and mechanism == b"NULL":
            return [version, ask, b"200", b"OK", b"", b""]
        name = None
        if mechanism == b"CURVE" and credentials and self._folder:
            key = z85.encode(credentials[0])
            try:
                name = keys.authorised(self._folder).get(key)
            except ConfigError as error:
                self.log.say(str(error))
        if name is None:
            self.log.refuse("not an authorised key", address.decode(errors="replace"))
            return [version, ask, b"400", b"not authorised", b"", b""]
        self.log.say(f"{name} connects from {address.decode(errors='replace')}")
        return [version, ask, b"200", b"OK", name.encode(), b""]

    def _note(self, frames: list[bytes]) -> None:
        event, value = _EVENT.unpack(frames[0])
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._through += 1
            return
        if event in _FAILED:
            self._failed += 1
            self.log.refuse(_FAILED[event], self._peer)
            return
        self._accepted += 1
        try:  # the connection's own handle: still open if we are quick; if not, the peer stays unnamed
            with socket.socket(fileno=os.dup(value)) as twin:
                self._peer = str(twin.getpeername()[0])
        except OSError:
            self._peer = ""


def bind(server: Socket, address: str, handle: int | None) -> None:
    """Serve on a handle that listens already (who made it has claimed the port), or on an address."""
    if handle is not None:
        server.setsockopt(zmq.USE_FD, handle)
    server.bind(address)
