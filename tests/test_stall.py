"""A host that does nothing while a thousand events a second happen: what fits is kept, the rest is stated exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from test_board import SETUP

from rig import wire
from rig.board import Board
from rig.bodies.animals import Nobody
from rig.bodies.sim import SimLink, SimSettings

HEAD_BYTES, FIELDS_BYTES = 6, 4  # of a record in the board's queue: size, message, time; an `input` event's fields
LICK, CLOSED = (1 << wire.INPUTS.index(name) for name in ("lick", "interlock"))
INPUT, LOST = wire.BY_NAME["input"].number, wire.BY_NAME["lost"].number


class Flicker(SimLink):
    """A rig where the lick sensor changes every millisecond."""

    def __init__(self) -> None:
        super().__init__(Nobody(), SimSettings(frame_hz=None))
        self.world.inputs = self._changes  # type: ignore[method-assign]

    def _changes(self, start_us: int, end_us: int) -> tuple[np.ndarray, np.ndarray]:
        t_us = np.arange(start_us // 1000 + 1, end_us // 1000 + 1) * 1000
        levels = np.where(t_us // 1000 % 2, CLOSED | LICK, CLOSED)
        return (t_us & 0xFFFFFFFF).astype(np.uint32), levels.astype(np.uint8)


def collected(board: Board, polls: int) -> list[bytes]:
    """Events, acknowledged as they come."""
    events: list[bytes] = []
    for _ in range(polls):
        events += board.poll(20_000_000)
        board.acknowledge()
    return events


@pytest.mark.parametrize("seconds", [0.1, 1, 60])
def test_a_stalled_host_loses_what_has_no_room_and_not_one_more(seconds: float) -> None:
    link = Flicker()
    board = Board(link)
    room_bytes = board.connect().queue_bytes
    for name, values in SETUP:
        board.send(name, values if name != "set_lever" else {**values, "period_us": 1_000_000, "batch": 1})
    events = collected(board, 100)
    began = len(events)
    until_us = link.t_us + round(1e6 * seconds)
    while link.t_us < until_us:
        link.read(50_000_000)  # and what the board sends is gone
    events += collected(board, 100)
    told = [(payload[0], *wire.EVENT_HEADER.unpack_from(payload)[1:]) for payload in events]
    due, lost = 0, 0
    for payload, (message, number, _) in zip(events, told, strict=True):
        if message == LOST:
            first, last = wire.BY_NAME["lost"].body.unpack_from(payload, 9)
            assert (first, number) == (due, last + 1)
            lost += last - first + 1
        else:
            assert number == due
        due = number + 1
    assert len(events) + lost == due
    changes = [t_us for message, _, t_us in told if message == INPUT]
    missing = sum((b - a) % (1 << 32) // 1000 - 1 for a, b in itertools.pairwise(changes))
    assert 0 <= lost - missing <= 2 + seconds  # beside changes, a sample or a fault may be among the lost
    if seconds == 0.1:
        assert lost == 0
    if seconds == 60:
        kept = next(i for i, (message, *_) in enumerate(told[began:]) if message == LOST)
        assert kept * (HEAD_BYTES + FIELDS_BYTES) > room_bytes - 40
        assert lost > 58_000
