"""Session folders: their names, their order, what is refused."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from rig.errors import RecordError
from rig.record.folder import journal_path, new_session, read_entries, sessions

DAY = date(2026, 3, 2)


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_NEEDED_BYTES", "1")


def test_sessions_of_a_day_are_counted(tmp_path: Path) -> None:
    names = [new_session(tmp_path, "M07", DAY).name for _ in range(3)]
    assert names == ["2026-03-02_1", "2026-03-02_2", "2026-03-02_3"]


def test_sessions_are_listed_oldest_first(tmp_path: Path) -> None:
    for n in range(11):
        (new_session(tmp_path, "M07", DAY) / "journal").write_bytes(b"")
        assert n < 11
    (new_session(tmp_path, "M01", date(2026, 3, 1)) / "journal").write_bytes(b"")
    new_session(tmp_path, "M02", DAY)  # no journal: no session
    found = [f"{path.parent.name}/{path.name}" for path in sessions(tmp_path)]
    assert found[0] == "M01/2026-03-01_1"
    assert found[1:] == [f"M07/2026-03-02_{n}" for n in range(1, 12)]
    assert len(sessions(tmp_path, "M01")) == 1


@pytest.mark.parametrize("subject", ["", "..", "a/b", "ä", "x" * 65, "-f"])
def test_a_subject_must_be_able_to_name_a_folder(tmp_path: Path, subject: str) -> None:
    with pytest.raises(RecordError, match="it names a folder"):
        new_session(tmp_path, subject, DAY)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "M07").mkdir()
    (tmp_path / "M07" / "2026-03-02_1").write_text("", encoding="utf-8")
    with pytest.raises(RecordError, match="a file is in the way"):
        new_session(tmp_path, "M07", DAY)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RecordError, match=r"set `data` in config\.yaml"):
        new_session(tmp_path, "M07", DAY)


def test_what_is_no_session(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no session here"):
        journal_path(tmp_path)
    with pytest.raises(RecordError, match="no session here"):
        read_entries(tmp_path / "absent")
