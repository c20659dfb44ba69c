"""`rig check` on the simulated rig and through pyserial on the pty body."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rehearse import rig_folder

from rig.cli import main


@pytest.mark.parametrize("body", ["simulator", "pty"])
def test_clock_link_and_round_trips_are_told(body: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    assert main(["check", "--config", str(config), "--body", body]) == 0
    said = capsys.readouterr().out
    assert f"hello: {body}, life" in said
    assert "link: 0 damaged frames, 0 sent again" in said
    p50, p99, worst = map(int, re.findall(r"round trip: (\d+) us \(p50\), (\d+) \(p99\), (\d+)", said)[0])
    assert 500 < p50 <= p99 <= worst < 20_000
    drift = float(re.findall(r"clock: ([+-][\d.]+) ppm", said)[0])
    assert abs(abs(drift) - 20) < 40


def test_outputs_are_pulsed_in_turn_and_the_laser_s_read_back_closes_a_loop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The simulated laser's photodiode follows after 20 us: a wire from `laser` to `laser_back`."""
    config = rig_folder(tmp_path)
    words = ["check", "--config", str(config), "--outputs", "--yes", "--jumper", "laser:laser_back", "--interlock"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.count("confirmed") == 8
    assert "loop laser to laser_back: 20 us (median), 20 (worst) of 20" in said
    assert "interlock: none in config.yaml" in said


def test_a_wire_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    assert main(["check", "--config", str(config), "--jumper", "sync:lick"]) == 1
    assert "lick did not follow sync" in capsys.readouterr().err
    assert main(["check", "--config", str(config), "--jumper", "sync"]) == 1
    assert "expected OUTPUT:INPUT" in capsys.readouterr().err


def test_an_interlock_that_nobody_opens_is_not_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path, safety__interlock="interlock")
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("inputs:\n", "inputs:\n  interlock:\n    active_low: false\n"), encoding="utf-8")
    assert main(["check", "--config", str(config), "--interlock", "--yes"]) == 1
    assert "NOT SEEN" in capsys.readouterr().out
