"""The converter's time line: drift, jitter, late callbacks, a wall clock that is set, gaps in the sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.dacclock import DacClock

RATE, BLOCK = 48_000, 128
BLOCK_NS = 1e9 * BLOCK / RATE
WALL_S = 1_700_000_000.0  # PortAudio's clock may be the wall clock


class Device:
    """A sound device: its true conversion times, and what PortAudio would say of them."""

    def __init__(self, seed: int, ppm: float = 0.0, jitter_us: float = 100.0, late_us: float = 50.0) -> None:
        self.random = np.random.default_rng(seed)
        self.period_ns = BLOCK_NS * (1 - ppm * 1e-6)
        self.jitter_us, self.late_us = jitter_us, late_us
        self.wall_s = WALL_S
        self.true_ns = 3e12 + 20e6

    def block(self) -> tuple[int, float, float]:
        self.true_ns += self.period_ns
        asked_ns = self.true_ns - 10e6
        now_ns = round(asked_ns + self.random.exponential(self.late_us * 1000))
        said_ns = self.true_ns + self.random.normal(0, self.jitter_us * 1000)
        return now_ns, asked_ns / 1e9 + self.wall_s, said_ns / 1e9 + self.wall_s


def run(clock: DacClock, device: Device, blocks: int) -> tuple[np.ndarray, list[int]]:
    """Errors in ns of the last blocks, shape (n, 2) with their bounds, and the jumps told."""
    rows, jumps = [], []
    for _ in range(blocks):
        jumped_ns = clock.update(*device.block())
        if jumped_ns:
            jumps.append(jumped_ns)
        rows.append((clock.start_ns - device.true_ns, clock.error_ns))
    return np.array(rows), jumps


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16), st.floats(-200, 200), st.floats(0, 300), st.floats(1, 300))
def test_follows_any_crystal_within_its_bound(seed: int, ppm: float, jitter_us: float, late_us: float) -> None:
    clock, device = DacClock(RATE, BLOCK), Device(seed, ppm, jitter_us, late_us)
    run(clock, device, 200)
    assert clock.settled
    rows, jumps = run(clock, device, 4000)
    assert not jumps
    assert np.all(np.abs(rows[:, 0]) <= rows[:, 1])


def test_jitter_is_averaged_away() -> None:
    clock, device = DacClock(RATE, BLOCK), Device(1, 50.0, jitter_us=300.0)
    run(clock, device, 4000)
    rows, _ = run(clock, device, 4000)
    assert rows[:, 0].std() < 300_000 / 5


def test_the_rate_is_found() -> None:
    clock, device = DacClock(RATE, BLOCK), Device(2, 80.0, jitter_us=20.0)
    run(clock, device, 8000)
    assert clock.step_ns == pytest.approx(1e9 / RATE * (1 - 80e-6), rel=10e-6)


@pytest.mark.parametrize("step_s", [3600.0, 0.5, -0.5, -3600.0])
def test_a_wall_clock_that_is_set_moves_nothing(step_s: float) -> None:
    clock, device = DacClock(RATE, BLOCK), Device(3)
    run(clock, device, 1000)
    device.wall_s += step_s
    rows, _ = run(clock, device, 2000)
    # Set back, it is believed only after lasting; until then the line coasts.
    assert np.all(np.abs(rows[:, 0]) <= rows[:, 1])


@pytest.mark.parametrize("gap_ms", [4.0, 25.0, 500.0])
def test_a_gap_nobody_flagged_is_told_with_its_length(gap_ms: float) -> None:
    clock, device = DacClock(RATE, BLOCK), Device(4)
    run(clock, device, 1000)
    device.true_ns += gap_ms * 1e6
    rows, jumps = run(clock, device, 2000)
    assert len(jumps) == 1
    assert jumps[0] == pytest.approx(gap_ms * 1e6, abs=0.5e6)
    assert np.all(np.abs(rows[20:, 0]) <= rows[20:, 1])


def test_a_single_odd_report_is_not_believed() -> None:
    clock, device = DacClock(RATE, BLOCK), Device(5)
    run(clock, device, 1000)
    now_ns, asked_s, said_s = device.block()
    assert clock.update(now_ns, asked_s, said_s + 0.030) == 0
    assert abs(clock.start_ns - device.true_ns) < 1e6


def test_after_a_restart_the_bound_is_as_wide_as_the_lead() -> None:
    clock, device = DacClock(RATE, BLOCK), Device(6)
    run(clock, device, 2000)
    narrow = clock.error_ns
    clock.restart()
    assert not clock.settled
    assert clock.error_ns > narrow + 9e6


def test_priming_callbacks_without_a_time_are_ignored() -> None:
    clock, device = DacClock(RATE, BLOCK), Device(7)
    for _ in range(20):
        clock.update(1_000_000, WALL_S, WALL_S)
    assert not clock.settled
    rows, _ = run(clock, device, 3000)
    assert np.all(np.abs(rows[50:, 0]) <= rows[50:, 1])


def test_a_measured_delay_moves_the_line() -> None:
    plain, moved = DacClock(RATE, BLOCK), DacClock(RATE, BLOCK, 2_000_000.0, 5_000)
    for _ in range(500):
        block = Device(8).block()
        plain.update(*block)
        moved.update(*block)
    assert moved.start_ns - plain.start_ns == pytest.approx(2e6, abs=1)
    assert moved.error_ns - plain.error_ns == pytest.approx(5000, abs=1)
