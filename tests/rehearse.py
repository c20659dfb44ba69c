"""Runs sessions on the simulated rig for the tests, through the same door as people do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.cli import main

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


def rig_folder(folder: Path, **changes: Any) -> Path:
    """A folder with the shipped config.yaml, changed; returns the file. ``lever__invert=True`` goes one level down."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["stream"] = None
    for key, value in changes.items():
        section, _, name = key.rpartition("__")
        (config[section] if section else config)[name] = value
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def run_session(config: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """A fast session; its summary."""
    assert main(["run", "--config", str(config), "--fast", "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found
