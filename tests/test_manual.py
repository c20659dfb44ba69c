"""docs/protocols.md says what the protocol files say, all of it, and is fresh."""

from __future__ import annotations

import pytest
from rehearse import ROOT

from rig.experiment.manual import chapter, docstring, house_protocols, page
from rig.experiment.protocol import Protocol

PROTOCOLS = house_protocols()


def test_the_page_is_fresh() -> None:
    written = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    assert written == page(PROTOCOLS) + "\n", "run `make generated`"


@pytest.mark.parametrize("experiment", PROTOCOLS, ids=lambda one: one.name)
def test_methods_every_parameter_and_every_state_are_on_it(experiment: Protocol) -> None:
    text = chapter(experiment)
    assert docstring(experiment).split("\n\n")[0] in text
    for name, param in experiment.params.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert row.endswith(f"| {param.doc} |")
        assert ("*recalled*" in row) == param.recalled
        assert str(param.high) in row or param.high is None
    drawing = text.split("```mermaid")[1]
    states = [line.split('"')[1] for line in experiment.source.splitlines() if line.strip().startswith("State(")]
    assert all(f" {state}" in drawing for state in states)
