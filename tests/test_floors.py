"""Imports go down only, and the pure floor touches no time, threads, sockets or files."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RIG = Path(__file__).parent.parent / "rig"

# The house, floor by floor (docs/house.md). A room – a module or a package – imports from its own floor and below.
FLOORS: dict[str, int] = {}
for _floor, _rooms in enumerate(
    (
        "errors units task table wire wiregen numbering events clock config calibration draw plan curves pins frames"
        " sound journal_format worst ceilings proof training welfare course"
        " seal trialcode columns entry session_view learning curve_text blocks watcher summary water",
        "link board core ptybody machine animals mouse sim protocol journal stream configfile planfile soundcard"
        " firmata ledger archive derived figures export manual",
        "session cues verify replay setup record brief subject light remake intent ready launch campaign timing"
        " archiving imaging obeyed recovery recall resume",
        "cli doors __main__ __init__",
    )
):
    FLOORS.update(dict.fromkeys(_rooms.split(), _floor))

FORBIDDEN = {
    *("time", "threading", "socket", "subprocess", "multiprocessing", "asyncio", "pathlib", "os", "io"),
    *("zmq", "serial", "sounddevice", "cffi", "signal", "shutil", "tempfile"),
}
ALLOWED = {"wiregen": {"pathlib"}}  # it writes its two files
_DATED = ("plan", "plan_calendar", "plan_check", "plan_source", "plan_today")  # a plan holds dates, and asks no clock
ALLOWED.update({name: {"datetime"} for name in _DATED})


def modules() -> list[Path]:
    return sorted(path for path in RIG.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(RIG).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "rig":
                names |= {f"rig.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(RIG)))
def test_imports_go_down(path: Path) -> None:
    assert room(path) in FLOORS, f"{room(path)} is a new room: say here on which floor it lies"
    mine = FLOORS[room(path)]
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "rig" and len(parts) > 1 and parts[1] in FLOORS:
            assert FLOORS[parts[1]] <= mine, f"{path.name} (floor {mine}) imports {name} (floor {FLOORS[parts[1]]})"


@pytest.mark.parametrize("path", [p for p in modules() if FLOORS.get(room(p)) == 0], ids=lambda path: path.name)
def test_the_pure_floor_is_pure(path: Path) -> None:
    found = {name.split(".")[0] for name in imported(path)} & FORBIDDEN - ALLOWED.get(room(path), set())
    assert not found, f"{path.name} is pure and imports {', '.join(sorted(found))}"


@pytest.mark.parametrize("path", [p for p in modules() if FLOORS.get(room(p)) == 0], ids=lambda path: path.name)
def test_the_pure_floor_asks_no_clock(path: Path) -> None:
    """A date is a value like any other; asking which day it is, is not."""
    asked = {"now", "today", "utcnow"}
    calls = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    found = [f.attr for f in calls if isinstance(f, ast.Attribute) and f.attr in asked]
    assert not found, f"{path.name} is pure and asks for {found[0]}()"


def test_protocols_import_from_rig_alone() -> None:
    for path in (RIG.parent / "protocols").glob("*.py"):
        assert imported(path) <= {"rig", "__future__"} | {n for n in imported(path) if n.startswith("rig.")}, path
        assert len(path.read_text(encoding="utf-8").splitlines()) < 80, f"{path}: a protocol fits 80 lines"


def test_functions_fit_a_screen() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                assert size <= 60, f"{path.name}: {node.name} has {size} lines"
