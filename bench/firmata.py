"""The host loop of a StandardFirmata board: frame in to reply out, beside C and beside pyfirmata2's own iterator.

A board in C sends one analogue report a millisecond over a pseudo-terminal; each crosses a threshold, and the answer is
a digital write. Measured by the board: from its write to the answer. Hosts: a blocking loop in C, this program's loop
(its engine decides with the real trial machine: a window rule on the lever, an output), pyfirmata2's iterator with a
callback. Each idle, with the rest of the program busy beside it, and with two busy processes. Ratios are to C in the
same run.

    python bench/firmata.py [--frames 4000]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from rig import wire  # noqa: E402
from rig.firmata.loop import hurry  # noqa: E402


def build() -> str:
    """The C ends."""
    target = str(Path(tempfile.mkdtemp(prefix="fir-bench-")) / "firmata_loop")
    subprocess.run(["cc", "-O2", "-o", target, str(HERE / "firmata_loop.c")], check=True)
    return target


def c_host(port: str, binary: str) -> None:
    """A blocking read in C, with the same scheduling."""
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
    os.set_inheritable(fd, True)
    hurry()
    os.execv(binary, [binary, "host", str(fd)])


def rig_host(port: str, binary: str) -> None:
    """This program's loop: its engine, its trial machine, its session's socket; one window rule that never rests."""
    import socket  # noqa: PLC0415

    from rig.firmata.engine import Engine  # noqa: PLC0415
    from rig.firmata.loop import FdPort, Loop  # noqa: PLC0415
    from rig.firmata.wiring import Placed, Wiring  # noqa: PLC0415

    engine = Engine(Wiring(lever="A0", outputs={"valve": 8}, inputs={}))
    engine.rest_counts = 512
    engine.start(
        time.monotonic_ns() // 1000,
        Placed(lever=14, channel=0, bits=10, outputs={"valve": 8}, inputs={}, light_level=None),
    )
    table(engine)
    session, far = socket.socketpair()
    guard, watcher = socket.socketpair()
    for end, says in ((far, wire.frame(wire.encode("ping", {"token": 1, "next_event": 0}))), (watcher, b"")):
        context = mp.get_context("spawn")
        process = context.Process(target=other_end, args=(end, says), daemon=True)
        process.start()
    Loop(engine, FdPort(os.open(port, os.O_RDWR | os.O_NOCTTY)), session, guard).run()


def table(engine: Any) -> None:
    """Two states: outside the window the valve is off, inside it is on."""
    trials = engine.trials

    def say(name: str, **values: int) -> None:
        payload = wire.encode(name, values, 0)
        status = trials.lib.host_command(trials.host, 0, payload[0], payload[2:], len(payload) - 2)
        assert status == 0, (name, status)

    say("set_output", output=0, safe=0, max_on_us=2_000_000, window_us=0, max_duty_us=0)
    say("set_safety", deadman_us=5_000_000, interlock=wire.NO_INPUT)
    say("set_lever", source=1, period_us=1000, batch=10)
    say("lock")
    say("arm")
    say("table_begin", trial=1, states=2, rules=1, generators=0)
    state = dict.fromkeys((name for name, _ in wire.STATE_FIELDS), 0) | {"rules": 1}
    say("table_state", index=0, **{**state, "on0": wire.ON_RULE, "to0": 1})
    say("table_state", index=1, **{**state, "outputs": 1, "on0": wire.ON_RULE + 1, "to0": 0})
    rule = {"kind": 1, "gate": 255, "lo_counts": 100, "hi_counts": 500, "hysteresis_counts": 5}
    say("table_rule", index=0, **rule, time_us=0, refractory_us=0)
    say("table_commit")
    trials.lib.host_keep_alive(trials.host)


def other_end(end: Any, says: bytes) -> None:
    """The session or the guard: hears everything, and pings a few times a second as a session does."""
    while True:
        if says:
            end.send(says)
        if select.select([end], [], [], 0.1)[0] and not end.recv(1 << 16):
            return
        time.sleep(0.02)


def pyfirmata_host(port: str, binary: str) -> None:
    """pyfirmata2 as its manual says: its sampler thread, a callback that writes a pin. Same priority as the others."""
    import pyfirmata2  # noqa: PLC0415
    from pyfirmata2 import pyfirmata2 as inner  # noqa: PLC0415

    inner.BOARD_SETUP_WAIT_TIME = 0
    layout = {
        "digital": tuple(range(14)),
        "analog": tuple(range(6)),
        "pwm": (3,),
        "use_ports": True,
        "disabled": (0, 1),
    }
    hurry()
    board = pyfirmata2.Board(port, layout=layout)
    out, pin = board.get_pin("d:8:o"), board.get_pin("a:0:i")
    pin.register_callback(lambda value: out.write(1 if value > 600 / 1023 else 0))
    board.samplingOn(1)
    while True:
        time.sleep(1)


def busy() -> None:
    """A process that computes."""
    while True:
        sum(range(10_000))


def program() -> None:
    """The rest of the program: journals, JSON and drawings, as a session makes them."""
    text = {"rows": [{"t": i, "x": i / 7} for i in range(500)]}
    with tempfile.TemporaryFile() as file:
        while True:
            file.write(json.dumps(text).encode())
            file.flush()
            os.fsync(file.fileno())
            time.sleep(0.005)


def one(binary: str, host: Callable[[str, str], None], frames: int) -> np.ndarray:
    """Times of one run, µs."""
    far, near = pty.openpty()
    tty.setraw(far)
    tty.setraw(near)
    process = mp.get_context("spawn").Process(target=host, args=(os.ttyname(near), binary))
    process.start()
    time.sleep(2.5)
    os.set_blocking(far, False)
    try:
        while os.read(far, 4096):
            pass
    except BlockingIOError:
        pass
    os.set_blocking(far, True)
    environment = {**os.environ, "RIG_REAL_TIME": "1"}
    done = subprocess.run(
        [binary, "device", str(far), str(frames)],
        pass_fds=(far,),
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    if process.pid:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    os.close(near)
    os.close(far)
    times = np.array(done.stdout.split(), float)
    assert (times > 0).mean() > 0.99, f"{host.__name__}: {(times < 0).sum()} of {len(times)} frames without an answer"
    return times[times > 0] / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=4000)
    frames = parser.parse_args().frames
    binary = build()
    hosts = (("C, blocking", c_host), ("this loop", rig_host), ("pyfirmata2's iterator", pyfirmata_host))
    context = mp.get_context("spawn")
    for what, beside in (("idle", ()), ("program beside", (program,)), ("two busy beside", (busy, busy))):
        others = [context.Process(target=target, daemon=True) for target in beside]
        for other in others:
            other.start()
        print(f"{what}:")
        base: tuple[float, float] | None = None
        for name, host in hosts:
            us = one(binary, host, frames)
            p50, p99 = (float(np.percentile(us, p)) for p in (50, 99))
            base = base or (p50, p99)
            print(
                f"  {name:24} median {p50:7.0f} us ({p50 / base[0]:5.2f} x C)   p99 {p99:7.0f} us"
                f" ({p99 / base[1]:5.2f} x C)   worst {us.max():7.0f} us"
            )
        for other in others:
            other.kill()


if __name__ == "__main__":
    main()
