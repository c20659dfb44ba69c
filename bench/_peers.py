"""The decoders that damage.py and decode.py stand side by side: ours, pycontrol-core's and bpod-core's.

Each knows how its own board frames what happens, so that bytes can be made, and gives what the decoder read from them.
The peers are the real ones (``pip install '.[bench]'``); without them the benches run with ours alone and say so.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import random
import struct
import warnings
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

from damaged import event
from test_frame import c_read

from rig import wire
from rig.numbering import Inbox

EVENTS = 3  # in a stream


class Read(NamedTuple):
    """What a decoder made of a stream. ``said``: it raised, warned or counted damage."""

    events: list[Any]
    said: bool


class Made(NamedTuple):
    """A stream: the events in it; bytes that are never damaged, the ones that are, and again some that are not."""

    events: list[Any]
    before: bytes
    frames: bytes
    after: bytes


class System(Protocol):
    """A wire and its decoder."""

    name: str

    def make(self, rng: random.Random) -> Made:
        """A stream of EVENTS events."""

    def read(self, made: Made, frames: bytes) -> Read:
        """What the decoder says where ``frames`` came instead of ``made.frames``."""

    def decode(self, chunks: list[bytes]) -> int:
        """Decode what `many` made; how many events that was."""

    def many(self, rng: random.Random, events: int) -> bytes:
        """Bytes of so many short events, an input's change or the like."""


class Ours:
    """rig/wire.py and rig/numbering.py, and firmware/core/frame.c beside them."""

    name = "ours"
    _not_drawn = frozenset(wire.BY_NAME[name].number for name in ("lost", "boot"))  # a real board sends few of them

    def make(self, rng: random.Random) -> Made:
        first, payloads = rng.getrandbits(20), list[bytes]()
        while len(payloads) < EVENTS:
            payload = event(rng, first + len(payloads))
            if payload[0] not in self._not_drawn:
                payloads.append(payload)
        return Made(payloads, b"", b"".join(map(wire.frame, payloads)), b"")

    def read(self, made: Made, frames: bytes) -> Read:
        """First as both readers see it; then, where something is missing, the board sends all of it again."""
        splitter = wire.FrameSplitter()
        found = splitter.feed(frames)
        board = c_read(frames)[0]
        if board != found:
            return Read([*found, *board], True)
        inbox, events = Inbox(0, wire.EVENT_HEADER.unpack_from(made.events[0])[1]), list[bytes]()
        for payload in found:
            inbox.take(payload, events)
        for _ in range(3):
            if len(events) >= EVENTS:
                break
            for payload in splitter.feed(made.frames):
                inbox.take(payload, events)
        return Read(events, splitter.damaged > 0 or inbox.gap)

    def many(self, rng: random.Random, events: int) -> bytes:
        changes = [rng.getrandbits(8) for _ in range(events)]
        return b"".join(
            wire.frame(wire.encode_event("input", i, 997 * i & 0xFFFFFFFF, {"levels": bits, "changed": bits | 1}))
            for i, bits in enumerate(changes)
        )

    def decode(self, chunks: list[bytes]) -> int:
        splitter, head, count = wire.FrameSplitter(), wire.EVENT_HEADER.unpack_from, 0
        for chunk in chunks:
            for payload in splitter.feed(chunk):
                head(payload)  # message, number, time: as the session does
                count += 1
        return count


class PyControl:
    """pycontrol-core: start byte, sum of bytes, length, time in ms, type, subtype, a number in digits."""

    name = "pycontrol-core"

    def __init__(self) -> None:
        self._decoder: Callable[[], Any] = importlib.import_module("pycontrol.protocol.decoder").FrameDecoder
        self._warning = importlib.import_module("pycontrol.protocol.messages").MsgType.WARNG

    @staticmethod
    def _frame(rng: random.Random, time_ms: int) -> bytes:
        kind = rng.choice((b"Ei", b"Et", b"Ss"))
        message = struct.pack("<I", time_ms) + kind + str(rng.randrange(1, 30)).encode()
        return b"\x07" + struct.pack("<HH", sum(message) & 0xFFFF, len(message)) + message

    def make(self, rng: random.Random) -> Made:
        time_ms, frames = rng.getrandbits(22), list[bytes]()
        for _ in range(EVENTS):
            frames.append(self._frame(rng, time_ms := time_ms + rng.randrange(500)))
        whole = b"".join(frames)
        return Made(list(self._decoder().feed(whole)), b"", whole, b"")

    def read(self, made: Made, frames: bytes) -> Read:
        found = list(self._decoder().feed(frames))
        events = [one for one in found if getattr(one, "type", None) is not self._warning]
        return Read(events, len(events) < len(found))

    def many(self, rng: random.Random, events: int) -> bytes:
        return b"".join(self._frame(rng, i) for i in range(events))

    def decode(self, chunks: list[bytes]) -> int:
        decoder, count = self._decoder(), 0
        for chunk in chunks:
            for _ in decoder.feed(chunk):
                count += 1
        return count


