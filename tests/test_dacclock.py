"""The converter's time line: drift, late callbacks, leads that wander, gaps flagged and not, fuller buffers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rig.sound.dacclock import DacClock

RATE, BLOCK = 48_000, 128
BLOCK_NS = 1e9 * BLOCK / RATE
SECOND = round(1e9 / BLOCK_NS)  # blocks


class Device:
    """A sound device with a buffer of four blocks: its true conversion times, and what a callback sees of them."""

    def __init__(self, seed: int, ppm: float = 0.0, late_us: float = 50.0, wander_us: float = 50.0) -> None:
        self.random = np.random.default_rng(seed)
        self.period_ns = BLOCK_NS * (1 - ppm * 1e-6)
        self.late_us, self.wander_us = late_us, wander_us
        self.full_ns = 4 * BLOCK_NS
        self.true_ns = 3e12
        self.lie_ns = 0.0  # what the reported lead is off by

    def block(self) -> tuple[int, float]:
        self.true_ns += self.period_ns
        now_ns = self.true_ns - self.full_ns + self.random.exponential(self.late_us * 1000)
        lead_ns = self.true_ns - now_ns + self.lie_ns + self.random.normal(0, self.wander_us * 1000)
        return round(now_ns), lead_ns


def run(
    clock: DacClock, device: Device, blocks: int, first_flagged: bool = False
) -> tuple[NDArray[np.float64], list[int]]:
    """Errors in ns and their bounds, shape (n, 2), and the jumps told."""
    rows, jumps = [], []
    for k in range(blocks):
        jumped_ns = clock.update(*device.block(), first_flagged and k == 0)
        if jumped_ns:
            jumps.append(jumped_ns)
        rows.append((clock.start_ns - device.true_ns, clock.error_ns))
    return np.array(rows), jumps


def started(device: Device, seconds: float = 3) -> DacClock:
    clock = DacClock(RATE, BLOCK)
    run(clock, device, round(seconds * SECOND))
    assert clock.settled
    return clock


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.floats(-200, 200), st.floats(1, 300), st.floats(0, 300))
def test_follows_any_crystal_within_its_bound(seed: int, ppm: float, late_us: float, wander_us: float) -> None:
    device = Device(seed, ppm, late_us, wander_us)
    rows, jumps = run(started(device), device, 10 * SECOND)
    assert not jumps
    assert np.all(np.abs(rows[:, 0]) <= rows[:, 1])


def test_jitter_is_averaged_away() -> None:
    device = Device(1, 50.0, late_us=200.0, wander_us=300.0)
    rows, _ = run(started(device), device, 20 * SECOND)
    assert rows[10 * SECOND :, 0].std() < 60_000


def test_the_rate_is_found() -> None:
    device = Device(2, 80.0, late_us=20.0)
    clock = started(device, 30)
    assert clock.step_ns == pytest.approx(1e9 / RATE * (1 - 80e-6), rel=20e-6)


def test_a_lead_that_wanders_moves_the_line_little() -> None:
    """As a sound server's does beside busy processes: 8 ms wrong for ten seconds."""
    device = Device(3)
    clock = started(device, 10)
    device.lie_ns = 8e6
    rows, jumps = run(clock, device, 10 * SECOND)
    assert not jumps
    assert np.abs(rows[:, 0]).max() < 0.4e6
    assert np.all(np.abs(rows[:, 0]) <= rows[:, 1])


