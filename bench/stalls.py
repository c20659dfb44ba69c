"""What is lost when a listener stalls, dies again and again, or is cut off; beside bpod-core in the same run.

    python bench/stalls.py stall [--seconds 5]     the listener stands still for so long (SIGSTOP)
    python bench/stalls.py kills [--times 20]      it is killed while it copies, and started again
    python bench/stalls.py cut [--seconds 5]       the network is down three times for so long: two network namespaces
                                                   and a veth pair, with keys (needs root and iproute2)
    python bench/stalls.py eight                   eight listeners, one of them hostile: the session's loop, and what
                                                   the other seven have

A session of 5,000 events a second (`--rate`). With --bpod PYTHON, an interpreter that has bpod-core (pip install
bpod-core), its ServiceHost publishes as many messages to a subscriber that suffers the same at the same moments.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from stream_peers import Hostile  # noqa: E402
from stream_rig import SESSION  # noqa: E402

from rig.stream import keys  # noqa: E402

BEFORE_S, AFTER_S = 6.0, 8.0
RIG, IMAGING = ("10.209.7.1", "10.209.7.2")


class Bpod:
    """Its publisher and its subscriber; nothing where bpod-core is not at hand."""

    def __init__(
        self, args: argparse.Namespace, folder: Path, seconds: float, within: tuple[str, str] = ("", "")
    ) -> None:
        self._python, self._file = args.bpod, folder / "bpod.numbers"
        self._within, self.received = within, None
        self.host: subprocess.Popen[str] | None = None
        if self._python:
            where = [RIG] if within[0] else ["local"]
            self.host = self._start(within[0], "publish", str(args.rate), str(seconds), *where)
            assert self.host.stdout
            self._address = self.host.stdout.readline().strip()
            self.begin()

    def _start(self, within: str, *words: str) -> subprocess.Popen[str]:
        program = [self._python, str(ROOT / "bench" / "_bpod_stream.py"), *words]
        return subprocess.Popen(inside(within, program), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def begin(self) -> None:
        """Start the subscriber (again)."""
        if self.host:
            self.subscriber = self._start(self._within[1], "receive", self._address, str(self._file))

    def signal(self, what: int) -> None:
        """The same as happens to our listener."""
        if self.host:
            self.subscriber.send_signal(what)
            if what == signal.SIGKILL:
                self.subscriber.communicate()

    def words(self) -> str:
        """What it lost."""
        if not self.host:
            return "bpod-core: not at hand"
        said, _ = self.host.communicate(timeout=120)
        made = int(said.split()[-1])
        time.sleep(1)
        self.signal(signal.SIGKILL)
        data = self._file.read_bytes()
        numbers = [number for (number,) in struct.iter_unpack("<I", data[: len(data) // 4 * 4])]
        return (
            f"bpod-core {version(self._python)}: {made} published, {made - len(set(numbers))} missing,"
            f" {len(numbers) - len(set(numbers))} double"
        )


def version(python: str) -> str:
    """Of bpod-core."""
    code = "from importlib.metadata import version; print(version('bpod-core'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def inside(namespace: str, words: list[str]) -> list[str]:
    """The same command in a network namespace."""
    return ["ip", "netns", "exec", namespace, *words] if namespace else words


class Ours:
    """A session and its listener, each a process."""

    def __init__(
        self, args: argparse.Namespace, folder: Path, seconds: float, within: tuple[str, str] = ("", "")
    ) -> None:
        self.folder, self._within = folder, within
        self._keys: list[str] = []
        rig_keys: list[str] = []
        address = "tcp://127.0.0.1:*"
        if within[0]:
            address = f"tcp://{RIG}:5555"
            keys.make_key(folder / "rig", "rig")
            keys.make_key(folder / "imaging", "imaging")
            keys.authorise(folder / "rig", folder / "imaging" / "imaging.key")
            shutil.copy(folder / "rig" / "rig.key", folder / "imaging" / "rig.key")
            self._keys, rig_keys = ["--keys", str(folder / "imaging")], [SESSION, str(folder / "rig")]
        words = [sys.executable, str(ROOT / "tests" / "stream_rig.py"), str(folder / "data"), address]
        self.rig = subprocess.Popen(
            inside(within[0], [*words, str(args.rate), str(seconds), *rig_keys]), stdout=subprocess.PIPE, text=True
        )
        assert self.rig.stdout
        self.address = self.rig.stdout.readline().strip()
        self.begin()

    def begin(self, out: str = "copy") -> subprocess.Popen[str]:
        """Start the listener (again)."""
        words = [sys.executable, "-m", "rig", "listen", self.address, "--out", str(self.folder / out), "--once"]
        self.listener = subprocess.Popen(
            inside(self._within[1], [*words, *self._keys]),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self.listener

    def size(self) -> int:
        """Of the copy so far."""
        copy = self.folder / "copy" / SESSION / "journal"
        return copy.stat().st_size if copy.exists() else 0

    def signal(self, what: int) -> None:
        """To the listener."""
        self.listener.send_signal(what)
        if what == signal.SIGKILL:
            self.listener.communicate()

    def words(self) -> str:
        """What it has, of what there was."""
        said, _ = self.listener.communicate(timeout=300)
        told, _ = self.rig.communicate(timeout=300)
        made = json.loads(told.splitlines()[-1])["made"]
        return f"rig: {made} made, {verdict(self.folder)}; it said: {said.strip().splitlines()[-1]}"


def verdict(folder: Path, out: str = "copy") -> str:
    """Our own count, from the two files."""
    mine, theirs = (folder / "data" / SESSION / "journal").read_bytes(), folder / out / SESSION / "journal"
    rows = (folder / out / SESSION / "events.csv").read_text(encoding="utf-8").splitlines()[1:]
    numbers = [int(row.split(",", 1)[0]) for row in rows]
    same = "byte for byte the rig's" if theirs.read_bytes() == mine else "NOT the rig's"
    return f"journal {same}, {len(numbers)} rows, {len(numbers) - len(set(numbers))} double"


def stall(args: argparse.Namespace, folder: Path) -> None:
    """Stopped for a while."""
    seconds = BEFORE_S + args.seconds + AFTER_S
    ours, bpod = Ours(args, folder, seconds), Bpod(args, folder, seconds)
    time.sleep(BEFORE_S)
    for what in (signal.SIGSTOP, signal.SIGCONT):
        for one in (ours, bpod):
            one.signal(what)
        time.sleep(args.seconds if what == signal.SIGSTOP else 0)
    print(f"stalled {args.seconds:g} s: {bpod.words()}\n  {ours.words()}", flush=True)


def kills(args: argparse.Namespace, folder: Path) -> None:
    """Killed while copying, and started again."""
    seconds, chance = BEFORE_S + 4.0 * args.times + AFTER_S, random.Random(1)
    ours, bpod = Ours(args, folder, seconds), Bpod(args, folder, seconds)
    done = 0
    while done < args.times and ours.rig.poll() is None:
        before = ours.size()
        while ours.size() <= before and ours.rig.poll() is None:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 0.8))
        if ours.rig.poll() is None:
            done += 1
        for one in (ours, bpod):
            one.signal(signal.SIGKILL)
            one.begin()
    print(f"killed while copying {done} times: {bpod.words()}\n  {ours.words()}", flush=True)


@contextlib.contextmanager
def two_computers() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them."""
    names = (f"rig-{os.getpid()}", f"imaging-{os.getpid()}")  # a run that was killed leaves its own behind
    with contextlib.ExitStack() as undo:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
            undo.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        link = ["ip", "link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0"]
        subprocess.run([*link, "netns", names[1]], check=True)
        for name, address in zip(names, (RIG, IMAGING), strict=True):
            for words in (
                ["ip", "addr", "add", f"{address}/24", "dev", "veth0"],
                ["ip", "link", "set", "veth0", "up"],
                ["ip", "link", "set", "lo", "up"],
            ):
                subprocess.run(inside(name, words), check=True)
        yield names


