"""docs/study.md: its training.yaml and its commands are read as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from rehearse import ROOT, rig_folder

from rig.cli import main
from rig.config.file import load_config
from rig.session.intent import training_of_rig

PAGE = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The commands of the page."""
    joined = PAGE.replace("\\\n", " ")
    lines = [line.strip() for line in joined.splitlines() if line.startswith("    rig ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_the_curriculum_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "training.yaml").write_text(text, encoding="utf-8")
    path = rig_folder(tmp_path, training="training.yaml")
    training = training_of_rig(load_config(path), path)
    assert training is not None
    assert [stage.name for stage in training.stages] == ["drops", "easy", "task"]


def test_the_plan_of_the_page_is_made_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rig_folder(tmp_path, plan="plan.yaml")
    make, show, run, subject, check, *ledger = commands()
    assert main(make) == 0
    assert "control clear 4, blocked 4; opsin clear 4, blocked 4" in capsys.readouterr().out
    assert main(show) == 0
    assert main([*run, "--date", "2025-03-03", "--fast", "--trials", "1"]) == 0
    assert "M07, day 1 of 16: no light; masking light on every trial" in capsys.readouterr().out
    assert main(subject) == 0
    assert main(check) == 0
    assert "1 sessions, 1 trials" in capsys.readouterr().out
    for words in ledger[:3]:
        assert main(words) == 0
    assert [words[:2] for words in ledger[3:]] == [["simulate", "--plan"], ["plan", "check"]]
