"""Where a stream is: a port that tells and the next one, that answers. May not: know what is said there."""

from __future__ import annotations

import os
import socket
import time

from rig.errors import ConfigError

RETRY_S = 4.0  # the last session's stream may hold the ports for a moment


def split_address(address: str) -> tuple[str, str]:
    """Host and port of tcp://host:port. Raises ConfigError."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if not address.startswith("tcp://") or not host or not (port.isdigit() or port == "*"):
        raise ConfigError(f"{address}: expected tcp://address:port, e.g. tcp://127.0.0.1:5555")
    return host, port


def answers_at(address: str) -> str:
    """Where a stream's records can be asked for: the next port."""
    host, port = split_address(address)
    return f"tcp://{host}:{int(port) + 1}"


def claim(host: str, port: str) -> list[socket.socket]:
    """Two listening sockets on a port and the next. Raises ConfigError where they are taken."""
    until_s = time.monotonic() + RETRY_S
    while True:
        first = second = None
        try:
            first = _listen(host, 0 if port == "*" else int(port))
            second = _listen(host, first.getsockname()[1] + 1)
            return [first, second]
        except OSError as error:
            if first:
                first.close()
            if time.monotonic() > until_s or not isinstance(error, OSError) or isinstance(error, socket.gaierror):
                raise ConfigError(
                    f"config.yaml: stream: tcp://{host}:{port} and the next port cannot be bound"
                    f" ({error.strerror}); choose another port, or end what holds it"
                ) from None
            if port != "*":
                time.sleep(0.1)


def _listen(host: str, port: int) -> socket.socket:
    host = "0.0.0.0" if host == "*" else host.strip("[]")
    family, kind, number, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    one = socket.socket(family, kind, number)
    try:
        if os.name == "posix":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(where)
        one.listen(100)
    except OSError:
        one.close()
        raise
    return one
