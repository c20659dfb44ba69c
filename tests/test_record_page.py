"""docs/record.md: its commands, its query and its about.yaml are taken as they stand there."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from pathlib import Path

import duckdb
import pytest
from rehearse import ROOT
from studies import study_place  # noqa: F401 (fixture)

from rig.export.about import read_about

PAGE = (ROOT / "docs" / "record.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("    rig ")]


@pytest.mark.parametrize("line", COMMANDS)
def test_its_commands_are_understood(line: str) -> None:
    _, command, *words = shlex.split(line, comments=True)
    parser = argparse.ArgumentParser()
    importlib.import_module(f"rig.doors.{command}").arguments(parser)
    parser.parse_args(words)


def test_its_query_counts_the_rewarded(study_place: Path) -> None:  # noqa: F811
    (query,) = re.findall(r"^    (SELECT .*?) +--", PAGE, re.MULTILINE)
    rows = duckdb.connect().execute(query.replace("data/", f"{study_place}/")).fetchall()
    assert {row[:2] for row in rows} == {(f"M0{m}", f"2025-03-0{d}_1") for m in (1, 2) for d in (3, 4)}


def test_its_about_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "about.yaml").write_text(text, encoding="utf-8")
    about = read_about(tmp_path / "about.yaml")
    assert about.light is not None
    assert (about.light.opsin, about.animal("M01").sex, about.animal("M02").sex) == ("ArchT", "F", "M")