@pytest.mark.parametrize("gap_ms", [3.0, 25.0, 400.0])
def test_after_a_flagged_gap_the_line_is_right_though_the_leads_are_not(gap_ms: float) -> None:
    device = Device(4)
    clock = started(device)
    device.true_ns += gap_ms * 1e6
    device.lie_ns = -5e6
    rows, jumps = run(clock, device, 3 * SECOND, first_flagged=True)
    assert not jumps, "it was told as an underrun already"
    assert np.all(np.abs(rows[20:, 0]) <= rows[20:, 1])
    assert np.abs(rows[SECOND // 2 :, 0]).max() < 0.6e6


@pytest.mark.parametrize("gap_ms", [3.0, 25.0, 400.0])
def test_a_gap_nobody_flagged_is_told_with_its_length(gap_ms: float) -> None:
    device = Device(5)
    clock = started(device)
    device.true_ns += gap_ms * 1e6
    rows, jumps = run(clock, device, 3 * SECOND)
    assert len(jumps) == 1
    assert jumps[0] == pytest.approx(gap_ms * 1e6, abs=0.5e6)
    assert np.all(np.abs(rows[SECOND:, 0]) <= rows[SECOND:, 1])


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_buffer_kept_fuller_is_no_gap(blocks: int) -> None:
    device = Device(6)
    clock = started(device)
    device.full_ns += blocks * BLOCK_NS
    rows, jumps = run(clock, device, 3 * SECOND)
    assert not jumps
    assert np.abs(rows[SECOND:, 0]).max() < 0.6e6


def test_a_gap_that_portaudio_does_not_see_is_told_and_believed() -> None:
    device = Device(6)
    clock = started(device)
    device.true_ns += 6e6
    device.lie_ns = -6e6
    rows, jumps = run(clock, device, 3 * SECOND)
    assert len(jumps) == 1
    assert jumps[0] == pytest.approx(6e6, abs=0.5e6)
    assert np.all(np.abs(rows[SECOND:, 0]) <= rows[SECOND:, 1])


def test_callbacks_held_up_for_a_second_are_taken_back() -> None:
    device = Device(6)
    clock = started(device)
    device.full_ns -= 6e6
    _, held = run(clock, device, SECOND)
    device.full_ns += 6e6
    rows, back = run(clock, device, 3 * SECOND)
    assert held[0] == pytest.approx(6e6, abs=0.5e6)
    assert sum(held + back) == pytest.approx(0, abs=3e6)
    assert np.abs(rows[SECOND:, 0]).max() < 3e6


def test_an_empty_buffer_is_an_underrun_though_nobody_flags_it() -> None:
    device = Device(6)
    clock = DacClock(RATE, BLOCK)
    clock.update(round(device.true_ns - 10e6), 0.0)
    assert not clock.emptied, "not filled yet"
    run(clock, device, SECOND)
    assert not clock.emptied
    clock.update(round(device.true_ns), 0.0)
    assert clock.emptied
    clock.update(*device.block())
    assert not clock.emptied


def test_late_callbacks_for_a_tenth_of_a_second_are_not_believed() -> None:
    device = Device(7)
    clock = started(device)
    device.full_ns -= 6e6  # every callback late by 6 ms, and PortAudio sees the buffer run low
    rows, jumps = run(clock, device, SECOND // 10)
    device.full_ns += 6e6
    after, more = run(clock, device, SECOND)
    rows = np.concatenate([rows, after])
    assert not jumps + more
    assert np.abs(rows[:, 0]).max() < 0.3e6


@pytest.mark.parametrize("lead_too", [True, False])
def test_one_callback_that_comes_early_is_a_freak(lead_too: bool) -> None:
    device = Device(8)
    clock = started(device)
    now_ns, lead_ns = device.block()
    clock.update(now_ns - 5_000_000, lead_ns + 5e6 * lead_too)
    rows, jumps = run(clock, device, SECOND)
    assert not jumps
    assert np.abs(rows[:, 0]).max() < 0.3e6


def test_just_after_a_gap_the_bound_is_as_wide_as_the_lead() -> None:
    device = Device(9)
    clock = started(device)
    narrow = clock.error_ns
    clock.update(*device.block(), True)
    assert clock.error_ns > narrow + 0.9 * device.full_ns


def test_priming_callbacks_without_a_lead_are_ignored() -> None:
    clock, device = DacClock(RATE, BLOCK), Device(10)
    for _ in range(20):
        clock.update(round(device.true_ns - 10e6), 0.0)
    assert not clock.settled
    rows, _ = run(clock, device, 3 * SECOND)
    assert clock.settled
    assert np.all(np.abs(rows[SECOND:, 0]) <= rows[SECOND:, 1])


def test_a_measured_delay_moves_the_line() -> None:
    plain, moved, device = DacClock(RATE, BLOCK), DacClock(RATE, BLOCK, 2_000_000.0, 5_000), Device(11)
    for _ in range(500):
        now_ns, lead_ns = device.block()
        plain.update(now_ns, lead_ns)
        moved.update(now_ns, lead_ns)
    assert moved.start_ns - plain.start_ns == pytest.approx(2e6, abs=1)
    assert moved.error_ns - plain.error_ns == pytest.approx(5000, abs=1)
