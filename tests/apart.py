"""A test in a process of its own, because what it does to a library's threads may end the process.

A sound device that hangs leaves threads of PortAudio and ALSA behind that nobody can join.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from typing import ParamSpec

import pytest

P = ParamSpec("P")
_INSIDE = "RIG_TEST_APART"
LIMIT_S = 400


def apart(test: Callable[P, None]) -> Callable[P, None]:
    """Run the decorated test by another pytest, and fail where it does, with its words."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        if os.environ.get(_INSIDE):
            test(*args, **kwargs)
            return
        name = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", name]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        done = subprocess.run(
            words, env={**environment, _INSIDE: "1"}, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        if done.returncode:
            pytest.fail(f"apart, it ended with {done.returncode}:\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}")

    return run
