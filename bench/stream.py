"""What the stream costs and how late it is.

    python bench/stream.py latency [--seconds 4] [--rounds 6]    event → subscriber, beside a bare C libzmq pair
    python bench/stream.py cpu                                   CPU of the publisher at 20,000 lever samples a second
    python bench/stream.py quiet                                 what a session pays where nobody listens

`latency` needs a C compiler and libzmq's header (Debian: libzmq3-dev). Rounds of the two take turns, so that both meet
the same machine; the subscriber is the same C program.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from stream_rig import StreamRig  # noqa: E402

from rig import wire  # noqa: E402
from rig.events import Kind  # noqa: E402

RATE_HZ = 1000
STATE = wire.encode_event("state", 1, 1, {"state": 1, "cause": 1, "late_us": 0})


def pair_program(folder: Path) -> Path:
    """The C reference, compiled."""
    target = folder / "stream_pair"
    source = ROOT / "bench" / "stream_pair.c"
    subprocess.run(["cc", "-O2", "-o", str(target), str(source), "-lzmq"], check=True)
    return target


def ages_us(subscriber: subprocess.Popen[str]) -> list[float]:
    """What a subscriber printed."""
    said, _ = subscriber.communicate(timeout=60)
    return [int(line) / 1000 for line in said.split()]


def c_round(program: Path, count: int, port: int) -> list[float]:
    """A bare pair."""
    address = f"tcp://127.0.0.1:{port}"
    subscriber = subprocess.Popen([program, "sub", address, str(count)], stdout=subprocess.PIPE, text=True)
    subprocess.run([program, "pub", address, str(count), str(1_000_000_000 // RATE_HZ)], check=True)
    return ages_us(subscriber)


def our_round(program: Path, count: int, folder: Path, *, eager: bool = False) -> list[float]:
    """From the moment an event is stamped by the session's loop, through journal and stream."""
    rig = StreamRig(folder, linger_s=0.1, eager=eager)
    subscriber = subprocess.Popen([program, "sub", rig.address, str(count)], stdout=subprocess.PIPE, text=True)
    time.sleep(2.0)
    due_s = time.monotonic()
    for _ in range(count):
        due_s += 1 / RATE_HZ
        time.sleep(max(0.0, due_s - time.monotonic()))
        host_ns = time.monotonic_ns()
        rig.publisher.coming()
        rig.journal.append_batch(int(Kind.EVENT), host_ns, [STATE])
        rig.journal.commit()
        rig.publisher.committed(host_ns)
    found = ages_us(subscriber)
    rig.end()
    return found


def at(ages: list[float], share: float) -> float:
    """A quantile."""
    return sorted(ages)[int(share * (len(ages) - 1))]


def latency(seconds: float, rounds: int) -> None:
    """Both, in turns; each figure is the median over the rounds, and their ratio."""
    found: dict[str, list[list[float]]] = {"c": [], "rig": [], "eager": []}
    count = int(seconds * RATE_HZ)
    with tempfile.TemporaryDirectory() as name:
        program = pair_program(Path(name))
        for i in range(rounds):
            found["c"].append(c_round(program, count, 15700 + i))
            found["rig"].append(our_round(program, count, Path(name) / str(i)))
            found["eager"].append(our_round(program, count, Path(name) / f"{i}-eager", eager=True))
            line = "  ".join(f"{who} {at(ages[-1], 0.5):7.1f} {at(ages[-1], 0.99):8.1f}" for who, ages in found.items())
            print(f"round {i}: median, p99 us: {line}", flush=True)
    for name in ("rig", "eager"):
        for what, share in (("median", 0.5), ("p99", 0.99)):
            ours, bare = ([at(ages, share) for ages in found[who]] for who in (name, "c"))
            pooled = [at([age for ages in found[who] for age in ages], share) for who in (name, "c")]
            print(
                f"{name}, {what}: {at(ours, 0.5):.1f} us, bare C pair {at(bare, 0.5):.1f} us, ratio"
                f" {at(ours, 0.5) / at(bare, 0.5):.2f}; best rounds {min(ours):.1f} / {min(bare):.1f} ="
                f" {min(ours) / min(bare):.2f}; all pooled {pooled[0] / pooled[1]:.2f}"
            )


def cpu_s(pid: int) -> float:
    """CPU time a process has used, its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu() -> None:
    """20,000 lever samples a second in batches of 20, 10 and 1."""
    seconds = 8.0
    for batch in (20, 10, 1):
        with tempfile.TemporaryDirectory() as name:
            rig = StreamRig(Path(name))
            listener = subprocess.Popen(
                [sys.executable, "-m", "rig", "listen", rig.address, "--out", f"{name}/copy", "--once"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(3.0)
            children = [child.pid for child in rig.publisher._children if child]
            before = [cpu_s(pid) for pid in children]
            session_s = publish(rig, batch, seconds)
            used = [100 * (cpu_s(pid) - start) / seconds for pid, start in zip(children, before, strict=True)]
            rig.end()
            listener.wait(60)
            print(
                f"batches of {batch:2d}: {20_000 // batch:5d} messages/s: telling {used[0]:.1f} % of a core, answering"
                f" {used[1]:.1f} %; the session's loop {1e6 * session_s / seconds / (20_000 // batch):.2f} us an event"
                f" in ringing; listener's exit code {listener.returncode}",
                flush=True,
            )


def publish(rig: StreamRig, batch: int, seconds: float) -> float:
    """Lever batches at 20,000 samples a second, in turns of 2 ms; returns the time spent in ringing, s."""
    per_s, made, ringing_s, begin_s = 20_000 // batch, 0, 0.0, time.monotonic()
    while (gone_s := time.monotonic() - begin_s) < seconds:
        due = int(gone_s * per_s) - made
        bodies = [lever(made + i, batch) for i in range(due)]
        host_ns = time.monotonic_ns()
        rig.journal.append_batch(int(Kind.EVENT), host_ns, bodies)
        rig.journal.commit()
        start_s = time.perf_counter()
        rig.publisher.committed(host_ns)
        ringing_s += time.perf_counter() - start_s
        made += due
        rig.made += due
        time.sleep(0.002)
    return ringing_s


def lever(n: int, batch: int) -> bytes:
    """A batch of samples, 50 us apart."""
    return wire.encode_event(
        "lever", n, 50 * batch * n, {"period_us": 50, "first_counts": n % 999}, tuple(range(batch))
    )


def quiet() -> None:
    """What `committed` costs where nobody listens, in the tightest loop."""
    with tempfile.TemporaryDirectory() as name:
        rig = StreamRig(Path(name))
        for who, call in (("nobody listens", rig.publisher.committed), ("an empty method", Nothing().committed)):
            best_s = min(timed(call) for _ in range(20))
            print(f"{who}: {1e9 * best_s:.0f} ns a commit (of one event or many)")
        rig.end()


class Nothing:
    """The reference."""

    def committed(self, host_ns: int) -> None:
        """Nothing."""


def timed(call: object) -> float:
    """Seconds a call."""
    assert callable(call)
    start_s = time.process_time()
    for host_ns in range(100_000):
        call(host_ns)
    return (time.process_time() - start_s) / 100_000


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["latency", "cpu", "quiet"])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=6)
    args = parser.parse_args()
    for what in args.what:
        {"latency": lambda: latency(args.seconds, args.rounds), "cpu": cpu, "quiet": quiet}[what]()


if __name__ == "__main__":
    main()
