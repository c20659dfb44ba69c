"""Who sits at this computer."""

from __future__ import annotations

import getpass


def user() -> str:
    """The name of this computer's user, or an empty string for one without a name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