class _Port:
    """A serial port with these bytes to come; then the cable is gone."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.in_waiting = 1

    def read(self, _count: int) -> bytes:
        chunk = next(self._chunks, b"")
        if not chunk:
            raise OSError("no more bytes")
        return chunk


class _Warned(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


class Bpod:
    """bpod-core: a trial of packets without check or length check: 1, how many, their numbers, cycles of 100 us."""

    name = "bpod-core"
    _BEFORE = b"\x01" + struct.pack("<Q", 1_000_000)

    def __init__(self) -> None:
        with warnings.catch_warnings(action="ignore"):  # about folders that this bench does not need
            self._reader: Callable[..., Any] = importlib.import_module("bpod_core.bpod._threads").ReadThread
        self._warned = _Warned()
        logger = logging.getLogger("bpod_core.bpod._threads")
        logger.addHandler(self._warned)
        logger.propagate = False

    @staticmethod
    def _packet(rng: random.Random, cycles: int) -> bytes:
        return struct.pack("<BBBI", 1, 1, rng.randrange(80), cycles)

    @staticmethod
    def _end(cycles: int) -> bytes:
        return struct.pack("<BBBIIQ", 1, 1, 255, cycles, cycles, 1_000_000 + 100 * cycles)

    def _run(self, chunks: Iterator[bytes]) -> tuple[list[Any], bool]:
        queue, codes = SimpleQueue[Any](), SimpleQueue[Any]()
        common = {"state_machine_hash": b"", "trial": 0, "cycle_period_us": 100}
        thread = self._reader(serial=_Port(chunks), queue_events=queue, queue_softcodes=codes, **common)
        before, raised = self._warned.count, False
        try:
            thread.run()
        except OSError:  # it waits for more bytes
            pass
        except Exception:
            raised = True
        found = [queue.get_nowait() for _ in range(queue.qsize())][:-1]  # the last says that reading is over
        events: list[Any] = [(one.micros_us, bytes(i & 0xFF for i in one.event_ids)) for one in found[2:]]
        events += [("softcode", codes.get_nowait()) for _ in range(codes.qsize())]
        return events, raised or self._warned.count > before

    def make(self, rng: random.Random) -> Made:
        cycles, packets = rng.getrandbits(10), list[bytes]()
        for _ in range(EVENTS):
            packets.append(self._packet(rng, cycles := cycles + rng.randrange(1, 5000)))
        frames, after = b"".join(packets), self._end(cycles + 100)
        return Made(self._run(iter([self._BEFORE + frames + after]))[0], self._BEFORE, frames, after)

    def read(self, made: Made, frames: bytes) -> Read:
        return Read(*self._run(iter([made.before + frames + made.after])))

    def many(self, rng: random.Random, events: int) -> bytes:
        return self._BEFORE + b"".join(self._packet(rng, i) for i in range(events)) + self._end(events)

    def decode(self, chunks: list[bytes]) -> int:
        queue = SimpleQueue[Any]()
        common = {"state_machine_hash": b"", "trial": 0, "cycle_period_us": 100, "queue_softcodes": SimpleQueue()}
        self._reader(serial=_Port(iter(chunks)), queue_events=queue, **common).run()
        return queue.qsize() - 5  # what it makes of a trial's beginning and end


def systems() -> list[System]:
    """Ours, and the peers that are installed."""
    found: list[System] = [Ours()]
    for package, kind in (("pycontrol", PyControl), ("bpod_core", Bpod)):
        if importlib.util.find_spec(package):
            found.append(kind())
        else:
            print(f"{kind.name} is not installed: pip install '.[bench]'")
    return found
