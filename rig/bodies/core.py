"""The trial machine on this computer: builds ``firmware/`` with a C compiler on first use and opens it with cffi.

Building and loading are kept apart. The library lies in a cache under the name of a hash over every source, the flags
and the compiler, so an edited firmware is never mistaken for an old one. May not: know anything of tables or sessions.

The compiler is ``$CC``, else ``cc``, ``gcc`` or ``clang`` on the path, else the ziglang wheel (``.[compiler]``).
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cffi

from rig.errors import BoardError

FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra")
_HERE = Path(__file__).parents[1]


def firmware_folder() -> Path:
    """Where the C sources lie: beside the package in a checkout, inside it when installed from a wheel."""
    for folder in (_HERE.parent / "firmware", _HERE / "firmware"):
        if (folder / "core" / "core.h").exists():
            return folder
    raise BoardError(f"firmware/core is missing beside {_HERE}: reinstall the package (pip install .)")


def sources() -> list[Path]:
    """Every C file of the simulated body, core first, in a fixed order."""
    folder = firmware_folder()
    return [*sorted((folder / "core").glob("*.c")), *sorted((folder / "boards" / "host").glob("*.c"))]


def compiler() -> list[str]:
    """The command that compiles C here. Raises BoardError with the remedy where there is none."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise BoardError("no C compiler for the simulated rig: install gcc or clang, or `pip install .[compiler]`")


def cache_folder() -> Path:
    """Where built libraries are kept (``$XDG_CACHE_HOME/rig``, or the platform's own place)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base) / "rig"


def _digest(command: list[str]) -> str:
    digest = hashlib.sha256(repr((command, FLAGS, sys.platform)).encode())
    folder = firmware_folder()
    for path in sorted([*(folder / "core").glob("*.[ch]"), *(folder / "boards" / "host").glob("*.[ch]")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:20]


def source_hash() -> str:
    """A hash over the core's sources: it stands in every record, so that a re-execution knows its machine."""
    digest = hashlib.sha256()
    for path in sorted((firmware_folder() / "core").glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def build(extra_flags: tuple[str, ...] = ()) -> Path:
    """The shared library, built if it is not there yet. Raises BoardError with the compiler's first complaint."""
    command = [*compiler(), *FLAGS, *extra_flags]
    suffix = ".dll" if sys.platform == "win32" else ".so"
    return _built(cache_folder() / f"core-{_digest(command)}{suffix}", command, sources())


def build_pty() -> Path:
    """The body in a process of its own (``firmware/boards/pty``), built if it is not there yet. Raises as ``build``."""
    source = firmware_folder() / "boards" / "pty" / "pty.c"
    command = [*compiler(), "-std=c11", "-O2", "-Wall", "-Wextra"]
    target = cache_folder() / f"pty-{_digest([*command, source.read_text(encoding='utf-8')])}"
    return _built(target, command, [*sources(), source])


def _built(target: Path, command: list[str], files: list[Path]) -> Path:
    """What a compiler makes of them, under its own name only when it is whole."""
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise BoardError(f"{target.parent}: {error.strerror}; set XDG_CACHE_HOME to a writable folder") from None
    os.close(handle)
    try:
        done = subprocess.run([*command, "-o", scratch, *map(str, files)], capture_output=True, text=True, check=False)
        if done.returncode:
            complaint = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
            raise BoardError(f"{shlex.join(command[:1])} could not build the trial machine: {complaint}")
        os.replace(scratch, target)
    except FileNotFoundError:
        raise BoardError(f"C compiler {command[0]!r} was not found: set CC, or `pip install .[compiler]`") from None
    finally:
        Path(scratch).unlink(missing_ok=True)
    return target


def declarations() -> str:
    """What cffi needs to know, cut from the headers themselves so that there is no second copy."""
    parts = []
    for name in ("host.h", "firmata.h"):
        text = (firmware_folder() / "boards" / "host" / name).read_text(encoding="utf-8")
        found = re.search(r"/\* cffi: begin \*/(.*)/\* cffi: end \*/", text, re.DOTALL)
        assert found is not None, f"{name} has lost its cffi marks"
        parts.append(found.group(1))
    return "\n".join(parts)


@functools.cache
def load() -> tuple[Any, Any]:
    """``(ffi, lib)`` of the simulated body."""
    ffi = cffi.FFI()
    ffi.cdef(declarations())
    path = build()
    try:
        return ffi, ffi.dlopen(str(path))
    except OSError as error:
        raise BoardError(f"{path} cannot be opened: {error}; delete it and try again") from None
