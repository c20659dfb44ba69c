"""The exploration: the promises hold in every state that it reaches, and it finds every core that was spoilt."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from explore.explorer import CHECK_DEPTH, build, covered, explore
from explore.mutants import MUTANTS, Mutant

from rig.bodies.core import firmware_folder

pytestmark = pytest.mark.skipif(os.name == "nt" or not shutil.which("gcc"), reason="needs gcc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explore")


def test_no_output_stays_on_in_any_state_within_reach(folder: Path) -> None:
    kept, said = explore(build(folder), "depth", CHECK_DEPTH)
    assert kept, said
    worlds = said.splitlines()
    assert len(worlds) == 4
    for kind in ("dead-man", "interlock", "ceiling", "duty", "firmware"):  # it is no proof if nothing ever happened
        assert sum(int(n) for n in re.findall(rf"{kind} (\d+)", said)) > 100, kind
    assert sum(int(n) for n in re.findall(r"(\d+) states", said)) > 500_000


def test_states_that_count_as_the_same_go_on_alike(folder: Path) -> None:
    kept, said = explore(build(folder), "merges", 1, 20_000)
    assert kept, said
    assert int(re.findall(r"(\d+) merged pairs", said)[0]) > 100_000


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_spoilt_core_is_found(folder: Path, mutant: Mutant) -> None:
    kept, said = explore(build(folder, mutant), "depth", CHECK_DEPTH)
    assert not kept
    assert mutant.breaks in said


def test_every_line_of_safety_is_run(tmp_path: Path) -> None:
    kept, said = explore(build(tmp_path, flags=("-O0", "--coverage")), "depth", 4)
    assert kept, said
    run, lines, never = covered(tmp_path, "safety")
    assert lines > 100
    assert never == [], f"{run} of {lines} lines of safety.c were run"


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("what is on", r"active_outputs\s*[|&^]?=[^=]"),
        ("arming", r"->armed\s*=[^=]"),
        ("the lock", r"->locked\s*=[^=]"),
        ("faults", r"->faults\s*[|&]?=[^=]"),
        ("limits", r"->(limit|duty|deadman_us|interlock|safe_levels)\b[^;=!<>]*=[^=]"),
        ("the guarding timers", r"timer_(set|clear)\([^;]*TIMER_(LIMIT|DEADMAN)"),
    ],
)
def test_only_safety_writes(what: str, pattern: str) -> None:
    """Safety is one place. (A board that is just begun, in core_init, has nothing to guard.)"""
    found = set()
    for source in (firmware_folder() / "core").glob("*.c"):
        text = re.sub(r"void core_init\(.*?\n}", "", source.read_text(encoding="utf-8"), flags=re.DOTALL)
        if re.search(pattern, text):
            found.add(source.name)
    assert found == {"safety.c"}, what
