"""Builds the exploration with the real core, or with one that was spoilt on purpose, and runs it.

    python tests/explore/explorer.py [--depth 7]        every world, then every mutant: what `make explore` does

The core is compiled with small tables and rings: its code is the same, its snapshots are shorter.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from explore.mutants import MUTANTS, Mutant
from rig.bodies.core import compiler, firmware_folder

HERE = Path(__file__).parent
CHECK_DEPTH = 5
SIZES = {"STATES": 4, "RULES": 1, "GENERATORS": 3, "QUEUE_BYTES": 1024, "EDGE_RING": 16, "INPUT_RING": 8}
SIZES |= {"DUTY_OUTPUTS": 2, "BATCH": 4}
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", *(f"-DRIG_{name}={n}" for name, n in SIZES.items()))


def build(folder: Path, mutant: Mutant | None = None, flags: tuple[str, ...] = ()) -> Path:
    """The explorer's program in this folder. The objects of a sound core are kept there for the next one."""
    core, objects = firmware_folder() / "core", []
    spoilt = _spoil(folder / "spoilt", mutant) if mutant else core
    whole = mutant is not None and mutant.file.endswith(".h")
    for source in [*sorted(core.glob("*.c")), *sorted(HERE.glob("*.c"))]:
        mine = mutant is not None and (whole or source.name == mutant.file)
        target = folder / f"{'spoilt-' if mine else ''}{source.stem}.o"
        if mine or not target.exists():
            at = spoilt / source.name if source.parent == core else source
            _run([*compiler(), *FLAGS, *flags, "-I", str(spoilt), "-c", str(at), "-o", str(target)], folder)
        objects.append(str(target))
    program = folder / ("spoilt-explore" if mutant else "explore")
    _run([*compiler(), *flags, *objects, "-o", str(program)], folder)
    return program


def _spoil(folder: Path, mutant: Mutant) -> Path:
    """A copy of the core with the mutant's change. It is an error if the change has no place to go."""
    folder.mkdir(exist_ok=True)
    for source in (firmware_folder() / "core").glob("*.[ch]"):
        text = source.read_text(encoding="utf-8").replace('"../boards', f'"{firmware_folder()}/boards')
        if source.name == mutant.file:
            assert text.count(mutant.old) == 1, f"mutant {mutant.name!r}: its place in {mutant.file} is gone"
            text = text.replace(mutant.old, mutant.new)
        (folder / source.name).write_text(text, encoding="utf-8")
    return folder


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def explore(program: Path, *words: object) -> tuple[bool, str]:
    """``(every promise kept, what was printed)``."""
    done = subprocess.run([str(program), *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), f"{done.returncode}: {done.stdout}{done.stderr}"
    return done.returncode == 0, done.stdout


def covered(folder: Path, file: str) -> tuple[int, int, list[str]]:
    """After a run of a program built with ``--coverage``: lines run, lines there, and those never run."""
    listing = subprocess.run(["gcov", "-t", f"{file}.c"], cwd=folder, capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^ *([^ :]+)\*?: *(\d+):(.*)$", _part(listing, f"{file}.c"), re.MULTILINE)
    never = [f"{file}.c:{line}:{text}" for count, line, text in rows if count in ("#####", "=====")]
    lines = sum(count != "-" for count, _, _ in rows)
    return lines - len(never), lines, never


def _part(listing: str, name: str) -> str:
    """Of one source among those that gcov lists."""
    parts = re.split(r"^ *-: *0:Source:", listing, flags=re.MULTILINE)
    return next(part for part in parts if part.split("\n", 1)[0].endswith("/core/" + name))


def main() -> int:
    """Explore, cover, then hunt every mutant. Exit code 1 where a promise was broken or a mutant got away."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=7)
    depth = parser.parse_args().depth
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build(folder)
        sound = subprocess.run([str(program), "depth", str(depth)], check=False).returncode == 0
        for mutant in MUTANTS:
            kept, said = explore(build(folder, mutant), "depth", CHECK_DEPTH)
            sound &= not kept
            print(
                f"{mutant.name}: {'NOT FOUND' if kept else ' / '.join(said.split(chr(10) + '    ')).strip()}",
                flush=True,
            )
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
