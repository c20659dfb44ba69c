"""Journals into the archive: after a session, later, again, from two rigs, and after a kill at any moment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from postgres import postgres_server, postgres_url, url  # noqa: F401 (fixtures)
from rehearse import rig_folder, run_session
from studies import study_place  # noqa: F401
from test_archive import everything

from rig.archive import Archive
from rig.archive.fill import archive_session, clashes, open_archive, rebuild, sync
from rig.cli import main
from rig.config.file import load_config
from rig.record.derived import EVENTS, LEVER, MEASURES, TRIALS
from rig.record.folder import sessions


@pytest.fixture
def place(study_place: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A copy of the small study, as it was before anything was derived from it."""
    place = tmp_path / "data"
    shutil.copytree(study_place, place)
    for name in (MEASURES, EVENTS, LEVER, TRIALS):
        for path in place.glob(f"*/*/{name}"):
            path.unlink()
    return place


def test_a_sync_brings_what_is_missing_and_only_that(url: str, place: Path) -> None:  # noqa: F811
    with Archive(url) as archive:
        late = place / "M02" / "2025-03-04_1"
        late.rename(place.parent / "offline")
        assert sync(archive, place, workers=1).new == 3
        (place.parent / "offline").rename(late)  # the rig was off the network for a day
        done = sync(archive, place, workers=1)
        assert (done.new, done.known, done.failed) == (1, 3, [])
        before = everything(archive)
        assert sync(archive, place).known == 4
        assert everything(archive) == before
        assert len(list(place.glob(f"*/*/{LEVER}"))) == 4


def test_a_rebuild_gives_the_same_from_the_journals_alone(url: str, place: Path) -> None:  # noqa: F811
    with Archive(url) as archive:
        sync(archive, place, workers=1)
        before = everything(archive)
        archive.forget([row["uid"] for row in archive.sessions()])
        for name in (MEASURES, EVENTS, LEVER, TRIALS):
            for path in place.glob(f"*/*/{name}"):
                path.unlink()
        assert rebuild(archive, place, workers=1).new == 4
        assert everything(archive) == before
        assert rebuild(archive, place, workers=1, anew=True).new == 4
        assert everything(archive) == before


def test_measures_are_not_taken_from_another_journal(place: Path) -> None:
    with Archive("sqlite://") as archive:
        sync(archive, place, workers=1)
        before = everything(archive)
        one, other = (folder / MEASURES for folder in sessions(place)[:2])
        shutil.copyfile(one, other)
        rebuild(archive, place, workers=1)
        assert everything(archive) == before


def test_a_copy_goes_in_once_and_is_named(url: str, place: Path) -> None:  # noqa: F811
    shutil.copytree(place / "M01" / "2025-03-03_1", place / "M01" / "2025-03-03_7")
    with Archive(url) as archive:
        done = sync(archive, place, workers=1)
        assert (done.new, done.copies) == (4, ["M01/2025-03-03_7"])
        done = rebuild(archive, place, workers=1)
        assert (done.new, done.copies) == (4, ["M01/2025-03-03_7"])
        assert archive.counts()["sessions"] == 4


def test_a_folder_without_a_record_stops_nobody(place: Path) -> None:
    broken = place / "M01" / "2025-03-09_1"
    broken.mkdir()
    (broken / "journal").write_bytes(b"nothing")
    with Archive("sqlite://") as archive:
        done = sync(archive, place, workers=1)
        assert done.new == 4
        assert "rig verify" in done.failed[0]


