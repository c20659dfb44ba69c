"""How many events a second go from a board's bytes into the journal, acknowledged, and out to the stream, on one core.

    python bench/ingest.py [--events 400000]

The program's own way: `Board.poll` on frames that lie ready, 4096 bytes at a time, `append_batch`, `commit`, the word
to the stream, the acknowledgement. CPU time of the best of some rounds, beside a reference in the same run: the same
bytes split at their zeros, nothing checked.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from damaged import event

from rig import wire
from rig.board import Board
from rig.events import Kind
from rig.numbering import Inbox
from rig.record.journal import JournalWriter
from rig.stream import open_publisher

CHUNK = 4096
ACK_EVENTS = 32


class Ready:
    """A link on which every byte has come already."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = iter(chunks)
        self.done = False

    def write(self, data: bytes) -> None:
        """Nobody listens."""

    def read(self, timeout_ns: int) -> bytes:
        """The next bytes."""
        data = next(self._chunks, b"")
        self.done = not data
        return data

    def reopen(self, timeout_ns: int) -> bool:
        """It was never closed."""
        return True

    def now_ns(self) -> int:
        """This computer's own."""
        return time.monotonic_ns()

    def close(self) -> None:
        """Nothing."""


def ingest(chunks: list[bytes], folder: Path, address: str | None) -> tuple[float, int]:
    """CPU seconds, and how many events are in the journal."""
    link = Ready(chunks)
    board = Board(link)
    board._inbox = Inbox(0, 0)
    count = 0
    with (
        JournalWriter.create(folder / "journal", sync_every_s=None) as journal,
        open_publisher(address, "bench/1", folder) as publisher,
    ):
        begin = time.process_time()
        while not link.done:
            payloads = board.poll(100_000_000)
            now_ns = link.now_ns()
            journal.append_batch(Kind.EVENT, now_ns, payloads)
            journal.commit()
            publisher.committed(now_ns)
            board.acknowledge(at_once=len(payloads) >= ACK_EVENTS)
            count += len(payloads)
        took_s = time.process_time() - begin
    return took_s, count


def reference_s(chunks: list[bytes]) -> float:
    """The same bytes, only split."""
    begin, rest = time.process_time(), b""
    for chunk in chunks:
        *_, rest = (rest + chunk).split(b"\0")
    return time.process_time() - begin


def main() -> None:
    """Print a row with the stream and one without."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rng = random.Random(0)
    special = {wire.BY_NAME[name].number for name in ("boot", "lost")}
    pool = [payload for payload in (event(rng, i) for i in range(5000)) if payload[0] not in special]
    payloads = (bytearray(rng.choice(pool)) for _ in range(args.events))
    data = bytearray()
    for number, payload in enumerate(payloads):
        payload[1:5] = number.to_bytes(4, "little")
        data += wire.frame(bytes(payload))
    chunks = [bytes(data[at : at + CHUNK]) for at in range(0, len(data), CHUNK)]
    split_s = min(reference_s(chunks) for _ in range(args.rounds))
    print(f"{args.events} events, {len(data) / args.events:.1f} bytes each on the wire")
    for name, address in (("journal", None), ("journal and stream", "tcp://127.0.0.1:*")):
        runs = []
        for _ in range(args.rounds):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(ingest(chunks, Path(folder), address))
        took_s, count = min(runs)
        assert count == args.events, f"{count} of {args.events} events arrived"
        print(f"{name:20} {count / took_s:9.0f} events/s, {took_s / split_s:6.1f} x the reference")


if __name__ == "__main__":
    main()
