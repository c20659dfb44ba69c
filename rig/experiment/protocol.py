"""Finds and loads protocol files. May not: run trials.

A protocol is a Python file with a docstring (its first paragraph is its Methods section), ``PARAMS`` and
``trial(p, past, rng)``; see docs/authoring.md.
"""

from __future__ import annotations

import hashlib
import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from rig.errors import ProtocolError, did_you_mean
from rig.experiment.params import Params, Values
from rig.experiment.task import Past, Trial

TrialMaker = Callable[[Values, Past, random.Random], Trial]


@dataclass(frozen=True)
class Protocol:
    """A loaded protocol file."""

    name: str
    path: Path
    source: str
    params: Params
    make_trial: TrialMaker

    @property
    def digest(self) -> str:
        """SHA-256 of the file (first 16 hex digits)."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]

    def trial(self, values: Values, past: Past, rng: random.Random) -> Trial:
        """The next trial. Raises ProtocolError naming the file's line where it fails or returns something else."""
        try:
            made = self.make_trial(values, past, rng)
        except Exception as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(self.path)]
            line = frames[-1].lineno if frames else 0
            raise ProtocolError(f"{self.path}:{line}: {error}{_nearest(error, self.make_trial)}") from error
        if not isinstance(made, Trial):
            raise ProtocolError(f"{self.path}: trial() returned {type(made).__name__}; return Trial(...)")
        return made


def _nearest(error: Exception, maker: TrialMaker) -> str:
    """The nearest name to one that a protocol slipped on."""
    if isinstance(error, AttributeError) and error.name:
        return did_you_mean(error.name, dir(error.obj))
    if isinstance(error, NameError) and error.name:
        return did_you_mean(error.name, getattr(maker, "__globals__", {}))
    return ""


def protocol_folders() -> list[Path]:
    """Where protocols are looked for: here, then beside the program."""
    here = Path(__file__).parents[1]
    return [Path("protocols"), here.parent / "protocols", here / "protocols"]


def find_protocol(name: str) -> Path:
    """The file of a protocol given by name or path. Raises ProtocolError with the nearest name."""
    if name.endswith(".py"):
        path = Path(name)
        if path.is_file():
            return path
        raise ProtocolError(f"{name}: no such file")
    for folder in protocol_folders():
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
    if Path(f"{name}.py").is_file():
        raise ProtocolError(f'no protocol "{name}" in protocols/, but a file is here: say --protocol {name}.py')
    known = sorted({path.stem for folder in protocol_folders() for path in folder.glob("[a-z]*.py")})
    raise ProtocolError(f'no protocol "{name}"{did_you_mean(name, known)}; there are: {", ".join(known)}')


def load_source(source: str, path: Path) -> Protocol:
    """A protocol from its text (a record holds the text, so a session can be read without its file)."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except SyntaxError as error:
        raise ProtocolError(f"{path}:{error.lineno}: {error.msg}") from None
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        raise ProtocolError(f"{path}:{frames[-1].lineno if frames else 0}: {error}") from error
    params, maker = getattr(module, "PARAMS", None), getattr(module, "trial", None)
    if not isinstance(params, Params):
        raise ProtocolError(f"{path}: PARAMS is missing: write PARAMS = Params(name=Param(...), ...)")
    if not callable(maker):
        raise ProtocolError(f"{path}: the function trial(p, past, rng) is missing")
    if not (module.__doc__ or "").strip():
        raise ProtocolError(f"{path}: begin the file with a docstring: its first paragraph is the Methods section")
    return Protocol(path.stem, path, source, params, maker)


def load_protocol(name: str) -> Protocol:
    """A protocol by name or path."""
    path = find_protocol(name)
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{path}: cannot be read ({error})") from None
    return load_source(source, path)
