"""The host loop of a StandardFirmata board: frame in to reply out, beside C and beside pyfirmata2's own iterator.

A board in C sends one analogue report a millisecond over a pseudo-terminal; each crosses a threshold, and the answer is
a digital write. Measured by the board: from its write to the answer. Hosts: a blocking loop in C, the same with the
duties of this program's loop (three descriptors, deadlines), a whole session of this program (protocol, trial machine,
guard, journal and stream; what answers is its loop process), pyfirmata2's iterator with a callback; all ask for the
same real-time priority. The session and each other host are measured at the same time, each on its own line, half a
millisecond apart: so the rest of the program – which keeps a record of a thousand decisions a second – is beside all,
and so is whatever else this computer does. Where a host and its board lie among the cores is worth more than anything
else (a real-time process stays where it is, and to wake another core costs), so hosts and boards go through all
placings on two cores in turn, the same for every host.
Then the same with two busy processes. Ratios are to C in the same run.

    python bench/firmata.py [--rounds 24] [--frames 500]
"""

from __future__ import annotations

import argparse
import contextlib
import math
import multiprocessing as mp
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from firmata_rig import CONFIG, PtyBoard, firmata_config  # noqa: E402

from rig.firmata.loop import hurry  # noqa: E402

SPAWN = mp.get_context("spawn")
WARM_FRAMES = 10  # of each turn: the host has just been asleep
REST, UP = 512, 700
SAMPLE = b"\xe0\x00\x04"
PINS = CONFIG.replace("valve: 8, sync: 9", "valve: 9, sync: 8").replace("stream: none", "stream: tcp://127.0.0.1:5791")
PROTOCOL = '''"""An output follows the lever's window: one decision a frame."""

from rig import *

PARAMS = Params()


def trial(p, past, rng):
    window = Window(2 * mm, 6 * mm)
    return Trial(
        State("outside", when={window.entered: "inside"}, after=(600 * s, END)),
        State("inside", on=[SYNC], when={window.left: "outside"}),
    )
'''


def build() -> str:
    """The C ends."""
    target = str(Path(tempfile.mkdtemp(prefix="fir-bench-")) / "firmata_loop")
    subprocess.run(["cc", "-O2", "-o", target, str(HERE / "firmata_loop.c")], check=True)
    return target


# --- hosts ------------------------------------------------------------------------------------------------------------


def c_host(port: str, binary: str) -> None:
    """A blocking read in C, with the same scheduling."""
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
    os.set_inheritable(fd, True)
    hurry()
    os.execv(binary, [binary, "host", str(fd)])


def c_duties(port: str, binary: str) -> None:
    """The same in C, asleep over three descriptors and with deadlines, as this program's loop must be."""
    fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
    os.set_inheritable(fd, True)
    hurry()
    os.execv(binary, [binary, "duties", str(fd)])


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


def run_session(port: str, folder: str) -> None:
    """A session of this program, as `rig run` launches one."""
    from rig.session import launch  # noqa: PLC0415
    from rig.session.summary import Rules  # noqa: PLC0415

    path = Path(folder)
    (path / "follow.py").write_text(PROTOCOL)
    config = firmata_config(port, folder, text=PINS)
    order = launch.Order(config, path / "config.yaml", protocol=str(path / "follow.py"), rules=Rules(minutes=60))
    # No check of the protocol: it refuses, rightly, an output that only the lever bounds.
    setattr(launch, "check_ready", lambda *_: [])  # noqa: B010
    launch.launch(order)


def busy() -> None:
    """A process that computes."""
    while True:
        sum(range(10_000))


class Simple:
    """A host alone on a pseudo-terminal, stopped while it is not its turn."""

    def __init__(self, target: Any, binary: str) -> None:
        self.far, self._near = pty.openpty()
        for end in (self.far, self._near):
            tty.setraw(end)
        self._process = SPAWN.Process(target=target, args=(os.ttyname(self._near), binary), daemon=True)
        self._process.start()
        time.sleep(3.0)
        self._kill(signal.SIGSTOP)

    def _kill(self, number: int) -> None:
        assert self._process.pid
        os.kill(self._process.pid, number)

    @property
    def pid(self) -> int:
        """Of the host."""
        return self._process.pid or 0

    @contextlib.contextmanager
    def turn(self) -> Iterator[int]:
        """The far end, while the host runs."""
        drain(self.far)
        self._kill(signal.SIGCONT)
        try:
            yield self.far
        finally:
            self._kill(signal.SIGSTOP)

    def end(self) -> None:
        """No more."""
        self._kill(signal.SIGKILL)


