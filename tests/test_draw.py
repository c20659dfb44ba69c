"""Drawings of a trial: every state and every way out is in them."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from rig import END, State, Trial, s
from rig.experiment.draw import mermaid, svg
from rig.experiment.protocol import load_protocol, protocol_folders
from rig.experiment.task import Past

PROTOCOLS = sorted(path.stem for path in protocol_folders()[1].glob("[a-z]*.py"))


def trial_of(name: str) -> Trial:
    experiment = load_protocol(name)
    return experiment.trial(experiment.params.values_with(), Past(), random.Random(1))


def test_mermaid_says_it_all() -> None:
    trial = Trial(
        State("hold on", after=(1 * s, "pay"), zero_lever=True),
        State("pay", on="valve", after=(2 * s, END)),
    )
    assert mermaid(trial).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> hold_on",
        "    hold_on: hold on<br/>zero the lever",
        "    hold_on --> pay: after 1 s",
        "    pay: pay<br/>valve on",
        "    pay --> [*]: after 2 s",
    ]


def test_mermaid_spells_an_arrow_which_it_would_draw() -> None:
    drawn = mermaid(trial_of("cued_lever"))
    assert "press 1.5 mm to 3 mm pressed" in drawn
    assert "→" not in drawn


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_state_and_way_of_every_protocol_is_drawn(name: str) -> None:
    trial = trial_of(name)
    ways = sum(1 for state in trial.states for _ in state.targets())
    assert mermaid(trial).count(" --> ") == ways + 1
    root = ET.fromstring(svg(trial))
    space = "{http://www.w3.org/2000/svg}"
    texts = {text.text for text in root.iter(f"{space}text")}
    assert {state.name for state in trial.states} <= texts
    arrows = [path for path in root.iter(f"{space}path") if path.get("marker-end")]
    assert len(arrows) == ways


def test_the_readme_picture_is_fresh() -> None:
    picture = Path(__file__).parent.parent / "docs" / "cued_lever.svg"
    fresh = picture.read_text(encoding="utf-8") == svg(trial_of("cued_lever"))
    assert fresh, "run `make generated`"
