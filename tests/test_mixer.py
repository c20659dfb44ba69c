"""The audio thread's work: which sample goes where, what is told, and who wins when both sides want a sound."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.sound.dacclock import DacClock
from rig.sound.mixer import VOICES, Heard, Mixer, Record, Ring, Samples

STEP_NS = 1e9 / 48_000
T0_NS = 5_000_000_000


def sound(length: int, value: float = 0.01, channels: int = 1) -> Samples:
    """A ramp of distinct values, so that a sample in the wrong place shows."""
    return np.repeat(((1 + np.arange(length, dtype=np.float32)) * np.float32(value))[:, None], channels, axis=1)


def run(mixer: Mixer, blocks: int, first: int = 0) -> Samples:
    """The next blocks in one array, the line of time being straight."""
    out = [np.zeros((0, mixer.block.shape[1]), dtype=np.float32)]
    for k in range(first, first + blocks):
        mixer.fill(T0_NS + k * len(mixer.block) * STEP_NS, STEP_NS, 7)
        out.append(mixer.block.copy())
    return np.concatenate(out)


def told(mixer: Mixer, kind: Heard) -> list[Record]:
    return [r for r in mixer.events.take() if r[0] == kind]


@settings(max_examples=200)
@given(
    st.sampled_from([1, 3, 16, 64]),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 300)), max_size=VOICES),
)
def test_every_sound_starts_at_its_own_sample(block: int, asked: list[tuple[int, int]]) -> None:
    sounds = [sound(n, 1e-4) for n in (1, 5, 90)]
    mixer = Mixer(sounds, block, 1, 0)
    expected = np.zeros((400 + 128, 1), dtype=np.float32)
    for token, (number, at) in enumerate(asked, 1):
        assert mixer.arm(token, number, 11, round(T0_NS + at * STEP_NS))
        expected[at : at + len(sounds[number])] += sounds[number]
    got = run(mixer, -(-400 // block))
    assert np.allclose(got[:400], expected[:400], atol=1e-6)
    events = mixer.events.take()
    for token, (number, at) in enumerate(asked, 1):
        start, end = (next(r for r in events if r[:2] == (kind, token)) for kind in (Heard.STARTED, Heard.ENDED))
        assert abs(start[2] - (T0_NS + at * STEP_NS)) <= 1
        assert (start[3], start[4]) == (7, 11)
        assert abs(end[2] - (T0_NS + (at + len(sounds[number])) * STEP_NS)) <= 1
        assert end[5] == len(sounds[number])


def test_at_once_means_the_next_block() -> None:
    mixer = Mixer([sound(4)], 8, 1, 0)
    mixer.arm(1, 0, 0)
    assert np.array_equal(run(mixer, 1)[:4], sound(4))


def test_a_late_order_starts_with_the_next_block_and_tells_when() -> None:
    mixer = Mixer([sound(4)], 8, 1, 0)
    mixer.arm(1, 0, T0_NS - 10**6, T0_NS - 10**6)
    assert np.array_equal(run(mixer, 1)[:4], sound(4))
    assert told(mixer, Heard.STARTED)[0][2:5] == (T0_NS, 7, T0_NS - 10**6)


@given(st.integers(0, 60), st.integers(0, 40), st.sampled_from([4, 16, 64]))
def test_a_cancelled_sound_is_never_heard_and_a_heard_one_never_cancelled(at: int, after: int, block: int) -> None:
    mixer = Mixer([sound(20)], block, 1, 0)
    mixer.arm(1, 0, 0, round(T0_NS + at * STEP_NS))
    before = run(mixer, after)
    cancelled = mixer.cancel(1)
    whole = np.concatenate([before, run(mixer, 100 // block + 2, after)])
    assert cancelled == (not told(mixer, Heard.STARTED))
    assert cancelled == (not whole.any())
    assert not mixer.cancel(1)


@given(st.integers(0, 90), st.integers(0, 20), st.sampled_from([4, 16, 64]))
def test_a_stopped_sound_fades_from_the_sample_asked(stop_at: int, fade: int, block: int) -> None:
    steady = np.full((100, 1), 0.5, dtype=np.float32)
    mixer = Mixer([steady], block, 1, fade)
    mixer.arm(1, 0, 0, T0_NS)
    mixer.stop(1, round(T0_NS + stop_at * STEP_NS))
    got = run(mixer, 160 // block + 1)[:, 0]
    curve = 0.5 * (0.5 + 0.5 * np.cos(np.pi * (np.arange(fade) + 1) / (fade + 1)))
    expected = np.concatenate([np.full(stop_at, 0.5), curve])[:100]
    assert np.allclose(got[: len(expected)], expected, atol=1e-6)
    assert not got[len(expected) :].any()
    assert told(mixer, Heard.ENDED)[0][5] == len(expected)
    assert mixer.outstanding() == []


def test_overlap_beyond_full_scale_is_limited_and_told_once() -> None:
    loud = np.full((30, 2), 0.7, dtype=np.float32)
    mixer = Mixer([loud], 10, 2, 0)
    mixer.arm(1, 0, 0)
    mixer.arm(2, 0, 0)
    assert np.all(run(mixer, 3) == 1.0)
    assert len(told(mixer, Heard.CLIPPED)) == 1


def test_overlapping_sync_pulses_are_no_clipping() -> None:
    laid = np.stack([np.full(30, 0.3), np.ones(30)], axis=1).astype(np.float32)
    mixer = Mixer([laid], 10, 2, 0)
    mixer.arm(1, 0, 0)
    mixer.arm(2, 0, 0)
    got = run(mixer, 3)
    assert np.allclose(got[:, 0], 0.6)
    assert np.all(got[:, 1] == 1)
    assert not told(mixer, Heard.CLIPPED)


def test_no_more_sounds_than_voices_and_voices_come_back() -> None:
    mixer = Mixer([sound(4)], 8, 1, 0)
    assert all(mixer.arm(token, 0, 0) for token in range(1, VOICES + 1))
    assert not mixer.arm(99, 0, 0)
    run(mixer, 1)
    assert all(mixer.arm(token, 0, 0) for token in range(100, 100 + VOICES))
    assert all(mixer.cancel(token) for token in range(100, 100 + VOICES))
    assert mixer.arm(200, 0, 0), "a cancelled sound's voice is free at once"


def test_a_sound_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="float32 of shape"):
        Mixer([np.zeros((4, 2), dtype=np.float32)], 8, 1, 0)


def test_a_block_is_mixed_without_making_an_array() -> None:
    """However long the block, mixing it takes no more memory than Python's own small objects."""
    block, channels = 8192, 2
    mixer, clock = Mixer([sound(5 * block, 1e-6, channels)], block, channels, 2 * block), DacClock(48_000, block)
    for token in (1, 2, 3):
        mixer.arm(token, 0, 0)
    mixer.stop(2)
    used: list[int] = []
    for k in range(8):  # all play, one fades, all end
        tracemalloc.start()
        clock.update(round(T0_NS + k * block * STEP_NS), 5e6)
        mixer.fill(T0_NS + k * block * STEP_NS, STEP_NS, 7)
        used.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(used) < mixer.block.nbytes / 10
    assert mixer.outstanding() == []