def cut(args: argparse.Namespace, folder: Path) -> None:
    """The cable out, three times."""
    seconds = BEFORE_S + 3 * (args.seconds + 4) + AFTER_S
    with two_computers() as within:
        ours, bpod = Ours(args, folder, seconds, within), Bpod(args, folder, seconds, within)
        time.sleep(BEFORE_S)
        for _ in range(3):
            for state in ("down", "up"):
                subprocess.run(inside(within[1], ["ip", "link", "set", "veth0", state]), check=True)
                time.sleep(args.seconds if state == "down" else 4)
        words = bpod.words()
        print(f"cut off three times for {args.seconds:g} s: {words}\n  {ours.words()}", flush=True)


def eight(args: argparse.Namespace, folder: Path) -> None:
    """Rounds in turn: one listener, eight of them, seven and a hostile one; the session's turns as it timed them.

    What a hostile one and its refusal cost the computer is told apart from what it does to the session by the same one
    at the door of another rig on this computer.
    """
    found: dict[str, list[dict[str, float]]] = {}
    for round_ in range(args.rounds):
        for name, listeners, hostile in (
            ("one listener", 1, ""),
            ("eight", 8, ""),
            ("seven, one hostile", 7, "here"),
            ("seven, one hostile to another rig", 7, "elsewhere"),
        ):
            at = folder / f"{round_}-{listeners}-{hostile}"
            (at / "other").mkdir(parents=True)
            ours = Ours(args, at, args.seconds + 6)
            processes = [ours.listener, *(ours.begin(f"copy{n}") for n in range(1, listeners))]
            other = _quiet_rig(args, at / "other") if hostile == "elsewhere" else None
            enemy = Hostile((other or ours).address) if hostile else None
            told, _ = ours.rig.communicate(timeout=300)
            if enemy:
                enemy.stop()
            if other:
                other.rig.communicate(timeout=300)
                processes.append(other.listener)
            codes = [ended(process) for process in processes]
            outs = ["copy", *(f"copy{n}" for n in range(1, listeners))]
            whole = sum("byte for byte" in verdict(at, out) for out in outs)
            turns = json.loads(told.splitlines()[-1])
            found.setdefault(name, []).append(turns)
            print(
                f"{name}: {whole} of {listeners} whole, exit codes {set(codes)}; the loop's turn"
                f" {turns['p50']:.0f} us (p50), {turns['p99']:.0f} us (p99); {turns['words']}",
                flush=True,
            )
    base = found["one listener"]
    for name, runs in found.items():
        ratios = [middle([run[key] for run in runs]) / middle([run[key] for run in base]) for key in ("p50", "p99")]
        print(f"{name}: p50 {ratios[0]:.2f}, p99 {ratios[1]:.2f} of one listener's, medians of {len(runs)} rounds")


def _quiet_rig(args: argparse.Namespace, folder: Path) -> Ours:
    """A session of an event a second, as long as the others."""
    return Ours(argparse.Namespace(**{**vars(args), "rate": 1.0}), folder, args.seconds + 6)


def ended(process: subprocess.Popen[str]) -> int | None:
    """Its exit code; None where it still lacks something long after the session."""
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def middle(values: list[float]) -> float:
    """The median."""
    return sorted(values)[len(values) // 2]


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["stall", "kills", "eight"])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--rate", type=float, default=5000.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bpod", default="", metavar="PYTHON")
    args = parser.parse_args()
    for what in args.what:
        with tempfile.TemporaryDirectory(prefix="rig-stalls-") as name:
            {"stall": stall, "kills": kills, "cut": cut, "eight": eight}[what](args, Path(name))


if __name__ == "__main__":
    main()
