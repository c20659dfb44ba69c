"""docs/authoring.md: its example is written as it stands there, and runs; what else it says is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rehearse import ROOT, rig_folder, run_session
from test_table import PlainBench

import rig
from rig import END, State, Trial, s
from rig.cli import main
from rig.doors.verify import check
from rig.experiment.table import Limits, compile_trial
from rig.record.folder import events_of, read_entries

PAGE = (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def protocol(tmp_path: Path) -> str:
    """The example, saved as the page says."""
    path = tmp_path / "two_presses.py"
    path.write_text(EXAMPLE, encoding="utf-8")
    return str(path)


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.splitlines()) < 30


def test_two_presses_bring_one_drop_and_one_brings_none(
    protocol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--protocol", protocol, "--trials", "10", "--animal", "mouse:day=14")
    summary = run_session(rig_folder(tmp_path), capsys, *words)
    assert set(summary["outcomes"]) <= {"rewarded", "missed"}
    assert 3 <= summary["rewarded"] <= 10
    assert summary["water_ul"] == pytest.approx(8 * summary["rewarded"])
    presses, counted = 0, []
    for event in events_of(read_entries(Path(summary["session"]))[0]):
        if event.name == "trial_begin":
            presses = 0
        presses += event.name == "rule" and event.fields["decision"] == "press"
        if event.name == "state" and event.fields["state"] in ("reward", "miss"):
            counted.append((event.fields["state"], presses))
    assert all(n == 2 if state == "reward" else n < 2 for state, n in counted)
    assert check(Path(summary["session"])).good


def test_an_empty_rig_earns_nothing(protocol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--protocol", protocol, "--trials", "3", "--animal", "none", "--set", "iti=1s")
    summary = run_session(rig_folder(tmp_path), capsys, *words)
    assert (summary["outcomes"], summary["water_ul"]) == ({"missed": 3}, 0)
    assert check(Path(summary["session"])).good


def test_it_can_be_drawn_and_its_fault_has_a_line(
    protocol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw", protocol]) == 0
    assert "once --> reward" in capsys.readouterr().out
    text = EXAMPLE.replace("p.iti", "p.hold")
    line = 1 + text[: text.index("p.hold")].count("\n")
    Path(protocol).write_text(text, encoding="utf-8")
    assert main(["run", "--config", str(rig_folder(tmp_path)), "--protocol", protocol, "--fast"]) == 1
    said = capsys.readouterr().err
    assert f'two_presses.py:{line}: there is no parameter "hold"' in said


def test_the_page_names_what_is_there() -> None:
    for name in re.findall(r"`([A-Z][A-Za-z]+|between|interval|trial_mark|light_for)\(", PAGE):
        assert hasattr(rig, name), name
    (units,) = re.findall(r"Units are `(.*?)`", PAGE)
    assert all(hasattr(rig, unit) for unit in re.split(r"[ ,]+", units))
    board = Limits()
    said = f"{board.states} states, {board.rules} lever rules, {board.generators} generators"
    assert said in PAGE


def test_of_several_outcomes_the_last_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = "a", "b"
    trial = Trial(*(State(name, after=(1 * s, to), outcome=name) for name, to in zip(two, ("b", END), strict=True)))
    assert compile_trial(trial, PlainBench(), Limits()).outcomes == two
    path = tmp_path / "two.py"
    states = 'State("a", after=(1 * s, "b"), outcome="first"), State("b", after=(1 * s, END), outcome="last")'
    path.write_text(
        f'"""Methods."""\nfrom rig import *\nPARAMS = Params()\ndef trial(p, past, rng):\n    return Trial({states})\n',
        encoding="utf-8",
    )
    words = ["run", "--config", str(rig_folder(tmp_path)), "--protocol", str(path), "--fast", "--trials", "2", "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["outcomes"] == {"last": 2}