@given(st.lists(st.integers(0, 12), max_size=30), st.integers(1, 8))
def test_the_ring_keeps_order_and_counts_what_it_drops(puts: list[int], capacity: int) -> None:
    ring, expected, lost, number = Ring(capacity), [], 0, 0
    for count in puts:
        kept = 0
        for _ in range(count):
            number += 1
            if kept < capacity:
                expected.append(number)
                kept += 1
            else:
                lost += 1
            ring.put(1, number, 0, 0, 0, 0)
        assert [r[1] for r in ring.take()] == expected
        expected.clear()
    assert ring.lost == lost


@pytest.fixture
def eager_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_switching")
def test_two_threads_never_disagree_on_whether_it_sounded() -> None:
    """One thread fills blocks, the other arms and cancels: each token is heard or cancelled, never both."""
    mixer, done = Mixer([sound(2)], 4, 1, 0), threading.Event()
    outcome: dict[int, int] = {}

    def audio() -> None:
        k = 0
        while not done.is_set():
            mixer.fill(T0_NS + k * 4 * STEP_NS, STEP_NS, 0)
            k += 1

    thread = threading.Thread(target=audio)
    thread.start()
    armed, cancelled, token = set(), set(), 0
    for token in range(1, 5001):
        if mixer.arm(token, 0, 0):
            armed.add(token)
        if token % 3 and mixer.cancel(token):
            cancelled.add(token)
        for record in mixer.events.take():
            if record[0] == Heard.STARTED:
                outcome[record[1]] = outcome.get(record[1], 0) + 1
    done.set()
    thread.join()
    mixer.fill(T0_NS + 1e12, STEP_NS, 0)
    for record in mixer.events.take():
        if record[0] == Heard.STARTED:
            outcome[record[1]] = outcome.get(record[1], 0) + 1
    assert cancelled
    assert outcome
    assert set(outcome) == armed - cancelled
    assert set(outcome.values()) == {1}
