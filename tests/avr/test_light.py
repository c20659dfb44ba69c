"""Light on the emulated Mega, at its pins, with 10,000 edges/s and a busy line: on time, off time, and evenly down.

`bench/light.py` has the table; what stands here must never get worse.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import light

WITHIN_US = 50
LIGHTS = 16


@pytest.mark.parametrize("trigger", ["input", "lever"])
@pytest.mark.parametrize("case", light.CASES)
def test_light_comes_and_goes_on_time(case: str, trigger: str) -> None:
    found = light.measure(light.CASES[case], trigger, lights=LIGHTS)
    assert np.abs(found.on_late_us).max() < WITHIN_US
    assert np.abs(found.off_late_us).max() < WITHIN_US
    assert not found.rig.troubles()
    assert not found.rig.told("lost", "fault", "input_error")


@pytest.mark.parametrize("name", light.HOUSE)
def test_so_does_the_light_of_the_protocols(name: str) -> None:
    found = light.house(name)
    assert np.abs(found.on_late_us).max() < WITHIN_US
    assert np.abs(found.off_late_us).max() < WITHIN_US


@pytest.mark.parametrize(("ramp_us", "level"), [(100_000, 200), (32_000, 200), (100_000, 60)])
def test_a_ramp_falls_in_even_steps(ramp_us: int, level: int) -> None:
    found = light.ramp(ramp_us, level)
    assert len(found.steps_us) == len(found.levels) == light.RAMP_STEPS
    assert found.worst_step < 0.05
    assert found.worst_level < 0.05
    assert abs(found.end_late_us) < WITHIN_US