class Session:
    """A whole session; it meets the model of a board, which then hands its end of the line to the board in C."""

    def __init__(self, folder: str) -> None:
        model = PtyBoard()
        self._process = SPAWN.Process(target=run_session, args=(model.port, folder))
        self._process.start()
        until_s = time.monotonic() + 30
        while not model.rig.board.high[8]:  # it runs once its output follows the lever
            assert time.monotonic() < until_s, "the session does not run"
            running = len(model.rig.board.analog_reports) > 0
            model.rig.lever = UP if running and int(time.monotonic() * 4) % 16 == 0 else REST
            time.sleep(0.01)
        model.rig.lever = REST
        time.sleep(0.3)
        self.far = model.let_go()
        self._model, self._mine = model, threading.Event()
        self._over = threading.Event()
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    @property
    def pid(self) -> int:
        """Of its loop, which is a child of the session's."""
        pids = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        (found,) = (pid for pid in pids if b"rig.firmata.loop" in Path(f"/proc/{pid}/cmdline").read_bytes())
        return int(found)

    def _feed(self) -> None:
        """Samples at rest while it is not its turn: a board is never silent."""
        while not self._over.wait(0.04):
            if not self._mine.is_set():
                os.write(self.far, SAMPLE)
                drain(self.far)

    @contextlib.contextmanager
    def turn(self) -> Iterator[int]:
        """The far end, for the board in C."""
        self._mine.set()
        drain(self.far)
        try:
            yield self.far
        finally:
            self._mine.clear()

    def end(self) -> None:
        """No more."""
        self._over.set()
        self._feeder.join()
        self._process.kill()
        self._process.join()
        self._model.close()


def drain(fd: int) -> None:
    """Away with what is there."""
    while select.select([fd], [], [], 0)[0]:
        os.read(fd, 4096)


# --- measuring --------------------------------------------------------------------------------------------------------


def put(pid: int, core: int) -> None:
    """Every thread of a process on one of the first two cores."""
    cores = sorted(os.sched_getaffinity(0))
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {cores[core % min(2, len(cores))]})


def board(binary: str, far: int, frames: int, phase_us: int, core: int) -> subprocess.Popen[str]:
    """A board in C at a far end; it prints a time a frame, in ns, negative where no answer came."""
    os.set_blocking(far, True)
    command = [binary, "device", str(far), str(frames), str(phase_us)]
    environment = {**os.environ, "RIG_REAL_TIME": "1"}
    process = subprocess.Popen(command, pass_fds=(far,), stdout=subprocess.PIPE, text=True, env=environment)
    put(process.pid, core)
    return process


def times_us(process: subprocess.Popen[str]) -> list[float]:
    """What it measured, infinite for no answer."""
    ns = [float(word) for word in process.communicate()[0].split()]
    return [t / 1000 if t > 0 else math.inf for t in ns[WARM_FRAMES:]]


def both_us(binary: str, session: Session, other: Simple, frames: int, turn: int) -> tuple[list[float], list[float]]:
    """A session and another host at the same time, half a millisecond apart, mirrored on the two cores."""
    phase_us = 370 * turn % 1000  # all over the millisecond: other things have their beats as well
    host, far_end = turn & 1, turn >> 1 & 1
    with other.turn() as far:
        with session.turn() as session_far:
            put(session.pid, host)
            put(other.pid, 1 - host)
            one = board(binary, session_far, frames, phase_us, far_end)
            two = board(binary, far, frames, (phase_us + 500) % 1000, 1 - far_end)
            mine = times_us(one)
        return mine, times_us(two)


def compare(what: str, session: Session, others: list[Simple], binary: str, rounds: int, frames: int) -> None:
    """Measure and print one table."""
    names = ("C, blocking", "this loop, in a session", "C, its duties", "pyfirmata2's iterator")
    c, duties, iterator = others
    found: dict[str, list[float]] = {name: [] for name in names}
    for i in range(rounds):
        mine, theirs = both_us(binary, session, c, frames, i)
        found[names[1]] += mine
        found[names[0]] += theirs
        found[names[2]] += both_us(binary, session, duties, frames, i)[1]
        found[names[3]] += both_us(binary, session, iterator, frames, i)[1]
    print(f"{what} ({rounds * (frames - WARM_FRAMES)} frames each):")
    base = np.percentile(found[names[0]], (50, 99), method="nearest")
    for name, us in found.items():
        silent = sum(map(math.isinf, us))
        p50, p99 = np.percentile(us, (50, 99), method="nearest")
        print(
            f"  {name:24} median {p50:7.0f} us ({p50 / base[0]:5.2f} x C)   p99 {p99:7.0f} us"
            f" ({p99 / base[1]:5.2f} x C)   worst {max(us):7.0f} us"
            + (f"   {silent} later than 200 ms" if silent else ""),
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--frames", type=int, default=500, help="a round; an even number")
    args = parser.parse_args()
    binary = build()
    print(f"scheduling of the hosts: {hurry()}; of the board in C: the same, below them")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with tempfile.TemporaryDirectory() as folder:
        session, hosts = Session(folder), [Simple(host, binary) for host in (c_host, c_duties, pyfirmata_host)]
        try:
            compare("the rest of the program beside", session, hosts, binary, args.rounds, args.frames)
            others = [SPAWN.Process(target=busy, daemon=True) for _ in range(2)]
            for other in others:
                other.start()
            compare("and two busy processes", session, hosts, binary, args.rounds, args.frames)
            for other in others:
                other.kill()
        finally:
            session.end()
            for host in hosts:
                host.end()


if __name__ == "__main__":
    main()
