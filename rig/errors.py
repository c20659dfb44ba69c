"""What can go wrong, by whose fault it is.

Every error a person sees is one line that names the place, the fault and the remedy. The doors (cli) print
``str(error)`` and leave with exit code 1; a traceback means a fault of the program itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RigError(Exception):
    """An error with a one-line message for the person at the rig."""


class ConfigError(RigError):
    """The configuration, a calibration or a command-line value is wrong: names file, line and key."""


class ProtocolError(RigError):
    """An experiment's table breaks a rule or a limit of the board: names state and limit."""


class BoardError(RigError):
    """The other end of the wire is absent, silent, or not what it should be."""


class LinkError(BoardError):
    """The other end cannot be reached just now, and may come back: see :meth:`rig.link.Link.reopen`."""


class RecordError(RigError):
    """The record cannot be written, or what stands in it is damaged: names file and place."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``' (did you mean "press"?)'`` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' (did you mean "{near[0]}"?)' if near else ""
