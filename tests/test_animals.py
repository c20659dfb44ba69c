"""Who pushes the lever: recorded traces as recorded, paws with inertia, files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearse import ROOT

from rig.bodies.animals import Nobody, Paw, RecordedPushes, Trace, make_animal, read_pushes, read_trace
from rig.errors import ConfigError
from rig.mouse import minimum_jerk

WHEEL = ROOT / "tests" / "data" / "ibl_fpga_wheel_a.encoder.csv.gz"
START_US = (1 << 32) - 10_000_000


def test_a_trace_is_played_as_recorded_however_it_is_asked_for() -> None:
    t_us, counts = read_trace(WHEEL)
    animal = Trace(t_us, counts)
    rng, at_us, total, times = np.random.default_rng(1), START_US, 0, []
    while at_us < START_US + int(t_us[-1] - t_us[0]) + 1:
        until_us = at_us + int(rng.integers(1, 2_000_000))
        edge_us, steps = animal.edges(at_us, until_us)
        assert ((edge_us > at_us) & (edge_us <= until_us)).all()
        total += int(steps.sum())
        times += edge_us.tolist()
        at_us = until_us
    moved = np.flatnonzero(np.diff(counts)) + 1
    assert times == (t_us[moved] - t_us[0] + START_US).tolist()
    assert total == counts[-1] - counts[0]


class Steady(Nobody):
    """A paw that pushes once, for as long as asked."""

    def __init__(self, onset_us: int, height_mm: float, long_us: int) -> None:
        self.onset_us, self.height_mm, self.long_us = onset_us, height_mm, long_us

    def hand_mm(self, start_us: int, n: int) -> np.ndarray | None:
        t_us = start_us + 1000 * np.arange(n)
        on = (t_us >= self.onset_us) & (t_us < self.onset_us + self.long_us)
        return np.where(on, self.height_mm, 0.0) if on.any() else None


def played(paw: Paw, until_us: int, step_us: int) -> tuple[list[int], list[int]]:
    times: list[int] = []
    steps: list[int] = []
    for at_us in range(START_US, until_us, step_us):
        t_us, d = paw.edges(at_us, min(at_us + step_us, until_us))
        times += t_us.tolist()
        steps += d.tolist()
    return times, steps


def test_a_paw_moves_the_lever_with_inertia_and_back() -> None:
    paw = Paw(Steady(START_US + 100_000, 4.0, 500_000), counts_per_mm=100)
    times, steps = played(paw, START_US + 2_000_000, 1_000_000)
    position = np.cumsum(steps)
    assert position.max() == 400
    assert position[-1] == 0
    assert set(steps) == {-1, 1}
    assert times == sorted(times)
    rise_us = times[int(np.argmax(position >= 360))] - times[int(np.argmax(position >= 40))]
    assert 10_000 < rise_us < 60_000  # a step of the paw is not a step of the lever


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1_000, 900_000), min_size=1, max_size=12))
def test_the_lever_moves_the_same_however_it_is_asked_for(parts: list[int]) -> None:
    whole = Paw(Steady(START_US + 300_000, 3.0, 200_000), 100)
    expected = played(whole, START_US + sum(parts), sum(parts))
    pieces = Paw(Steady(START_US + 300_000, 3.0, 200_000), 100)
    at_us, times, steps = START_US, list[int](), list[int]()
    for part in parts:
        t_us, d = pieces.edges(at_us, at_us + part)
        times += t_us.tolist()
        steps += d.tolist()
        at_us += part
    assert (times, steps) == expected


def test_nobody_does_nothing() -> None:
    animal = Nobody()
    assert len(animal.edges(0, 10**9)[0]) == 0
    assert animal.licks_us(0, 10**9) == []
    assert not animal.hears(0, 6000)
    assert not animal.tastes(0)


def test_minimum_jerk_begins_and_ends_at_rest() -> None:
    x = np.linspace(-0.5, 1.5, 401)
    y = minimum_jerk(x)
    assert y[0] == 0
    assert y[-1] == 1
    assert np.abs(np.diff(y)).max() < 2 / 200


def recording(folder: Path, volts: list[float], pushes: int = 2) -> Path:
    rows = [f"1,{n},{10 * i - 500},{v}" for n in range(pushes) for i, v in enumerate(volts)]
    path = folder / "pushes.csv"
    path.write_text("session,push,t_ms,lever_v\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("sign", [1, -1])
def test_recorded_pushes_rest_at_zero_and_push_upwards(tmp_path: Path, sign: int) -> None:
    volts = [1.0 + sign * v for v in [0.0] * 50 + [0.5] * 40 + [0.0] * 60]
    pushes_mm, lead_ms = read_pushes(recording(tmp_path, volts))
    assert pushes_mm.shape == (2, 1491)
    assert lead_ms == 500
    assert pushes_mm[0, 700] == pytest.approx(3.0)
    assert pushes_mm[0, 100] == pytest.approx(0.0)
    assert pushes_mm[0, -1] == pytest.approx(0.0)


def test_recorded_pushes_answer_the_cue_but_not_the_reward_tone(tmp_path: Path) -> None:
    volts = [0.0] * 50 + [0.6] * 40 + [0.0] * 60
    hand = RecordedPushes(*read_pushes(recording(tmp_path, volts)), seed=1)
    assert hand.hand_mm(START_US, 1000) is None
    hand.tastes(START_US)
    assert not hand.hears(START_US, 12_000)
    assert hand.hears(START_US + 2_000_000, 6_000)
    moved = hand.hand_mm(START_US + 2_000_000, 4000)
    assert moved is not None
    assert moved.max() == pytest.approx(3.6)


def test_pushes_of_different_lengths_are_refused(tmp_path: Path) -> None:
    path = recording(tmp_path, [0.0, 1.0, 0.0])
    path.write_text(path.read_text(encoding="utf-8") + "1,9,0,0.1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="not all of the same length"):
        read_pushes(path)


@pytest.mark.parametrize("text", ["moose", "trace", "pushes:absent.csv", "trace:absent.csv.gz"])
def test_unknown_animals_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        make_animal(text, 100.0, 1)
