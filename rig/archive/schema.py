"""The database's form: made where there is none, brought up to date where it is old, refused where it is newer.

The steps stand in ``migrations/versions``; Alembic is imported only when there is one to take.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from rig.errors import RecordError

HEAD = "0002"
"""The newest step. A test holds it against the folder of steps."""
_LOCK = 7_276_103  # a number of our own, for PostgreSQL's advisory locks


def version_of(db: Connection) -> str | None:
    """The step a database stands at; None for an empty one."""
    if not inspect(db).has_table("alembic_version"):
        return None
    return db.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def bring_up_to_date(engine: Engine) -> None:
    """Take every step that is missing, in one transaction, one process at a time. RecordError for a newer one."""
    with engine.connect() as db:
        if _current(version_of(db), engine):
            return
    with engine.connect().execution_options(immediate=True) as db, db.begin():
        if engine.dialect.name == "postgresql":
            db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if not _current(version_of(db), engine):
            upgrade(db)


def _current(version: str | None, engine: Engine) -> bool:
    if version is not None and version > HEAD:
        place = engine.url.render_as_string(hide_password=True)
        raise RecordError(f"archive {place} was made by a newer rig ({version}, this one knows {HEAD}): update the rig")
    return version == HEAD


def upgrade(db: Connection, to: str = "head") -> None:
    """Take the steps up to ``to`` on an open connection."""
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    attributes: dict[Any, Any] = config.attributes
    attributes["connection"] = db
    command.upgrade(config, to)
