"""The archive: whole sessions or none, once each, the same in SQLite and PostgreSQL, whoever writes and what dies."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from postgres import postgres_server, postgres_url, url  # noqa: F401 (fixtures)
from sqlalchemy import create_engine, inspect, text
from studies import study_place  # noqa: F401

from rig.archive import Archive, schema, tables
from rig.errors import ConfigError, RecordError
from rig.record.derived import entry_of
from rig.record.entry import Entry
from rig.record.folder import sessions

ENTRIES: dict[Path, list[Entry]] = {}


@pytest.fixture
def entries(study_place: Path) -> list[Entry]:  # noqa: F811
    if study_place not in ENTRIES:
        ENTRIES[study_place] = [entry_of(folder) for folder in sessions(study_place)]
    return ENTRIES[study_place]


def everything(archive: Archive) -> dict[str, object]:
    rows = archive.sessions()
    return {
        "subjects": archive.subjects(),
        "sessions": [dict(row) for row in rows],
        "trials": [[dict(t) for t in archive.trials(row["uid"])] for row in rows],
        "found": {uid: {**row, "pushes": bytes(row["pushes"])} for uid, row in sorted(archive.found().items())},
        "known": archive.known(),
        "counts": archive.counts(),
    }


def test_what_went_in_comes_out(url: str, entries: list[Entry]) -> None:  # noqa: F811
    with Archive(url) as archive:
        assert [archive.add(entry, f"x/{i}") for i, entry in enumerate(entries)] == ["new"] * 4
        rows = archive.sessions()
        assert [row["session"] for row in rows if row["subject"] == "M01"] == ["2025-03-03_1", "2025-03-04_1"]
        for i, entry in enumerate(entries):
            row = next(row for row in rows if row["uid"] == entry.session.uid)
            assert {key: row[key] for key in vars(entry.session)} == vars(entry.session)
            assert row["folder"] == f"x/{i}"
            trials = archive.trials(entry.session.uid)
            assert [{k: v for k, v in t.items() if k != "uid"} for t in trials] == [vars(t) for t in entry.trials]
            assert entry.found is not None
            found = archive.found()[entry.session.uid]
            assert found["measures"] == entry.found.measures
            assert bytes(found["pushes"]) == entry.found.pushes
        assert archive.counts() == {"subjects": 2, "sessions": 4, "trials": 32}
        assert [row["subject"] for row in archive.sessions(["M02"])] == ["M02", "M02"]
        assert set(archive.found(["M02"], pushes=False)[rows[-1]["uid"]]) == {"uid", "measures", "samples"}


def test_both_databases_give_the_same_answers(
    tmp_path: Path,
    postgres_url: str,  # noqa: F811
    entries: list[Entry],
) -> None:
    with Archive(f"sqlite:///{tmp_path / 'a.sqlite'}") as one, Archive(postgres_url) as other:
        for archive in (one, other):
            for entry in entries:
                archive.add(entry, entry.session.session)
        assert everything(one) == everything(other)


def test_a_session_goes_in_once_and_grows_with_its_journal(url: str, entries: list[Entry]) -> None:  # noqa: F811
    whole = entries[0]
    early = dataclasses.replace(
        whole,
        session=dataclasses.replace(whole.session, n_trials=3, journal_bytes=whole.session.journal_bytes - 1),
        trials=whole.trials[:3],
        found=None,
    )
    with Archive(url) as archive:
        assert archive.add(early, "a") == "new"
        assert archive.add(whole, "a") == "grown"
        before = everything(archive)
        assert archive.add(whole, "somewhere else") == "known"
        assert archive.add(early, "a") == "known"  # an older copy takes nothing back
        assert everything(archive) == before
        assert len(archive.trials(whole.session.uid)) == 8


def test_measures_of_an_older_definition_are_replaced(url: str, entries: list[Entry]) -> None:  # noqa: F811
    entry = entries[0]
    assert entry.found is not None
    old = dataclasses.replace(entry, found=dataclasses.replace(entry.found, version=0))
    with Archive(url) as archive:
        assert archive.add(old, "a") == "new"
        assert archive.add(entry, "a") == "grown"
        assert archive.known()[entry.session.uid]["version"] == entry.found.version


def test_many_rigs_write_at_once(url: str, entries: list[Entry]) -> None:  # noqa: F811
    def rig(which: int) -> list[str]:
        with Archive(url) as archive:
            return [archive.add(entry, str(which)) for entry in entries[which % 2 :] + entries[: which % 2]]

    with ThreadPoolExecutor(4) as pool:
        said = [word for words in pool.map(rig, range(4)) for word in words]
    assert sorted(said) == ["known"] * 12 + ["new"] * 4
    with Archive(url) as archive:
        assert archive.counts() == {"subjects": 2, "sessions": 4, "trials": 32}


def test_replacing_and_forgetting(url: str, entries: list[Entry]) -> None:  # noqa: F811
    with Archive(url) as archive:
        archive.replace([(entry, "a") for entry in entries])
        before = everything(archive)
        archive.replace([(entry, "a") for entry in entries])
        archive.replace([])
        assert everything(archive) == before
        archive.forget([entries[0].session.uid])
        assert archive.counts() == {"subjects": 2, "sessions": 3, "trials": 24}
        assert entries[0].session.uid not in archive.found()


KILLED = """
import os, pickle, signal, sys
from rig.archive import Archive, tables
from sqlalchemy import event
entries, url, at = pickle.load(open(sys.argv[1], "rb"))
archive = Archive(url)
archive.add(entries[0], "first")
count = 0
@event.listens_for(archive._engine, "after_cursor_execute")
def die(*_):
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
archive.replace([(entry, "again") for entry in entries])
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize("at", [1, 3, 5, 7])
def test_a_kill_in_the_middle_loses_nothing(
    url: str,  # noqa: F811
    at: int,
    entries: list[Entry],
    tmp_path: Path,
) -> None:
    import pickle  # noqa: PLC0415

    (tmp_path / "job").write_bytes(pickle.dumps((entries, url, at)))
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "job")], check=False)
    assert done.returncode == -signal.SIGKILL
    with Archive(url) as archive:
        assert [row["folder"] for row in archive.sessions()] == ["first"]
        assert len(archive.trials(entries[0].session.uid)) == 8
        assert [archive.add(entry, "later") for entry in entries] == ["known", "new", "new", "new"]


