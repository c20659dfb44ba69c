"""The light plan's two files: ``plan.yaml``, and for a blind plan ``plan.key.yaml`` beside it.

Floor 1: opens, reads and replaces these files; what stands in them is the business of ``plan_read``
and ``plan_write``. A file is replaced whole or not at all.
"""

from __future__ import annotations

import os
from pathlib import Path

from rig.errors import ConfigError
from rig.plan import Plan
from rig.plan.make import PlanKey
from rig.plan.read import parse_key, parse_plan
from rig.plan.write import key_text, plan_text

OWNER_ONLY, EVERYBODY = 0o600, 0o666  # modes before the umask; Windows knows no such modes


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises ConfigError ``file:line: key: fault and remedy``."""
    return parse_plan(_read(path), str(path))


def read_key(path: Path) -> PlanKey:
    """The key in a file. Raises ConfigError."""
    return parse_key(_read(path), str(path))


def key_path(plan: Path) -> Path:
    """Where the key of a plan lies: ``plan.key.yaml`` beside ``plan.yaml``."""
    return plan.with_name(f"{plan.stem}.key{plan.suffix}")


def write_plan(plan: Plan, path: Path, key: PlanKey | None = None, force: bool = False) -> list[Path]:
    """Writes the plan, and its key beside it; returns what was written.

    Raises ConfigError when a file exists (unless ``force``) or cannot be written.
    """
    texts = {path: (plan_text(plan), EVERYBODY)}
    if key is not None:  # the key first: a plan without its key could never be opened
        texts = {key_path(path): (key_text(key), OWNER_ONLY), **texts}
    for file in texts:
        if file.exists() and not force:
            raise ConfigError(f"{file}: exists already: name another, or replace it with --force")
    for file, (text, mode) in texts.items():
        _replace(file, text, mode)
    return list(texts)


def _replace(path: Path, text: str, mode: int) -> None:
    scratch = path.with_name(f".{path.name}.new")
    try:
        scratch.unlink(missing_ok=True)
        number = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(number, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        scratch.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file: rig plan make writes one") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
