"""The wheel: what a lab installs has boards' programs, their sources, protocols, and runs without a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("rig", "firmware", "protocols", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources and unpacked as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "sources"
    copy.mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, copy / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
        else:
            shutil.copy(path, copy / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(copy),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def test_it_carries_every_source_protocol_and_program(installed: Path) -> None:
    for folder, kinds in (("firmware", {".c", ".h", ".ino", ".md", ""}), ("protocols", {".py"})):
        for path in sorted((ROOT / folder).rglob("*")):
            told = path.relative_to(ROOT)
            if path.is_file() and path.suffix in kinds and "build" not in told.parts:
                assert (installed / "rig" / told).read_bytes() == path.read_bytes()
    for program in sorted((ROOT / "rig" / "hex").iterdir()):
        assert (installed / "rig" / "hex" / program.name).read_bytes() == program.read_bytes()
    modules = {path.relative_to(ROOT) for path in (ROOT / "rig").rglob("*.py")}
    assert modules <= {path.relative_to(installed) for path in (installed / "rig").rglob("*.py")}


def test_it_runs_a_session_and_finds_its_programs_far_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    def said(code: str, *words: str) -> str:
        command = [sys.executable, "-c", code, *words]
        environment = os.environ | {"PYTHONPATH": str(installed)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shutil.copy(ROOT / "config.yaml", tmp_path)
    said("import sys; from rig.cli import main; sys.exit(main(sys.argv[1:]))", "run", "--fast", "--trials", "2")
    assert list((tmp_path / "data").rglob("journal"))
    firmware = said("from rig.bodies import core; print(core.firmware_folder())").strip()
    assert firmware == str(installed / "rig" / "firmware")
    program = said("from rig.doors import flash; print(flash.program_of('uno328p', None))").strip()
    assert program == str(installed / "rig" / "hex" / "uno328p.hex")
