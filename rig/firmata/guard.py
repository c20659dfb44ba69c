"""The guard: a process of its own that closes the outputs and resets the board if the loop goes silent.

It knows nothing but the port, the beats of the loop and how long an output may stay on. It imports the standard library
alone and is started as a file, so that nothing of the rest of the program can keep it from starting or from acting.
Beats are 2-byte masks of the outputs that are on; 0xFFFF is a clean end.
"""

import contextlib
import fcntl
import json
import math
import os
import select
import signal
import socket
import struct
import sys
import termios
import time
from typing import Any

GOODBYE = 0xFFFF
END_SYSEX, DIGITAL_MESSAGE, SYSTEM_RESET = 0xF7, 0x90, 0xFF
WRITE_S = 1.0
RESET_PULSE_S = 0.02
OVERSLEPT_S, GRACE_S = 0.01, 0.02
PRIORITY = 60  # above the loop's: it must come through where the loop hangs in a circle


def low_bytes(ports: list[int]) -> bytes:
    """Every port with outputs low; the first byte ends a message that was cut off."""
    return bytes((END_SYSEX,)) + b"".join(bytes((DIGITAL_MESSAGE | port, 0, 0)) for port in ports)


def safe_bytes(ports: list[int]) -> bytes:
    """The same, then the board's own reset.

    The reset alone is not enough: StandardFirmata's leaves a pin that is an output already as it is, high or low.
    """
    return low_bytes(ports) + bytes((SYSTEM_RESET,))


def overdue_s(since_s: dict[int, float], max_on_s: dict[int, float], silent_s: float) -> float:
    """The moment at which the guard must act: the loop's next word is late, or an output's end is."""
    return min([silent_s, *(began_s + max_on_s[bit] for bit, began_s in since_s.items())])


def close_outputs(port: int, ports: list[int]) -> bool:
    """Say it to the board, past what may be waiting in the port. Returns whether the bytes could be written."""
    with contextlib.suppress(OSError, termios.error):
        termios.tcflush(port, termios.TCOFLUSH)
    data, until_s = safe_bytes(ports), time.monotonic() + WRITE_S
    try:
        while data and time.monotonic() < until_s:
            select.select([], [port], [], 0.1)
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(port, data) :]
    except OSError:
        return False
    return not data


def reset_board(port: int) -> None:
    """A pulse on DTR resets most boards, also one whose program hangs."""
    time.sleep(RESET_PULSE_S)
    with contextlib.suppress(OSError):
        fcntl.ioctl(port, termios.TIOCMBIC, struct.pack("i", termios.TIOCM_DTR))
        time.sleep(RESET_PULSE_S)
        fcntl.ioctl(port, termios.TIOCMBIS, struct.pack("i", termios.TIOCM_DTR))


def watch(beats: socket.socket, limits: dict[str, Any]) -> str:
    """Until something is wrong. Returns what, or an empty string for a clean end.

    An output comes on some milliseconds before its beat. So the outputs of a loop that falls silent are put low even
    where none is known to be on; such a loop may go on if it then speaks of none.
    """
    max_on_s = {int(bit): seconds for bit, seconds in limits["max_on_s"].items()}
    since_s: dict[int, float] = {}
    active, wary, rest = 0, False, b""
    heard_s = math.inf  # until its first word the loop is still looking for the board
    while True:
        silent_s = heard_s + (limits["idle_s"] if wary else limits["silence_s"])
        due_s = overdue_s(since_s, max_on_s, silent_s)
        heard = wait(beats, due_s)
        now_s = time.monotonic()
        silence = f"the loop was silent for {1000 * (now_s - heard_s):.0f} ms"
        if not heard and due_s < silent_s:
            return "an output was on beyond its ceiling"
        if not heard and (active or wary):
            return silence
        if not heard:
            wary = True
            with contextlib.suppress(OSError):
                os.write(limits["port"], low_bytes(limits["ports"]))
            continue
        data = beats.recv(4096)
        if not data:
            return "the loop ended without a word"
        heard_s, rest = now_s, rest + data
        for (mask,) in struct.iter_unpack("<H", rest[: len(rest) & ~1]):
            if mask == GOODBYE:
                return ""
            active = mask
            since_s = {bit: since_s.get(bit, now_s) for bit in max_on_s if mask >> bit & 1}
        rest = rest[len(rest) & ~1 :]
        if wary and active:
            return silence
        wary = False


def wait(beats: socket.socket, due_s: float) -> bool:
    """Until the loop speaks, or until then. Returns whether it has."""
    wait_s = None if due_s == math.inf else max(0.0, due_s - time.monotonic())
    ready = select.select([beats], [], [], wait_s)[0]
    if not ready and time.monotonic() - due_s > OVERSLEPT_S:  # the whole computer stood still: let the loop come first
        ready = select.select([beats], [], [], GRACE_S)[0]
    return bool(ready)


def main(text: str) -> int:
    """Watch, act, say what was done on the descriptor ``report``."""
    limits = json.loads(text)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    beats = socket.socket(fileno=limits["beats"])
    beats.send(b"R")
    why = watch(beats, limits)
    if not why:
        return 0
    start_s = time.monotonic()
    done = close_outputs(limits["port"], limits["ports"])
    took_ms = 1000 * (time.monotonic() - start_s)
    what = f"closed all outputs within {took_ms:.1f} ms" if done else "could not reach the board any more"
    with contextlib.suppress(OSError):
        os.write(limits["report"], f"guard: {why}; {what}\n".encode())
    reset_board(limits["port"])
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
