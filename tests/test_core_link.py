"""The board's end of the link and its queue: every event arrives once, or is stated lost; every command acts once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from bodies import command
from hypothesis import given, settings
from hypothesis import strategies as st
from scenarios import ready

from rig import wire
from rig.bodies import core

RESEND_US = 200_000
SAMPLING = command(0, "set_lever", source=0, period_us=1000, batch=20)
WIRED = command(0, "set_inputs", enabled=0xFF, invert=0)


class Board:
    """The host body behind its link. Times are since its start; it starts just before its clock wraps."""

    START_US = (1 << 32) - 50_000

    def __init__(self) -> None:
        self.ffi, self.lib = core.load()
        self.memory = self.ffi.new("uint64_t[]", self.lib.host_size() // 8 + 1)
        self.host = self.ffi.cast("host_t *", self.memory)
        self.room = self.ffi.new("uint8_t[]", 4096)
        self.splitter = wire.FrameSplitter()
        self.next_command = self.t_us = self.levels = 0
        self.lib.host_start(self.host, self.START_US & 0xFFFFFFFF, 7, 0, 1, 0xABCD)
        self.say("hello_ask", nonce=1)

    def run(self, t_us: int) -> None:
        while self.lib.host_run(self.host, self.START_US + t_us & 0xFFFFFFFF, 0):
            pass
        self.t_us = t_us

    def receive(self, payload: bytes) -> None:
        data = wire.frame(payload)
        self.lib.host_receive(self.host, data, len(data))

    def say(self, name: str, **values: int) -> None:
        self.receive(wire.encode(name, values))

    def command(self, number: int, fields: bytes = b"") -> None:
        self.receive(bytes((number, self.next_command)) + fields)
        self.next_command = self.next_command + 1 & 255

    def set_up(self) -> None:
        for told in (WIRED, SAMPLING):
            self.command(told.number, told.fields)

    def toggle(self) -> None:
        """One input changes: an event of ten bytes."""
        self.levels ^= 1
        self.lib.host_input_now(self.host, self.levels)

    def listen(self, room: int = 4096) -> list[wire.Decoded]:
        size = self.lib.host_send(self.host, self.room, room)
        return [wire.decode(payload) for payload in self.splitter.feed(bytes(self.ffi.buffer(self.room, size)))]

    def events(self) -> list[wire.Decoded]:
        return [told for told in self.listen() if wire.BY_NAME[told.name].kind is wire.Kind.EVENT]


@pytest.fixture
def board() -> Board:
    return Board()


def named(told: list[wire.Decoded], name: str) -> list[dict[str, Any]]:
    return [dict(one.fields) for one in told if one.name == name]


# --- control ----------------------------------------------------------------------------------------------------------


def test_hello_says_what_the_board_is_and_where_both_numberings_stand(board: Board) -> None:
    board.set_up()
    board.say("hello_ask", nonce=0xDEADBEEF)
    *_, hello = named(board.listen(), "hello")
    assert (hello["nonce"], hello["wire_hash"], hello["boot"]) == (0xDEADBEEF, wire.wire_hash(), 7)
    assert [hello[key] for key in ("states", "rules", "generators", "outputs", "inputs")] == [32, 4, 8, 8, 8]
    assert (hello["queue_bytes"], hello["pins_hash"], hello["board"]) == (2048, 0xABCD, wire.BoardKind.SIMULATOR)
    assert (hello["armed"], hello["faults"]) == (0, 0)
    assert (hello["oldest_event"], hello["next_event"], hello["next_command"]) == (0, 3, 2)


def test_hello_shows_arming_and_faults(board: Board) -> None:
    for told in ready(deadman_us=1000):
        board.command(told.number, told.fields)
    board.say("hello_ask", nonce=1)
    assert named(board.listen(), "hello")[0]["armed"] == 1
    board.run(5000)
    board.say("hello_ask", nonce=2)
    (hello,) = named(board.listen(), "hello")
    assert (hello["armed"], hello["faults"]) == (0, 1 << wire.Fault.DEADMAN)


def test_a_ping_is_answered_with_the_clock_when_it_was_read(board: Board) -> None:
    board.run(1234)
    board.say("ping", token=99, next_event=0)
    board.run(5000)
    (pong,) = named(board.listen(), "pong")
    assert (pong["token"], pong["board_us"]) == (99, Board.START_US + 1234)
    assert pong["queue_free"] == 2048 - 9  # the boot event is not acknowledged


def test_messages_of_a_wrong_length_or_for_the_host_are_ignored(board: Board) -> None:
    board.listen()
    for number, size in ((0x01, 3), (0x02, 7), (0x03, 6), (0x0F, 0), (0x41, 40), (0x80, 11)):
        board.receive(bytes((number, *bytes(size))))
    assert board.listen() == []
    assert board.lib.host_damaged(board.host) == 0


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_command_acts_once_however_often_it_comes(board: Board) -> None:
    board.listen()
    for _ in range(3):
        board.receive(bytes((SAMPLING.number, 0)) + SAMPLING.fields)
    told = board.listen()
    assert named(told, "command_ack") == [{"next_command": 1}]
    assert len(named(told, "applied")) == 1


def test_a_command_that_overtook_a_lost_one_is_dropped_until_its_turn(board: Board) -> None:
    board.receive(bytes((SAMPLING.number, 1)) + SAMPLING.fields)
    told = board.listen()
    assert named(told, "command_ack") == [{"next_command": 0}]
    assert not named(told, "applied")


def test_command_numbers_go_round(board: Board) -> None:
    for _ in range(300):
        board.command(WIRED.number, WIRED.fields)
        board.say("ack", next_event=len(named(board.listen(), "applied")) + board.next_command, resend=0)
    board.say("hello_ask", nonce=0)
    assert named(board.listen(), "hello")[0]["next_command"] == 300 & 255


def test_restart_begins_a_new_life(board: Board) -> None:
    board.set_up()
    board.toggle()
    board.listen()
    board.command(wire.BY_NAME["restart"].number)
    told = board.listen()
    board.say("hello_ask", nonce=2)
    told += board.listen()
    assert [(one.number, one.fields) for one in told if one.name == "boot"][-1] == (0, {"boot": 8, "reason": 1})
    assert named(told, "hello")[-1]["next_command"] == 0


# --- events -----------------------------------------------------------------------------------------------------------


def test_an_event_is_kept_until_it_is_acknowledged_and_sent_again_when_that_takes_too_long(board: Board) -> None:
    board.set_up()
    first = board.events()
    assert [one.number for one in first] == [0, 1, 2]
    assert board.events() == []
    sent_again = []
    for t_us in range(0, 2_000_000, 10_000):
        board.run(t_us)
        if any(one.number == 0 for one in board.events()):
            sent_again.append(t_us)
    gaps = [b - a for a, b in pairwise(sent_again)]
    assert RESEND_US <= sent_again[0] <= RESEND_US + 10_000
    assert gaps == [2 * RESEND_US, 4 * RESEND_US]
    board.say("ack", next_event=1, resend=1)
    assert board.events()[0].number == 1


def test_a_greeting_or_a_plea_has_everything_sent_again(board: Board) -> None:
    board.set_up()
    before = board.events()
    board.say("hello_ask", nonce=1)
    assert board.events() == before
    board.say("ack", next_event=1, resend=1)
    assert board.events() == before[1:]


def test_what_was_never_sent_cannot_be_acknowledged(board: Board) -> None:
    board.set_up()
    board.say("ack", next_event=3, resend=0)
    assert [one.number for one in board.events()] == [0, 1, 2]
    board.say("ack", next_event=2, resend=1)
    assert [one.number for one in board.events()] == [2]


def test_too_many_events_are_one_lost_with_their_numbers(board: Board) -> None:
    board.command(WIRED.number, WIRED.fields)
    for _ in range(500):
        board.toggle()
    kept = board.events()
    board.say("ack", next_event=kept[-1].number + 1, resend=0)
    board.toggle()
    (lost, last) = board.events()
    assert lost.name == "lost"
    assert lost.fields == {"from_event": kept[-1].number + 1, "to_event": 501}
    assert (lost.number, last.number, last.name) == (502, 503, "input")


def test_samples_yield_to_decisions_and_are_counted(board: Board) -> None:
    board.set_up()
    board.run(1_000_000)
    kept = board.events()
    board.say("ack", next_event=kept[-1].number + 1, resend=0)
    board.run(1_100_000)
    more = board.events()
    assert more[0].name == "thinned"
    told = sum(len(one["offsets"]) for one in named(kept + more, "lever"))
    assert told + sum(one["samples"] for one in named(kept + more, "thinned")) == 1100
    assert not named(kept + more, "lost")


def test_a_loss_is_stated_with_the_next_samples_when_nothing_else_happens(board: Board) -> None:
    board.set_up()
    for _ in range(500):
        board.toggle()
    kept = board.events()
    board.say("ack", next_event=kept[-1].number + 1, resend=0)
    board.run(100_000)
    assert [one.name for one in board.events()][:2] == ["lost", "lever"]


ACTS = st.tuples(st.sampled_from(("toggle", "run", "listen", "ack", "again")), st.integers(1, 400))


@settings(max_examples=150)
@given(st.lists(ACTS, max_size=60))
def test_every_event_arrives_or_is_stated_lost(acts: list[tuple[str, int]]) -> None:
    board, got = Board(), dict[int, wire.Decoded]()
    board.command(WIRED.number, WIRED.fields)

    def listen(room: int) -> None:
        for one in board.listen(room):
            if wire.BY_NAME[one.name].kind is wire.Kind.EVENT:
                assert got.setdefault(one.number, one) == one

    for act, size in acts:
        if act == "toggle":
            for _ in range(size):
                board.toggle()
        elif act == "run":
            board.run(board.t_us + 1000 * size)
        elif act == "listen":
            listen(4 * size)
        else:
            board.say("ack", next_event=max(0, max(got, default=0) - size % 4), resend=act == "again")
    for _ in range(3):
        board.say("ack", next_event=max(got, default=-1) + 1, resend=1)
        board.toggle()
        listen(4096)
    missing = {*range(max(got) + 1)} - {*got}
    stated = [range(one["from_event"], one["to_event"] + 1) for one in named([*got.values()], "lost")]
    assert missing == {number for lost in stated for number in lost}
