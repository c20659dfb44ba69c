"""The index: subjects, sessions, trials."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table("subjects", sa.Column("subject", sa.String(64), nullable=False), _key("subjects", "subject"))
    op.create_table(
        "sessions",
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        *(sa.Column(name, sa.String(size), nullable=False) for name, size in _WORDS),
        sa.Column("seed", sa.String(40), nullable=False),
        sa.Column("day", sa.Integer),
        sa.Column("stage", sa.String(64)),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("n_trials", "n_rewarded", "n_light")),
        sa.Column("water_ul", sa.Float),
        sa.Column("minutes", sa.Float),
        sa.Column("ended", sa.Text),
        sa.Column("damaged", sa.Integer, nullable=False),
        sa.Column("journal_bytes", sa.BigInteger, nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        _key("sessions", "uid"),
        sa.ForeignKeyConstraint(["subject"], ["subjects.subject"], name="fk_sessions_subject"),
    )
    op.create_index("ix_sessions_subject_date", "sessions", ["subject", "date"])
    op.create_table(
        "trials",
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("trial", sa.Integer, nullable=False),
        sa.Column("begin_us", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in ("cue_us", "end_us", "reward_us")),
        sa.Column("outcome", sa.String(64)),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("light", "catch")),
        sa.Column("presses", sa.Integer, nullable=False),
        sa.Column("ended", sa.String(16), nullable=False),
        sa.Column("info", sa.JSON, nullable=False),
        _key("trials", "uid", "trial"),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name="fk_trials_uid", ondelete="CASCADE"),
    )


_WORDS = (
    ("session", 64),
    ("date", 10),
    ("utc", 32),
    ("rig", 64),
    ("body", 32),
    ("protocol", 64),
    ("protocol_digest", 16),
    ("program", 32),
)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")
