"""The archive: an index of subjects, sessions, trials and measures, in SQLite or PostgreSQL.

The journals are the truth and this is their index: it can be thrown away and made again. A session goes in whole or not
at all, at most once, whoever offers it and however often. May not: read journals (that is :mod:`rig.archive.fill`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
from sqlalchemy import Connection, Engine, create_engine, delete, event, func, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from rig.archive import tables
from rig.archive.schema import bring_up_to_date
from rig.errors import ConfigError, RecordError
from rig.record.entry import Entry

BUSY_S = 30  # how long a writer waits for another one
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}

Row = Mapping[str, Any]


class Archive:
    """An open archive. Raises ConfigError for a URL that is none, RecordError when the database says no."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = _engine(url)
        try:
            with _told(self):
                bring_up_to_date(self._engine)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing -----------------------------------------------------------------------------------------------------

    def add(self, entry: Entry, folder: str) -> str:
        """Keep an entry: "new", "known" (it is there already) or "grown" (its journal, or its measures, had less)."""
        with _told(self):
            for _ in range(3):
                try:
                    with self._writing() as db:
                        return _put(db, entry, folder)
                except IntegrityError:  # another rig brought the same session, or the same animal, at the same moment
                    continue
        raise RecordError(f"{entry.session.session}: the archive kept changing under our hands; run `rig archive sync`")

    def replace(self, entries: Sequence[tuple[Entry, str]]) -> None:
        """Keep these sessions as they are told now, whatever stood there: (entry, folder) each, all or none."""
        if not entries:
            return
        with _told(self), self._writing() as db:
            _remove(db, [entry.session.uid for entry, _ in entries])
            _insert(db, entries)

    def forget(self, uids: Sequence[str]) -> None:
        """Take sessions out, for a journal that is gone. The journal itself is nothing to us."""
        with _told(self), self._writing() as db:
            _remove(db, uids)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(immediate=True) as db, db.begin():
            yield db

    # --- reading -----------------------------------------------------------------------------------------------------

    def known(self) -> dict[str, Row]:
        """Of every session: its uid, folder, journal_bytes, and the version of its measures (None: not measured)."""
        s, f = tables.sessions.c, tables.found.c
        joined = tables.sessions.outerjoin(tables.found, s.uid == f.uid)
        asked = select(s.uid, s.folder, s.journal_bytes, s.why, f.version).select_from(joined)
        return {row["uid"]: row for row in self._rows(asked)}

    def subjects(self) -> list[str]:
        """Every animal."""
        return [row["subject"] for row in self._rows(select(tables.subjects).order_by(tables.subjects.c.subject))]

    def sessions(self, subjects: Sequence[str] = ()) -> list[Row]:
        """Session rows, of all animals or of these, in the order in which they were run."""
        s = tables.sessions.c
        asked = select(tables.sessions).order_by(s.subject, s.utc, s.session, s.uid)
        return self._rows(asked.where(s.subject.in_(subjects)) if subjects else asked)

    def trials(self, uid: str) -> list[Row]:
        """The trials of a session."""
        t = tables.trials.c
        return self._rows(select(tables.trials).where(t.uid == uid).order_by(t.trial))

    def found(self, subjects: Sequence[str] = (), *, pushes: bool = True) -> dict[str, Row]:
        """Measures and pushes by session uid; without ``pushes`` those stay where they are, which is quicker."""
        s, f = tables.sessions.c, tables.found.c
        columns = [f.uid, f.measures, f.samples, *([f.pushes, f.pushes_lit] if pushes else [])]
        asked = select(*columns).join(tables.sessions, s.uid == f.uid)
        rows = self._rows(asked.where(s.subject.in_(subjects)) if subjects else asked)
        return {row["uid"]: row for row in rows}

    def counts(self) -> dict[str, int]:
        """How many subjects, sessions and trials there are."""
        with _told(self), self._engine.connect() as db:
            return {
                table.name: int(db.execute(select(func.count()).select_from(table)).scalar_one())
                for table in (tables.subjects, tables.sessions, tables.trials)
            }

    def _rows(self, asked: Any) -> list[Row]:
        with _told(self), self._engine.connect() as db:
            return [dict(row) for row in db.execute(asked).mappings()]


