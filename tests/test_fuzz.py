"""The core under the address and undefined-behaviour sanitizers: random lives, golden vectors, random trials."""

from __future__ import annotations

import functools
import hashlib
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from reference import Event
from scenarios import Maker
from story import Story
from vectors import GOLDEN, Vector, load, since, text

from rig import wire
from rig.bodies import core

HERE = Path(__file__).parent / "fuzz"
FLAGS = ("-std=c11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
LIVES = 800
TRIALS = 15


@functools.cache
def driver() -> Path:
    """The driver with sanitizers, built once for each state of the sources."""
    compiler = next(filter(None, map(shutil.which, ("gcc", "clang"))), None)
    if compiler is None or os.name == "nt":
        pytest.skip("needs gcc or clang with sanitizers")
    sources = [HERE / "fuzz_core.c", *core.sources()]
    digest = hashlib.sha256(repr((compiler, FLAGS, core.declarations())).encode())
    for path in [*sources, *(core.firmware_folder() / "core").glob("*.h")]:
        digest.update(path.read_bytes())
    built = core.cache_folder() / f"fuzz-{digest.hexdigest()[:20]}"
    if not built.exists():
        built.parent.mkdir(parents=True, exist_ok=True)
        scratch = built.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, *FLAGS, *map(str, sources), "-o", str(scratch)], check=True)
        scratch.replace(built)
    return built


def run(*args: object) -> str:
    """What the driver prints. A sanitizer's complaint or a broken promise fails the test with its text."""
    done = subprocess.run(
        [str(driver()), *map(str, args)], capture_output=True, text=True, env=os.environ | SANITIZERS, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("seed", [1, 100_000])
def test_noise_spoilt_frames_and_valid_ones_never_crash_it_nor_touch_an_output(seed: int) -> None:
    assert run("random", seed, LIVES) == f"{LIVES} lives from seed {seed}\n"


def test_what_the_fuzzer_kept_breaks_no_promise() -> None:
    """Bare frames, bare tables and whole lives that together ran every line the fuzzer ever reached."""
    kept = sorted((HERE / "corpus").iterdir())
    assert len(kept) > 40
    assert run("replay", *kept) == f"{len(kept)} files\n"


def told(vectors: list[Vector], folder: Path) -> list[list[Event]]:
    """The events of each vector as the sanitized core tells them."""
    blocks = run("vectors", *(folder / f"{vector.name}.trial" for vector in vectors)).split("\n\n")
    found = []
    for vector, block in zip(vectors, blocks, strict=False):
        decoded = [wire.decode(bytes.fromhex(line)) for line in block.split()]
        found.append([since(Event(d.name, d.board_us, d.fields), vector.start_us) for d in decoded])
    return found


def test_golden_vectors_tell_the_same_under_the_sanitizers() -> None:
    vectors = list(load())
    for vector, events in zip(vectors, told(vectors, GOLDEN), strict=True):
        assert events == vector.expected, vector.name


def test_random_trials_tell_what_the_reference_tells_under_the_sanitizers(tmp_path: Path) -> None:
    vectors = []
    for seed in range(TRIALS):
        scenario = Maker(random.Random(5000 + seed), 50).scenario(pushes=8, changes=6, talk=4)
        vectors.append(Story.of(scenario).vector(f"drawn_{seed}", "", scenario.end_us - scenario.start_us))
        (tmp_path / f"drawn_{seed}.trial").write_text(text(vectors[-1]), encoding="utf-8")
    for vector, events in zip(vectors, told(vectors, tmp_path), strict=True):
        assert events == vector.expected, vector.name


def test_a_broken_promise_and_a_line_that_is_none_are_loud(tmp_path: Path) -> None:
    (tmp_path / "bad.trial").write_text("start_us 0\nhello\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="a line of the vector is not understood"):
        run("vectors", tmp_path / "bad.trial")
