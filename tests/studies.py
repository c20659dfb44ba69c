"""A small simulated study, run once for all tests that need sessions on record."""

from __future__ import annotations

from pathlib import Path

import pytest
from rehearse import ROOT

from rig.campaign import Study, run_job
from rig.config.file import load_config
from rig.session.summary import Rules


def small_study(**changes: object) -> Study:
    """Two mice, two days, eight trials."""
    given = {"mice": 2, "days": 2, "seed": 5, "rules": Rules(trials=8), **changes}
    return Study(load_config(ROOT / "config.yaml"), **given)  # type: ignore[arg-type]


def run_here(study: Study, place: Path) -> Path:
    """Run a study in this process: starting others costs more than it does."""
    for job in study.jobs():
        run_job(job, place)
    return place


@pytest.fixture(scope="session")
def study_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small study. Read it, copy it, but leave it as it is."""
    return run_here(small_study(), tmp_path_factory.mktemp("study"))
