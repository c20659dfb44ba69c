"""Whom a board listens to after its start, and when it sends again what nobody acknowledged."""

from __future__ import annotations

import itertools

from rig import wire
from rig.bodies import core

MS = 1000


class Wire:
    """The host body and its raw bytes, in virtual time."""

    def __init__(self, boot: int = 1) -> None:
        self.ffi, self.lib = core.load()
        self.memory = self.ffi.new("uint64_t[]", self.lib.host_size() // 8 + 1)
        self.host = self.ffi.cast("host_t *", self.memory)
        self.room = self.ffi.new("uint8_t[]", 1 << 16)
        self.now_us = 1_000_000
        self.lib.host_start(self.host, self.now_us, boot, 0, 1, 0)
        self.splitter = wire.FrameSplitter()

    def say(self, name: str, sequence: int | None = None, **values: int) -> None:
        data = wire.frame(wire.encode(name, values, sequence))
        self.lib.host_receive(self.host, data, len(data))

    def hear(self) -> list[wire.Decoded]:
        n = self.lib.host_send(self.host, self.room, len(self.room))
        return [wire.decode(payload) for payload in self.splitter.feed(bytes(self.ffi.buffer(self.room, n)))]

    def wait(self, length_us: int) -> None:
        until_us = self.now_us + length_us
        while self.lib.host_run(self.host, until_us, 0):
            pass
        self.now_us = until_us

    def meet(self) -> None:
        """Ask who is there, and acknowledge what the answer brings."""
        self.say("hello_ask", nonce=7)
        assert names(self.hear()) == ["hello", "boot"]
        self.say("ack", next_event=1, resend=0)

    def happen(self) -> None:
        """Something that is told: the lever is zeroed."""
        self.lib.host_command(self.host, 0, wire.BY_NAME["zero_lever"].number, b"", 0)


def names(messages: list[wire.Decoded]) -> list[str]:
    return [message.name for message in messages]


def test_a_board_that_nobody_has_greeted_says_who_it_is_and_no_more() -> None:
    board = Wire(boot=9)
    heard = []
    for _ in range(40):
        heard += board.hear()
        board.wait(100 * MS)
    assert set(names(heard)) == {"hello"}
    assert 4 <= len(heard) <= 10
    assert heard[0].fields["boot"] == 9
    board.say("hello_ask", nonce=7)
    assert names(board.hear()) == ["hello", "boot"]


def test_words_to_an_earlier_life_are_no_words_to_this_one() -> None:
    board = Wire()
    board.say("lock", 0)
    board.say("arm", 1)
    board.say("ack", next_event=1, resend=0)
    board.say("ping", token=1, next_event=1)
    assert set(names(board.hear())) <= {"hello"}
    board.say("hello_ask", nonce=7)
    hello, boot = board.hear()
    assert (hello.fields["armed"], hello.fields["next_command"], hello.fields["oldest_event"]) == (0, 0, 0)
    assert boot.name == "boot"


def sent_in_vain(answer_us: int) -> int:
    """How often an event is sent again needlessly, where one happens every 2 s and is acknowledged so much later."""
    board = Wire()
    board.meet()
    due: list[tuple[int, int]] = []
    seen: list[int] = []
    for step in range(8000):
        if step % 200 == 0:
            board.happen()
        for message in board.hear():
            if message.name == "zeroed":
                seen.append(message.number)
            due.append((board.now_us + answer_us, message.number + 1))
        while due and due[0][0] <= board.now_us:
            board.say("ack", next_event=due.pop(0)[1], resend=0)
        board.wait(10 * MS)
    assert len(set(seen)) == 40
    return len(seen) - len(set(seen))


def test_a_slow_host_is_waited_for_once_its_pace_is_known() -> None:
    assert sent_in_vain(answer_us=50 * MS) == 0
    assert sent_in_vain(answer_us=600 * MS) <= 5


def test_what_is_never_acknowledged_is_sent_again_less_and_less_often_but_for_ever() -> None:
    board = Wire()
    board.meet()
    board.happen()
    times = []
    for _ in range(3000):
        if any(message.name == "zeroed" for message in board.hear()):
            times.append(board.now_us)
        board.wait(10 * MS)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == sorted(gaps)
    assert 200 * MS <= gaps[0] <= 220 * MS
    assert 2000 * MS <= gaps[-1] <= 2020 * MS
