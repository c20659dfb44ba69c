"""What if the session itself published? libzmq's socket inside its loop, which is not how it is done.

    python bench/inside.py [--rounds 3]      the loop's turns with nobody, with eight listeners, with a hostile one
                                             among them; and the same with the stream as it is, in turns

5,000 events a second. See docs/decisions/stream.md; `bench/stream.py latency` has its latency. Needs what that needs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT), str(ROOT / "bench")]

import zmq  # noqa: E402
from stream import pair_program  # noqa: E402
from stream_peers import Hostile  # noqa: E402
from stream_rig import SESSION, StreamRig, payloads  # noqa: E402

from rig.events import Kind  # noqa: E402
from rig.stream.outlet import PREFIXES  # noqa: E402
from rig.stream.schema import Maker  # noqa: E402

RATE_HZ, SECONDS, BEFORE_S = 5000, 5.0, 3.0


class InsideRig(StreamRig):
    """Records, and publishes in the same thread."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, None)
        self._context = zmq.Context()
        self._out = self._context.socket(zmq.XPUB)
        self._out.setsockopt(zmq.SNDHWM, 20_000)
        self._out.setsockopt(zmq.MAXMSGSIZE, 512)
        self.address = f"tcp://127.0.0.1:{self._out.bind_to_random_port('tcp://127.0.0.1')}"
        self._maker = Maker(SESSION)
        self._bodies = payloads()

    def make(self, n: int) -> None:
        """Record ``n`` events in one turn of the loop."""
        self.record([next(self._bodies) for _ in range(n)])

    def record(self, bodies: list[bytes]) -> None:
        """Into the journal, then out."""
        host_ns = time.monotonic_ns()
        self.journal.append_batch(int(Kind.EVENT), host_ns, bodies)
        self.journal.commit()
        for body in bodies:
            topic, message = self._maker.make(int(Kind.EVENT), host_ns, body)
            self._out.send(PREFIXES[topic] + message, zmq.NOBLOCK)
        self.made += len(bodies)

    def end(self) -> None:
        """No summary: nobody asks for one."""
        self._context.destroy(linger=0)
        self.journal.close()


def turns(kind: str, data: Path) -> None:
    """The session, as a process of its own: prints its address, then its turns' p50, p99 and longest, us."""
    rig = InsideRig(data) if kind == "inside" else StreamRig(data, linger_s=0.1)
    print(rig.address, flush=True)
    time.sleep(BEFORE_S)
    took = sorted(rig.pace(RATE_HZ, SECONDS))
    print(*(f"{1e6 * took[int(share * (len(took) - 1))]:.0f}" for share in (0.5, 0.99, 1)), flush=True)
    rig.end()


def run(program: Path, kind: str, data: Path, listeners: int, *, hostile: bool) -> str:
    """One session with so many subscribers; its turns."""
    words = [sys.executable, __file__, "--turns", kind, str(data)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as rig:
        assert rig.stdout
        address = rig.stdout.readline().strip()
        peers = [
            subprocess.Popen([program, "sub", address, "1000000"], stdout=subprocess.DEVNULL) for _ in range(listeners)
        ]
        enemy = Hostile(address) if hostile else None
        said = rig.stdout.readline().strip()
        if enemy:
            enemy.stop()
        for peer in peers:
            peer.kill()
            peer.wait()
    return said


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", nargs=2, metavar=("KIND", "DATA"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turns:
        turns(args.turns[0], Path(args.turns[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        program = pair_program(Path(name))
        for round_ in range(args.rounds):
            for listeners, hostile in ((0, False), (8, False), (7, True)):
                for kind in ("inside", "beside"):
                    folder = Path(name) / f"{round_}-{listeners}-{kind}"
                    said = run(program, kind, folder, listeners, hostile=hostile)
                    who = f"{listeners} listeners{', one hostile' if hostile else ''}"
                    print(f"{who}, published {kind} the session: turns p50, p99, longest us: {said}", flush=True)


if __name__ == "__main__":
    main()