# --- forms of the database --------------------------------------------------------------------------------------------


def at_step(url: str, step: str) -> None:  # noqa: F811
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as db, db.begin():
        schema.upgrade(db, step)
    engine.dispose()


def test_an_older_archive_is_brought_up_to_date(url: str, entries: list[Entry]) -> None:  # noqa: F811
    at_step(url, "0001")
    session = {**vars(entries[0].session), "folder": "old"}
    del session["light_window"]
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as db, db.begin():
        assert not inspect(db).has_table("found")
        db.execute(tables.subjects.insert().values(subject="M01"))
        names = ", ".join(f'"{name}"' for name in session)
        session["params"] = "{}"
        db.execute(text(f"INSERT INTO sessions ({names}) VALUES ({', '.join(f':{n}' for n in session)})"), session)
    engine.dispose()
    with Archive(url) as archive:
        (row,) = archive.sessions()
        assert (row["folder"], row["why"], row["n_trials"]) == ("old", "", 8)
        assert archive.known()[row["uid"]]["version"] is None  # its measures are still to be made
        assert archive.add(entries[0], "old") == "grown"
        assert len(archive.found()) == 1


def test_the_steps_lead_to_the_tables(url: str) -> None:  # noqa: F811
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415
    from alembic.migration import MigrationContext  # noqa: PLC0415

    Archive(url).close()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as db:
        assert schema.version_of(db) == schema.HEAD
        context = MigrationContext.configure(db, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


def test_the_newest_step_is_the_one_in_the_folder() -> None:
    steps = Path(schema.__file__).parent / "migrations" / "versions"
    assert sorted(path.name[:4] for path in steps.glob("[0-9]*.py"))[-1] == schema.HEAD


def test_a_newer_archive_is_refused(url: str) -> None:  # noqa: F811
    Archive(url).close()
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as db, db.begin():
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(RecordError, match="newer rig"):
        Archive(url)


@pytest.mark.parametrize(
    "bad", ["mysql://x/y", "nonsense", "postgresql+nothing://x/y", "sqlite+nothing:///x", "oracle://x"]
)
def test_urls_that_are_none(bad: str) -> None:
    with pytest.raises(ConfigError, match="expected sqlite"):
        Archive(bad)


def test_a_database_that_does_not_answer_is_one_line() -> None:
    with pytest.raises(RecordError, match="is the database running") as caught:
        Archive("postgresql://rig:secret@/nothing?host=/nowhere")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(RecordError, match="is its folder there"):
        Archive("sqlite:////nowhere/at/all/archive.sqlite")
