"""Imports go down only, and the pure floor touches no time, threads, sockets or files."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RIG = Path(__file__).parent.parent / "rig"

# The house, floor by floor (docs/house.md). A module imports from its own floor and below; where a room has modules on
# several floors, each is named.
FLOORS: dict[str, int] = {}
for _floor, _rooms in enumerate(
    (
        "calibration clock config curves curves.learning curves.text errors events experiment.blocks"
        " experiment.ceilings experiment.draw experiment.params experiment.parts experiment.table experiment.task"
        " experiment.worst imaging.frames"
        " imaging.trialcode light.proof numbering pins plan record.columns record.entry record.format record.seal"
        " record.view"
        " session.course session.summary session.watcher sound subject.water subject.welfare training units wire"
        " wiregen",
        "archive board bodies.animals bodies.core bodies.machine bodies.pty bodies.sim config.file experiment.manual"
        " experiment.protocol export figures firmata link mouse plan.file record.derived record.journal soundcard"
        " stream subject.ledger",
        "archive.fill campaign imaging.watch light.obeyed light.watch record.brief record.folder record.remake"
        " record.replay record.verify session.intent session.launch session.loop session.ready session.recall"
        " session.recovery session.resume session.setup session.timing session.trials sound.cues subject.history",
        "__init__ __main__ cli doors",
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


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(RIG).with_suffix("").parts).removesuffix(".__init__")


def room(name: str) -> str | None:
    """The longest beginning of a module's name that the list of floors has."""
    parts = name.split(".")
    return next((r for i in range(len(parts), 0, -1) if (r := ".".join(parts[:i])) in FLOORS), None)


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


def is_door_plate(path: Path) -> bool:
    """A package's ``__init__`` that says what the room is, and imports nothing."""
    return path.name == "__init__.py" and not imported(path) - {"__future__"}


def pure_modules() -> list[Path]:
    return [p for p in modules() if (at := room(dotted(p))) and FLOORS[at] == 0]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(RIG)))
def test_imports_go_down(path: Path) -> None:
    if is_door_plate(path):
        return
    mine = room(dotted(path))
    assert mine, f"{dotted(path)} is a new room: say here on which floor it lies"
    for name in imported(path):
        other = room(name.removeprefix("rig.")) if name.startswith("rig.") else None
        if other:
            assert FLOORS[other] <= FLOORS[mine], (
                f"{path.name} (floor {FLOORS[mine]}) imports {name} (floor {FLOORS[other]})"
            )


@pytest.mark.parametrize("path", pure_modules(), ids=lambda path: path.name)
def test_the_pure_floor_is_pure(path: Path) -> None:
    found = {name.split(".")[0] for name in imported(path)} & FORBIDDEN - ALLOWED.get(room(dotted(path)) or "", set())
    assert not found, f"{path.name} is pure and imports {', '.join(sorted(found))}"


@pytest.mark.parametrize("path", pure_modules(), ids=lambda path: path.name)
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
