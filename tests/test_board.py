"""Both numberings, over a link that loses, damages and repeats: every event once, in order; every command once."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig import wire
from rig.board import Board
from rig.bodies.animals import Nobody
from rig.bodies.sim import SimLink, SimSettings
from rig.errors import BoardError

SETUP: list[tuple[str, dict[str, int]]] = [
    ("set_inputs", {"enabled": 0xFF, "invert": 0}),
    ("set_safety", {"deadman_us": 5_000_000, "interlock": wire.NO_INPUT}),
    ("set_lever", {"source": 0, "period_us": 1000, "batch": 10}),
    ("lock", {}),
    ("arm", {}),
]


class BadLink(SimLink):
    """The simulated rig behind a wire that flips bits and drops chunks, both ways."""

    def __init__(self, seed: int, share: float) -> None:
        super().__init__(Nobody(), SimSettings(seed=seed))
        self._chance = random.Random(seed)
        self.share = share
        self.damaged = 0

    def _spoil(self, data: bytes) -> bytes:
        if not data or self._chance.random() >= self.share:
            return data
        self.damaged += 1
        at = self._chance.randrange(len(data))
        if self._chance.random() < 0.5:
            return data[:at] + data[at + self._chance.randint(1, 9) :]
        return data[:at] + bytes([data[at] ^ 1 << self._chance.randrange(8)]) + data[at + 1 :]

    def write(self, data: bytes) -> None:
        super().write(self._spoil(data))

    def read(self, timeout_ns: int) -> bytes:
        return self._spoil(super().read(timeout_ns))


def collect(board: Board, polls: int) -> list[bytes]:
    events: list[bytes] = []
    for n in range(polls):
        events += board.poll(50_000_000)
        if n % 4 == 0:
            board.acknowledge()
    return events


def numbers(events: list[bytes]) -> list[int]:
    return [wire.EVENT_HEADER.unpack_from(event)[1] for event in events]


def test_hello_says_who_is_there() -> None:
    board = Board(SimLink(Nobody(), SimSettings(boot=7)))
    hello = board.connect()
    assert (hello.board, hello.boot, hello.states) == (wire.BoardKind.SIMULATOR, 7, 32)
    assert hello.wire_hash == wire.wire_hash()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.02, 0.1, 0.25]))
def test_every_event_once_in_order_whatever_the_wire_does(seed: int, share: float) -> None:
    link = BadLink(seed, 0.0)
    board = Board(link)
    board.connect()
    link.share = share
    for name, values in SETUP:
        board.send(name, values)
    events = collect(board, 150)
    link.share = 0.0
    events += collect(board, 20)
    found = numbers(events)
    assert found == list(range(len(found)))
    applied = [wire.decode(e).fields for e in events if e[0] == wire.BY_NAME["applied"].number]
    assert [a["command"] for a in applied] == [wire.BY_NAME[name].number for name, _ in SETUP]
    assert [a["sequence"] for a in applied] == list(range(len(SETUP)))
    assert board.idle


def test_damage_is_counted_and_healed() -> None:
    link = BadLink(3, 0.0)
    board = Board(link)
    board.connect()
    link.share = 0.2
    for name, values in SETUP:
        board.send(name, values)
    events = collect(board, 400)
    assert link.damaged > 20
    assert board.damaged > 0
    assert board.resends > 0
    assert numbers(events) == list(range(len(events)))
    assert len(events) > 300


def test_a_reconnecting_host_gets_what_it_had_not_acknowledged() -> None:
    link = SimLink(Nobody(), SimSettings())
    first = Board(link)
    first.connect()
    for name, values in SETUP:
        first.send(name, values)
    seen: list[bytes] = []
    for _ in range(10):
        seen += first.poll(50_000_000)
    second = Board(link)  # the first host is gone; it never acknowledged
    hello = second.connect()
    again: list[bytes] = []
    for _ in range(10):
        again += second.poll(50_000_000)
    assert numbers(again)[0] == hello.oldest_event
    overlap = [event for event in seen if event in again]
    assert numbers(again) == list(range(hello.oldest_event, hello.oldest_event + len(again)))
    assert numbers(seen)[-1] >= hello.oldest_event - 1
    assert all(event in again for event in overlap)


def test_a_session_begins_on_a_board_that_is_as_new() -> None:
    link = SimLink(Nobody(), SimSettings())
    first = Board(link)
    boot = first.begin_anew().boot
    for name, values in SETUP:
        first.send(name, values)
    collect(first, 10)
    second = Board(link)
    hello = second.begin_anew()
    assert hello.boot == boot + 1
    assert (hello.armed, hello.next_command) == (0, 0)
    events = collect(second, 5)
    assert wire.decode(events[0]).name == "boot"


class Silence:
    """A port with nobody behind it."""

    def __init__(self) -> None:
        self.t_ns = 0

    def write(self, data: bytes) -> None:
        """Into the void."""

    def read(self, timeout_ns: int) -> bytes:
        """Nothing."""
        self.t_ns += timeout_ns
        return b""

    def now_ns(self) -> int:
        """Time passes in reads."""
        return self.t_ns

    def reopen(self, timeout_ns: int) -> bool:
        """Still nobody."""
        self.t_ns += timeout_ns
        return False

    def close(self) -> None:
        """Nothing."""


def test_silence_is_a_board_error() -> None:
    with pytest.raises(BoardError, match="does not answer: check port and power"):
        Board(Silence()).connect()


class OtherFirmware(Silence):
    """Answers with another list's hash."""

    def read(self, timeout_ns: int) -> bytes:
        """A hello of a stranger."""
        self.t_ns += timeout_ns
        message = wire.BY_NAME["hello"]
        values = dict.fromkeys((name for name, _ in message.fields), 0) | {"wire_hash": 0xBAD, "nonce": 0}
        return wire.frame(bytes((message.number,)) + message.body.pack(*(values[n] for n, _ in message.fields)))


def test_wrong_firmware_is_refused_with_the_command_that_fixes_it() -> None:
    with pytest.raises(BoardError, match=r"speaks wire 00000bad.*run `rig flash`"):
        Board(OtherFirmware()).connect()


def test_the_clock_is_fitted_on_the_way() -> None:
    link = SimLink(Nobody(), SimSettings(drift_ppm=80.0))
    board = Board(link)
    board.connect()
    collect(board, 1500)
    true_ns = link.now_ns() - 500_000  # the link's own latency back
    assert abs(board.clock.host_ns(link.t_us) - true_ns) / 1000 <= board.clock.error_us()
    assert board.clock.drift_ppm == pytest.approx(80.0, abs=10)
