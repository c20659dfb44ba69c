"""docs/answers.md names tests that exist."""

from __future__ import annotations

import ast
import re

import pytest
from rehearse import ROOT

NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs" / "answers.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_answers_a_complaint_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_there_are_answers() -> None:
    assert len(NAMED) > 12
