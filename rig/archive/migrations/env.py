"""Alembic's door: it takes the connection it is given, and opens none."""

from alembic import context

from rig.archive.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
