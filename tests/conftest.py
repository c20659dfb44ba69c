"""What holds for every test: hypothesis sets no deadline, since a busy machine is not a fault of the program."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("rig", deadline=None, print_blob=True)
settings.load_profile("rig")
