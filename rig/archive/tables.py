"""The archive's tables, the same in SQLite and in PostgreSQL.

May not: read or write them. A change here goes with a step in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import BigInteger

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(column_0_label)s",
    }
)

_SESSION = ("uid", String(32))

subjects = Table("subjects", metadata, Column("subject", String(64), primary_key=True))

sessions = Table(
    "sessions",
    metadata,
    Column("uid", String(32), primary_key=True),
    Column("subject", String(64), ForeignKey("subjects.subject"), nullable=False),
    Column("session", String(64), nullable=False),  # the folder's name
    Column("date", String(10), nullable=False),
    Column("utc", String(32), nullable=False),
    Column("rig", String(64), nullable=False),
    Column("body", String(32), nullable=False),
    Column("protocol", String(64), nullable=False),
    Column("protocol_digest", String(16), nullable=False),
    Column("program", String(32), nullable=False),
    Column("seed", String(40), nullable=False),  # as text: it may be of any size
    Column("day", Integer),
    Column("stage", String(64)),
    Column("light_window", String(16)),  # clear or blocked, where the plan uses windows
    Column("n_trials", Integer, nullable=False),
    Column("n_rewarded", Integer, nullable=False),
    Column("n_light", Integer, nullable=False),
    Column("water_ul", Float),
    Column("minutes", Float),
    Column("ended", Text),
    Column("damaged", Integer, nullable=False),
    Column("journal_bytes", BigInteger, nullable=False),
    Column("params", JSON, nullable=False),
    Column("folder", Text, nullable=False),  # below the data folder of the rig that archived it
    Column("why", Text, nullable=False, server_default=""),  # why there are no measures; empty where there are
    Index("ix_sessions_subject_date", "subject", "date"),
)

trials = Table(
    "trials",
    metadata,
    Column(*_SESSION, ForeignKey("sessions.uid", ondelete="CASCADE"), primary_key=True),
    Column("trial", Integer, primary_key=True),
    Column("begin_us", BigInteger, nullable=False),
    Column("cue_us", BigInteger),
    Column("end_us", BigInteger),
    Column("reward_us", BigInteger),
    Column("outcome", String(64)),
    Column("light", Boolean, nullable=False),
    Column("catch", Boolean, nullable=False),
    Column("presses", Integer, nullable=False),
    Column("ended", String(16), nullable=False),
    Column("info", JSON, nullable=False),
)

# One row a session: measures of all trials, of those without and of those with light, and the pushes themselves, so
# that a figure of a whole study reads no journal.
found = Table(
    "found",
    metadata,
    Column(*_SESSION, ForeignKey("sessions.uid", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("measures", JSON, nullable=False),  # {"all": {...}, "off": {...}, "on": {...}}
    Column("trials", JSON, nullable=False),  # one list a column, one element a trial with a cue and an outcome
    Column("pushes", LargeBinary, nullable=False),  # (cued trials, samples) µm as int16, little-endian
    Column("pushes_lit", LargeBinary, nullable=False),
    Column("samples", Integer, nullable=False),
)