def test_a_damaged_journal_is_named(url: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """A bit flipped in the middle, where the lever is, and a torn tail; the others are as they were."""
    with Archive(url) as archive:
        assert sync(archive, place, workers=1).damaged == []
        flipped, torn = place / "M01" / "2025-03-03_1" / "journal", place / "M02" / "2025-03-04_1" / "journal"
        data = bytearray(flipped.read_bytes())
        data[len(data) // 2] ^= 1
        flipped.write_bytes(data)
        torn.write_bytes(torn.read_bytes()[:-3])
        names = ["M01/2025-03-03_1", "M02/2025-03-04_1"]
        assert rebuild(archive, place, workers=1).damaged == names
        assert [row["folder"] for row in archive.sessions() if row["damaged"]] == names
        assert archive.counts() == {"subjects": 2, "sessions": 4, "trials": 32}
    assert main(["archive", "rebuild", "--data", str(place), "--workers", "1"]) == 0
    assert "M01/2025-03-03_1: its journal is damaged" in capsys.readouterr().out


def test_what_is_gone_is_said_and_kept(place: Path) -> None:
    with Archive("sqlite://") as archive:
        sync(archive, place, workers=1)
        shutil.rmtree(place / "M02" / "2025-03-04_1")
        assert sync(archive, place, workers=1).gone == ["M02/2025-03-04_1"]
        assert archive.counts()["sessions"] == 4


def test_two_sessions_of_one_name_are_told_apart() -> None:
    rows = [{"subject": "M01", "session": "2025-03-03_1", "rig": rig} for rig in ("left", "right")]
    (line,) = clashes([*rows, {"subject": "M01", "session": "2025-03-04_1", "rig": "left"}])
    assert "left, right" in line


SYNC = """
import sys
from pathlib import Path
from rig.archive import Archive
from rig.archive.fill import rebuild, sync
print("ready", flush=True)
while True:
    with Archive(sys.argv[1]) as archive:
        sync(archive, Path(sys.argv[2]), workers=1)
        rebuild(archive, Path(sys.argv[2]), workers=1, anew=True)
        archive.forget([row["uid"] for row in archive.sessions()][:2])
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_killed_anywhere_nothing_is_lost(url: str, place: Path) -> None:  # noqa: F811
    """Archiving killed at chance moments: each time what is there is whole, and a sync makes it complete."""
    with Archive("sqlite://") as archive:
        sync(archive, place, workers=1)
        whole = everything(archive)
    for wait_s in (0.05, 0.2):
        command = [sys.executable, "-c", textwrap.dedent(SYNC), url, str(place)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            time.sleep(wait_s)
            running.send_signal(signal.SIGKILL)
        with Archive(url) as archive:
            for row in archive.sessions():
                assert len(archive.trials(row["uid"])) == row["n_trials"]
                assert row["uid"] in archive.found()
            sync(archive, place, workers=1)
            assert everything(archive) == whole


# --- as a person meets it ---------------------------------------------------------------------------------------------


def test_a_session_archives_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path)
    run_session(config, capsys, "--subject", "M01", "--no-weight", "--trials", "3", "--animal", "mouse:day=9")
    archive = open_archive(load_config(str(config)), config)
    assert archive is not None
    with archive:
        (row,) = archive.sessions()
    assert (row["subject"], row["n_trials"], row["why"]) == ("M01", 3, "")
    assert main(["archive", "--config", str(config)]) == 0
    assert "1 animals, 1 sessions, 3 trials" in capsys.readouterr().out


def test_a_database_that_is_down_takes_nothing_from_a_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = rig_folder(tmp_path, archive="postgresql://rig@/nothing?host=/nowhere")
    assert main(["run", "--config", str(config), "--fast", "--trials", "2"]) == 0
    said = capsys.readouterr()
    assert "not archived yet" in said.err
    assert "rig archive sync" in said.err
    assert "record: " in said.out


def test_no_archive_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = rig_folder(tmp_path, archive=None)
    run_session(config, capsys, "--trials", "2")
    assert not list(tmp_path.rglob("archive.sqlite"))
    assert main(["archive", "sync", "--config", str(config)]) == 1
    assert "archive: none" in capsys.readouterr().err
    assert archive_session(load_config(str(config)), config, tmp_path / "nothing") != ""


def test_the_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "--data", str(place)]) == 0
    assert "4 sessions in" in capsys.readouterr().out
    assert main(["archive", "sync", "--data", str(place), "--workers", "1"]) == 0
    assert "4 sessions archived" in capsys.readouterr().out
    assert main(["archive", "rebuild", "--data", str(place), "--workers", "1", "--measure", "--json"]) == 0
    assert '"new": 4' in capsys.readouterr().out
    shutil.rmtree(place / "M02")
    assert main(["archive", "sync", "--data", str(place), "--forget-gone", "--json"]) == 0
    assert '"sessions": 2' in capsys.readouterr().out
    assert main(["archive", "--data", str(place / "nowhere")]) == 1
