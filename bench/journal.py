"""What the journal costs: append, commit, scan, read; how long commits wait beside the disk sync.

    python bench/journal.py [--records 500000] [--folder DIR]

What runs in this process alone is timed in CPU time, so that other programs count little; commits
beside the disk sync in wall time, since waiting is the question. Each figure is also a multiple of
a reference in the same run: an empty method call for what is paid per record, a bare write(2) of as
many bytes for a commit.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from zlib import crc32

sys.path.insert(0, str(Path(__file__).parents[1]))

from rig.record.journal import JournalWriter, _keep_on_disk, read_journal, scan
from rig.record.seal import Seals

PAYLOAD = bytes(range(31))  # a typical event
BATCH = 100  # events a commit, at 100 k events/s and 1,000 turns of the loop/s


class Nothing:
    def append(self, kind: int, host_ns: int, payload: bytes) -> None:
        return


def best_us(call: Callable[[], object], count: int, rounds: int = 5) -> float:
    """CPU time per item of the quickest of some rounds: other programs only ever add time."""
    took_s = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        took_s.append(time.process_time() - start)
    return min(took_s) / count * 1e6


def show(name: str, us: float, reference_us: float, of: str) -> None:
    print(f"{name:44s} {us:10.3f} us = {us / reference_us:7.1f} x {of}")


def appending(folder: Path) -> float:
    """Batches of 500, as between two commits of a busy session: more would measure the memory."""
    count, empty, rounds, commits = 500, [], [], []

    def run(append: Callable[[int, int, bytes], None]) -> None:
        for host_ns in range(count):
            append(3, host_ns, PAYLOAD)

    with JournalWriter.create(folder / "append", sync_every_s=None) as writer:
        for _ in range(400):
            empty.append(best_us(lambda: run(Nothing().append), count, 1))
            rounds.append(best_us(lambda: run(writer.append), count, 1))
            commits.append(best_us(writer.commit, count, 1))
    sealed = []
    with JournalWriter.create(folder / "sealed", None, Seals()) as writer:
        for _ in range(400):
            run(writer.append)
            sealed.append(best_us(writer.commit, count, 1))
    costs = (("append, a record", rounds), ("commit of 500, a record", commits), ("the same, sealed", sealed))
    for name, took in costs:
        show(f"{name} (best)", min(took), min(empty), "an empty append")
        show(f"{name} (median)", sorted(took)[200], sorted(empty)[200], "an empty append")
    return min(empty)


def committing(folder: Path, name: str, sync_every_s: float | None, seconds: float) -> None:
    """Batches at 1,000 a second, as a session makes them; the wait in each commit."""
    took_us, bare_us = [], []
    blob = bytes(BATCH * 50)
    fd = os.open(folder / f"{name}.bare", os.O_CREAT | os.O_WRONLY)
    with JournalWriter.create(folder / name, sync_every_s) as writer:
        until_s = time.perf_counter() + seconds
        while time.perf_counter() < until_s:
            writer.append_batch(3, 5, [PAYLOAD] * BATCH)
            start = time.perf_counter()
            writer.commit()
            half = time.perf_counter()
            os.write(fd, blob)
            took_us.append((half - start) * 1e6)
            bare_us.append((time.perf_counter() - half) * 1e6)
            time.sleep(0.001)
    os.close(fd)
    for share in (0.5, 0.99, 0.999):
        at = int(share * len(took_us))
        us, bare = sorted(took_us)[at], sorted(bare_us)[at]
        show(f"commit of {BATCH}, {name}, p{share * 100:g}", us, bare, "a bare write")


def reading(path: Path, count: int, empty_us: float) -> None:
    with JournalWriter.create(path, sync_every_s=None) as writer:
        for _ in range(0, count, BATCH):
            writer.append_batch(3, 5, [PAYLOAD] * BATCH)
            writer.commit()
    data = path.read_bytes()[14:]
    scan_us = best_us(lambda: scan(data, 14), count)
    journal = read_journal(path)
    iterate_us = best_us(lambda: sum(1 for _ in journal), count)
    show("scan, a record", scan_us, empty_us, "an empty append")
    show("decode, a record", iterate_us, empty_us, "an empty append")
    print(
        f"{count} records, {len(data) / 1e6:.1f} MB: scan {scan_us * count / 1e6:.2f} s,"
        f" then decode {iterate_us * count / 1e6:.2f} s"
    )


def syncing(folder: Path) -> None:
    """What a commit would cost if it waited for the disk."""
    fd = os.open(folder / "each", os.O_CREAT | os.O_WRONLY)
    bare_us, sync_us = [], []
    for _ in range(200):
        start = time.perf_counter()
        os.write(fd, bytes(BATCH * 50))
        half = time.perf_counter()
        _keep_on_disk(fd)
        bare_us.append((half - start) * 1e6)
        sync_us.append((time.perf_counter() - half) * 1e6)
    os.close(fd)
    for share in (0.5, 0.99):
        at = int(share * 200)
        show(f"disk sync, p{share * 100:g}", sorted(sync_us)[at], sorted(bare_us)[at], "a bare write")


def checks(empty_us: float) -> None:
    """What two checks of a 31-byte payload and its body cost."""
    data = bytes(44)
    for name, check in (("CRC-32", crc32), ("SHA-256", lambda d: sha256(d).digest())):
        us = best_us(lambda c=check: [c(data) for _ in range(10_000)], 10_000)  # type: ignore[misc]
        show(f"{name} of 44 bytes", us, empty_us, "an empty append")


def opening(folder: Path) -> None:
    took_ms = []
    for i in range(30):
        start = time.perf_counter()
        JournalWriter.create(folder / f"open{i}", None).close()
        took_ms.append((time.perf_counter() - start) * 1e3)
    print(f"{'create and close, with their syncs':44s} {min(took_ms):10.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--folder", help="where to write (default: a temporary folder)")
    parser.add_argument("--seconds", type=float, default=10, help="of commits beside the sync")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        empty_us = appending(folder)
        reading(folder / "journal", args.records, empty_us)
        committing(folder, "never synced", None, args.seconds)
        committing(folder, "synced each s", 1.0, args.seconds)
        syncing(folder)
        checks(empty_us)
        opening(folder)


if __name__ == "__main__":
    main()
