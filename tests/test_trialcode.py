"""Trial codes as the board sends them, read by somebody who has only their description."""

from __future__ import annotations

import random

import pytest
from bitcode_reader import codes, sampled
from bodies import Told, play
from hypothesis import given
from hypothesis import strategies as st
from scenarios import Row, Table, ready, state
from test_table import made

from rig import Past, State, ms, wire
from rig.errors import RecordError
from rig.experiment.blocks import trial_mark
from rig.experiment.task import END, Result
from rig.imaging.trialcode import EXACT_BIT_US, EXACT_BITS, exact, number_of, read

SYNC = 1 << 3
A_TABLE = 8  # codes in one trial, a state each
STATE_US = 130_000
END_OF_TRIAL = wire.END


def row_of(kind: str, number: int) -> Row:
    """The generator that a protocol's first state starts in this trial."""
    past = Past([Result(1, "rewarded", {})] * (number - 1))
    return made(State("bitcode", start=trial_mark(kind, past), after=(130 * ms, END))).generators[0]


def sent(rows: list[Row]) -> list[int]:
    """When the sync line changed: these codes, one after the other on the machine itself."""
    states = [state(start=1 << i, after_us=STATE_US, after_to=i + 1) for i in range(len(rows))]
    states[-1]["after_to"] = END_OF_TRIAL
    told: Told = play([*ready(), *Table(1, states, [], rows).commands(10)], STATE_US * len(rows) + 1000)
    edges, on = [], False
    for t_us, pins in told.pins.items():
        if bool(pins[0] & SYNC) != on:
            on = not on
            edges.append(t_us)
    return edges


def test_all_4096_numbers_are_read_at_10_khz() -> None:
    chance = random.Random(1)
    first = row_of("code", 1)
    assert row_of("code", 3000) == first | {"ramp_us": 3000}, "a trial's code differs by its number alone"
    numbers = list(range(4096))
    chance.shuffle(numbers)
    for at in range(0, 4096, A_TABLE):
        asked = numbers[at : at + A_TABLE]
        edges = sent([first | {"ramp_us": number} for number in asked])
        trace = sampled(edges, STATE_US * A_TABLE, chance.random(), chance.uniform(-100, 100))
        assert codes(trace) == asked
        assert [code for _, code in read(edges)] == asked


def test_the_exact_code_at_10_khz() -> None:
    chance = random.Random(2)
    for _ in range(20):
        asked = [chance.randrange(1 << 16) for _ in range(A_TABLE)]
        edges = sent([row_of("exact", 1) | {"ramp_us": exact(number)} for number in asked])
        trace = sampled(edges, STATE_US * A_TABLE, chance.random(), chance.uniform(-100, 100))
        found = codes(trace, EXACT_BITS, EXACT_BIT_US / 1000)
        assert [number_of(code) for code in found] == asked
        assert [number_of(code) for _, code in read(edges, EXACT_BITS, EXACT_BIT_US)] == asked
    assert row_of("exact", 700)["ramp_us"] == exact(700)


@given(st.integers(0, 0xFFFF), st.sets(st.integers(0, 23), min_size=1, max_size=3))
def test_up_to_three_wrong_bits_are_found(number: int, wrong: set[int]) -> None:
    code = exact(number)
    assert number_of(code) == number
    with pytest.raises(RecordError, match="checksum"):
        number_of(code ^ sum(1 << bit for bit in wrong))


@given(st.integers(0, 0xFFFF), st.integers(0, 16), st.integers(1, 255))
def test_a_wrong_run_of_up_to_eight_bits_is_found(number: int, at: int, run: int) -> None:
    with pytest.raises(RecordError):
        number_of(exact(number) ^ (run << at) % (1 << 24))


def test_a_known_checksum() -> None:
    """CRC-8 of 0x01 0x02 by hand: polynomial division."""
    assert exact(0x0102) == 0x010200 | 0x1B
