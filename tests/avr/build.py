"""Compiles what the emulator needs: the harness with the host's compiler, AVR programs with avr-gcc.

May run compilers and write to the cache folder; never loads what it built. Everything built is kept under a
hash of its sources, its flags and its tools, is written to a scratch name first and then moved into place, so that
two test runs beside each other never see half a file.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rig.errors import RigError

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
REMEDY = "apt-get install -y gcc libsimavr-dev gcc-avr avr-libc"

HOST_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
AVR_FLAGS = ("-std=gnu11", "-Os", "-Wall", "-Wextra", "-Werror", "-g", "-Wl,--gc-sections")


class EmulatorError(RigError):
    """The emulator cannot be built or started, or the program that it runs broke."""


def cache_dir() -> Path:
    """``$XDG_CACHE_HOME/rig/avr``, or ``~/.cache/rig/avr``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "rig" / "avr"


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise EmulatorError(f"{name} is not installed; the emulator needs it: {REMEDY}")
    return found


def _stamp(path: str | Path) -> str:
    """Tells one version of an installed file from the next without running it."""
    real = Path(path).resolve()
    state = real.stat()
    return f"{real} {state.st_size} {state.st_mtime_ns}"


def _key(files: Iterable[Path], words: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for word in words:
        digest.update(word.encode() + b"\0")
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


def _compile(command: Sequence[str], target: Path) -> None:
    """Runs ``command -o scratch`` and moves the scratch file to ``target``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=target.parent, suffix=target.suffix)
    os.close(handle)
    try:
        done = subprocess.run([*command, "-o", scratch], capture_output=True, text=True, check=False)
        if done.returncode:
            raise EmulatorError(_explain(command[0], done.stderr))
        os.replace(scratch, target)
    finally:
        Path(scratch).unlink(missing_ok=True)


def _explain(tool: str, stderr: str) -> str:
    missing = re.search(r"(\S+\.h): No such file|cannot find (-l\w+)", stderr)
    if missing:
        name = missing.group(1) or missing.group(2)
        return f"{Path(tool).name} cannot find {name}; is a package missing? {REMEDY}"
    return f"{Path(tool).name} failed:\n{stderr.strip()}"


def harness_library(include_dir: str = "/usr/include/simavr") -> Path:
    """The harness as a shared library, compiled on first use.

    Raises:
        EmulatorError: the compiler or libsimavr is missing; the message names the packages.
    """
    compiler = _tool("gcc")
    header = Path(include_dir) / "sim_avr.h"
    if not header.exists():
        raise EmulatorError(f"libsimavr is not installed ({header} is missing): {REMEDY}")
    sources = sorted(HERE.glob("*.c"))
    words = (*HOST_FLAGS, _stamp(compiler), _stamp(header))
    key = _key([*sources, *sorted(HERE.glob("*.h"))], words)
    target = cache_dir() / f"harness-{key}.so"
    if not target.exists():
        flags = [*HOST_FLAGS, "-isystem", include_dir]
        _compile([compiler, *flags, *map(str, sources), "-lsimavr"], target)
    return target


def avr_program(
    sources: Sequence[str | Path],
    mcu: str,
    *,
    defines: Mapping[str, str | int] | None = None,
    include_dirs: Sequence[str | Path] = (),
    flags: Sequence[str] = AVR_FLAGS,
    f_cpu_hz: int = 16_000_000,
) -> Path:
    """An AVR program as an ELF file, compiled on first use.

    Args:
        sources: C or assembly files; a bare name is looked up in ``programs/``.
        mcu: as avr-gcc names it, ``"atmega328p"`` or ``"atmega2560"``.
        defines: preprocessor symbols beside ``F_CPU``.
        include_dirs: where headers lie; all headers in them are part of the cache key.

    Raises:
        EmulatorError: avr-gcc is missing or refuses the program.
    """
    compiler = _tool("avr-gcc")
    paths = [PROGRAMS / source if isinstance(source, str) else source for source in sources]
    symbols = {"F_CPU": f"{f_cpu_hz}UL", **(defines or {})}
    folders = [PROGRAMS, *map(Path, include_dirs)]
    options = [
        f"-mmcu={mcu}",
        *flags,
        *(f"-D{name}={value}" for name, value in symbols.items()),
        *(f"-I{folder}" for folder in folders),
    ]
    headers = [header for folder in folders for header in sorted(folder.glob("*.h"))]
    key = _key([*paths, *headers], (*options, _stamp(compiler)))
    target = cache_dir() / f"{paths[0].stem}-{mcu}-{key}.elf"
    if not target.exists():
        _compile([compiler, *options, *map(str, paths)], target)
    return target


FIRMWARE = HERE.parents[1] / "firmware"
BOARDS = {"atmega2560": "mega2560", "atmega328p": "uno328p"}


def firmware_program(mcu: str, extra: str = "") -> Path:
    """The board's own program as ``firmware/Makefile`` builds it: what `rig flash` writes, with its symbols.

    Raises:
        EmulatorError: a tool is missing, or the program does not build.
    """
    _tool("avr-gcc"), _tool("make")
    files = [path for path in sorted(FIRMWARE.rglob("*")) if path.suffix in {".c", ".h"} or path.name == "Makefile"]
    target = cache_dir() / f"firmware-{BOARDS[mcu]}-{_key(files, (mcu, extra))}.elf"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            made = Path(scratch) / f"{BOARDS[mcu]}.elf"
            command = ["make", "-s", "-C", str(FIRMWARE), f"OUT={scratch}", f"EXTRA={extra}", str(made)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise EmulatorError(_explain("make", done.stderr))
            os.replace(made, target)
    return target
