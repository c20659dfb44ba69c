"""Measures and pushes beside the index, so that a figure reads no journals; why a session has none; its window."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Sessions archived before have no measures yet: `rig archive sync` makes them."""
    op.add_column("sessions", sa.Column("why", sa.Text, nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("light_window", sa.String(16)))
    op.create_table(
        "found",
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("measures", sa.JSON, nullable=False),
        sa.Column("trials", sa.JSON, nullable=False),
        sa.Column("pushes", sa.LargeBinary, nullable=False),
        sa.Column("pushes_lit", sa.LargeBinary, nullable=False),
        sa.Column("samples", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_found"),
        sa.ForeignKeyConstraint(["uid"], ["sessions.uid"], name="fk_found_uid", ondelete="CASCADE"),
    )