# --- one session, in one transaction ----------------------------------------------------------------------------------


def _put(db: Connection, entry: Entry, folder: str) -> str:
    uid = entry.session.uid
    s, f = tables.sessions.c, tables.found.c
    joined = tables.sessions.outerjoin(tables.found, s.uid == f.uid)
    held = db.execute(select(s.journal_bytes, f.version).select_from(joined).where(s.uid == uid)).one_or_none()
    if held is not None:
        fresher = entry.found is not None and (held.version or 0) < entry.found.version
        if entry.session.journal_bytes < held.journal_bytes or (
            entry.session.journal_bytes == held.journal_bytes and not fresher
        ):
            return "known"
        _remove(db, [uid])
    _insert(db, [(entry, folder)])
    return "new" if held is None else "grown"


def _insert(db: Connection, entries: Sequence[tuple[Entry, str]]) -> None:
    animals = {entry.session.subject for entry, _ in entries}
    there = db.execute(select(tables.subjects.c.subject).where(tables.subjects.c.subject.in_(animals))).scalars()
    rows: dict[Any, list[dict[str, Any]]] = {
        tables.subjects: [{"subject": name} for name in sorted(animals - set(there))],
        tables.sessions: [{**vars(entry.session), "folder": folder, "why": entry.why} for entry, folder in entries],
        tables.trials: [{"uid": entry.session.uid, **vars(trial)} for entry, _ in entries for trial in entry.trials],
        tables.found: [{"uid": entry.session.uid, **vars(entry.found)} for entry, _ in entries if entry.found],
    }
    for table, values in rows.items():
        if values:
            db.execute(insert(table), values)


def _remove(db: Connection, uids: Sequence[str]) -> None:
    for table in (tables.found, tables.trials, tables.sessions):
        db.execute(delete(table).where(table.c.uid.in_(uids)))


# --- engines ----------------------------------------------------------------------------------------------------------


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        parsed = parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ConfigError(f"archive: {url}: expected sqlite:///FILE or postgresql://HOST/DATABASE")
        engine = create_engine(
            parsed,
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
            json_deserializer=msgspec.json.decode,
            connect_args={"timeout": BUSY_S} if parsed.get_backend_name() == "sqlite" else {"connect_timeout": 5},
        )
    except (ArgumentError, NoSuchModuleError):
        raise ConfigError(f"archive: {url}: expected sqlite:///FILE or postgresql://HOST/DATABASE") from None
    except ModuleNotFoundError as error:
        raise ConfigError(f"archive: {url}: needs {error.name}; run: pip install 'rig[postgres]'") from None
    if parsed.get_backend_name() == "sqlite":
        _prepare_sqlite(engine)
    return engine


def _prepare_sqlite(engine: Engine) -> None:
    """Readers and one writer at a time side by side, and a writer that asks for its turn before it reads."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver would begin transactions by itself, and too late
        for line in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = NORMAL"):
            connection.execute(f"PRAGMA {line}")

    @event.listens_for(engine, "begin")
    def _begin(db: Connection) -> None:
        db.exec_driver_sql("BEGIN IMMEDIATE" if db.get_execution_options().get("immediate") else "BEGIN")


@contextmanager
def _told(archive: Archive) -> Iterator[None]:
    """A database's complaint in one line."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        place = make_url(archive.url).render_as_string(hide_password=True)
        remedy = "is its folder there and writable?" if place.startswith("sqlite") else "is the database running?"
        raise RecordError(
            f"archive {place}: {said}; {remedy} Sessions are safe in their journals; `rig archive sync` adds them later"
        ) from None


def folder_below(folder: Path, data: Path) -> str:
    """A session's folder as the archive names it: below the data folder, with forward slashes."""
    return Path(os.path.relpath(folder, data)).as_posix()
