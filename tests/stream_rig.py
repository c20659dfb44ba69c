"""A rig that does nothing but record and stream: real journal, real stream, events at any rate. Also a program:

    python tests/stream_rig.py DATA ADDRESS RATE_HZ SECONDS [SESSION] [KEYS]

which prints its address, then at the end the events it made and how long its turns took.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rig import events, wire
from rig.events import Kind
from rig.record.journal import JournalWriter
from rig.stream import Publisher

SESSION = "M07/2026-03-02_1"
TURN_S = 0.001


def payloads(seed: int = 0) -> Iterator[bytes]:
    """Events as of a session, for ever: mostly lever, some of all that has a topic."""
    chance = random.Random(seed)
    number, board_us, valve = 0, (1 << 32) - 1_000_000, 0
    yield wire.encode_event("boot", 0, board_us, {"boot": 1, "reason": 0})
    while True:
        number += 1
        board_us += 200
        kind = chance.random()
        if kind < 0.7:
            offsets = tuple(chance.randrange(-200, 200) for _ in range(10))
            body = wire.encode_event(
                "lever", number, board_us, {"period_us": 1000, "first_counts": number % 999}, offsets
            )
        elif kind < 0.8:
            body = wire.encode_event("input", number, board_us, {"levels": number & 2, "changed": 2})
        elif kind < 0.9:
            valve ^= 1
            body = wire.encode_event("output", number, board_us, {"active": valve, "late_us": 3})
        else:
            body = wire.encode_event("state", number, board_us, {"state": number % 3, "cause": 1, "late_us": 0})
        yield body


class StreamRig:
    """One session's journal and stream. ``address`` is the publisher's."""

    def __init__(
        self,
        data: Path,
        address: str | None = "tcp://127.0.0.1:*",
        session: str = SESSION,
        keys: Path | None = None,
        linger_s: float = 10.0,
        eager: bool = False,
    ) -> None:
        folder = data / session
        folder.mkdir(parents=True)
        self.journal = JournalWriter.create(folder / "journal", sync_every_s=None)
        self.publisher = Publisher(address, session, data, keys, linger_s=linger_s, eager=eager)
        self.address = self.publisher.address or ""
        self.made = 0
        self._payloads = payloads()
        self.journal.append(Kind.MANIFEST, time.monotonic_ns(), json.dumps({"session": session}).encode())
        names = {"states": ["bitcode", "cue", "iti"], "rules": [], "generators": [], "outcomes": [None] * 3}
        self.journal.append(Kind.NOTE, time.monotonic_ns(), events.note("trial", trial=0, info={}, **names))
        self.journal.commit()

    def make(self, n: int) -> None:
        """Record ``n`` events in one turn of the loop, as a session does."""
        host_ns = time.monotonic_ns()
        self.publisher.coming()
        self.journal.append_batch(int(Kind.EVENT), host_ns, [next(self._payloads) for _ in range(n)])
        self.journal.commit()
        self.publisher.committed(host_ns)
        self.made += n

    def pace(self, rate_hz: float, seconds: float) -> list[float]:
        """Make events at a rate; returns what each turn's recording and ringing took, s."""
        took, begin_s, before = [], time.monotonic(), self.made
        while (gone_s := time.monotonic() - begin_s) < seconds:
            due = int(gone_s * rate_hz) - (self.made - before)
            if due > 0:
                start_s = time.perf_counter()
                self.make(due)
                took.append(time.perf_counter() - start_s)
            time.sleep(TURN_S)
        return took

    def end(self) -> None:
        """The summary, then the stream's end."""
        self.journal.append(Kind.SUMMARY, time.monotonic_ns(), json.dumps({"events": self.made}).encode())
        self.journal.commit()
        self.publisher.committed(time.monotonic_ns())
        self.publisher.close()
        self.journal.close()


def main() -> None:
    """See above."""
    data, address, rate_hz, seconds, *more = sys.argv[1:]
    session, keys = (more + [SESSION, ""][len(more) :])[:2]
    rig = StreamRig(Path(data), address, session, Path(keys) if keys else None)
    print(rig.address, flush=True)
    took = sorted(rig.pace(float(rate_hz), float(seconds)))
    rig.end()
    at = {f"p{share}": 1e6 * took[int(share / 100 * len(took))] for share in (50, 99)}
    print(json.dumps({"made": rig.made, "turns": len(took), **at, "words": rig.publisher.words()}), flush=True)


if __name__ == "__main__":
    main()
