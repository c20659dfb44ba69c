"""The simulated world: what its pins see, and when; virtual time that a host cannot disturb."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig import wire
from rig.board import Board
from rig.bodies.animals import Nobody
from rig.bodies.sim import FRAME_US, LICK_US, START_US, SimLink, SimSettings, World

FRAME, LICK, BACK, CLOSED = (1 << wire.INPUTS.index(n) for n in ("frame", "lick", "laser_back", "interlock"))
LASER, VALVE = (1 << wire.OUTPUTS.index(n) for n in ("laser", "valve"))
MASK = (1 << 32) - 1


class Licker(Nobody):
    """Licks at given times."""

    def __init__(self, licks_us: list[int]) -> None:
        self._licks_us = licks_us

    def licks_us(self, start_us: int, end_us: int) -> list[int]:
        return [t for t in self._licks_us if start_us < t <= end_us]


def test_frames_come_at_their_rate_and_end() -> None:
    world = World(Nobody(), SimSettings(frame_hz=28.7))
    t_us, levels = world.inputs(START_US, START_US + 10_000_000)
    rises = t_us[levels == CLOSED | FRAME].astype(np.int64)
    assert len(rises) in (286, 287)
    assert np.diff(rises.astype(np.uint32)).astype(np.uint32) == pytest.approx(1e6 / 28.7, abs=1)
    falls = t_us[levels == CLOSED]
    assert ((falls[: len(rises)] - rises[: len(falls)].astype(np.uint32)) == FRAME_US).all()


@settings(deadline=None)
@given(st.lists(st.integers(1, 5_000_000), max_size=8), st.lists(st.integers(1, 900_000), min_size=1, max_size=12))
def test_inputs_are_the_same_in_whatever_pieces_they_are_asked_for(licks: list[int], parts: list[int]) -> None:
    """The union of pieces is the whole: no edge is lost at a seam, none doubled."""
    licks_us = [START_US + t for t in licks]
    end_us = START_US + sum(parts)
    whole = World(Licker(licks_us), SimSettings()).inputs(START_US, end_us)
    world, at_us, times, levels = World(Licker(licks_us), SimSettings()), START_US, list[int](), list[int]()
    for part in parts:
        t_us, level = world.inputs(at_us, at_us + part)
        times += t_us.tolist()
        levels += level.tolist()
        if len(level):
            world.passed(int(level[-1]))
        at_us += part
    assert times == whole[0].tolist()
    assert levels == whole[1].tolist()


def test_a_lick_touches_for_a_while() -> None:
    world = World(Licker([START_US + 1000]), SimSettings(frame_hz=None))
    t_us, levels = world.inputs(START_US, START_US + 100_000)
    assert [(int(t) - START_US) & MASK for t in t_us] == [1000, 1000 + LICK_US]
    assert levels.tolist() == [CLOSED | LICK, CLOSED]


def test_the_laser_is_read_back() -> None:
    world = World(Nobody(), SimSettings(frame_hz=None, laser_latency_us=20))
    assert world.outputs(START_US + 500, LASER, 0)
    assert world.outputs(START_US + 900, 0, 0)
    t_us, levels = world.inputs(START_US + 500, START_US + 10_000)
    assert [(int(t) - START_US) & MASK for t in t_us] == [520, 920]
    assert levels.tolist() == [CLOSED | BACK, CLOSED]


def test_a_large_jump_of_a_recording_is_one_moment() -> None:
    class Jumper(Nobody):
        def edges(self, start_us: int, end_us: int) -> tuple[np.ndarray, np.ndarray]:
            return np.array([start_us + 5, start_us + 9]), np.array([1000, -300])

    t_us, steps = World(Jumper(), SimSettings()).edges(0, 100)
    assert steps[t_us == 5].astype(int).sum() == 1000
    assert steps[t_us == 9].astype(int).sum() == -300


def test_time_moves_only_in_reads_and_never_beyond_what_was_asked() -> None:
    link = SimLink(Nobody(), SimSettings())
    before = link.t_us
    link.write(wire.frame(wire.encode("hello_ask", {"nonce": 1})))
    link.now_ns()
    assert link.t_us == before
    for _ in range(100):
        at, at_ns = link.t_us, link.now_ns()
        heard = link.read(7_000_000)
        assert at <= link.t_us <= at + 7_001
        assert heard or link.now_ns() - at_ns >= 7_000_000  # by the clock of whoever asked, which runs slower


def test_pacing_sleeps_and_changes_nothing() -> None:
    """Ten times real time: a tenth of the virtual time passes on the wall, no less."""
    fast, paced = SimLink(Nobody(), SimSettings()), SimLink(Nobody(), SimSettings(pace=10.0))
    heard = []
    for link in (fast, paced):
        board = Board(link)
        board.connect()
        begin_us, begin_s = link.t_us, time.monotonic()
        heard.append([board.poll(50_000_000) for _ in range(20)])
        lasted_s = time.monotonic() - begin_s
        if link is paced:
            assert lasted_s >= (link.t_us - begin_us) / 1e7 * 0.9 - 0.05
    assert heard[0] == heard[1]
