"""Building the trial machine: which compiler, what its complaints become, when it is built anew."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rig.bodies import core
from rig.errors import BoardError

# A compiler that only leaves a mark: building is not what these tests are about, choosing and keeping is.
MARK = """#!{python}
import sys
args = sys.argv[1:]
open({log!r}, "a").write(" ".join(args) + "\\n")
open(args[args.index("-o") + 1], "wb").write(b"made")
"""


BUILDS = pytest.mark.parametrize("build", [core.build, core.build_pty])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rig"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the firmware that a test may spoil."""
    shutil.copytree(core.firmware_folder(), tmp_path / "firmware")
    monkeypatch.setattr(core, "firmware_folder", lambda: tmp_path / "firmware")
    return tmp_path / "firmware"


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in compiler in ``$CC``; the file it logs its calls to."""
    log, script = tmp_path / "calls", tmp_path / "mark-cc"
    script.write_text(MARK.format(python=sys.executable, log=str(log)), encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("CC", f"{script} -DSAID")
    return log


def test_cc_is_honoured_with_its_arguments(cache: Path, marker: Path) -> None:
    built = core.build(("-DEXTRA",))
    assert built.parent == cache
    assert built.read_bytes() == b"made"
    call = marker.read_text(encoding="utf-8").split()
    assert call[0] == "-DSAID"
    assert {*core.FLAGS, "-DEXTRA"} <= {*call}
    assert [Path(name).name for name in call if name.endswith(".c")] == [path.name for path in core.sources()]


@BUILDS
def test_a_body_is_built_once_and_no_scratch_file_stays(build: Callable[[], Path], cache: Path, marker: Path) -> None:
    assert build() == build()
    assert len(marker.read_text(encoding="utf-8").splitlines()) == 1
    assert len(list(cache.iterdir())) == 1


@pytest.mark.skipif(os.name == "nt", reason="the stand-in compiler is a script")
@pytest.mark.parametrize("name", ["core/safety.c", "core/core.h", "boards/host/host.c", "boards/host/host.h"])
def test_an_edited_source_is_another_library(cache: Path, marker: Path, sources: Path, name: str) -> None:
    before = core.build()
    with (sources / name).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert core.build() != before


def test_other_flags_and_another_compiler_are_other_libraries(
    cache: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = core.build(), core.build(("-O3",))
    monkeypatch.setenv("CC", os.environ["CC"] + " -DOTHER")
    assert len({first, second, core.build()}) == 3


def test_the_source_hash_is_of_the_core_alone(sources: Path) -> None:
    before = core.source_hash()
    (sources / "boards" / "host" / "host.c").write_text("", encoding="utf-8")
    assert core.source_hash() == before
    with (sources / "core" / "rules.c").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert core.source_hash() != before


@BUILDS
def test_a_compiler_that_is_not_there_is_named(
    build: Callable[[], Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(BoardError, match=r"'no-such-compiler' was not found: set CC"):
        build()
    assert list(cache.iterdir()) == []


def test_without_any_compiler_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BoardError, match=r"install gcc or clang, or `pip install \.\[compiler\]`"):
        core.compiler()


def test_the_ziglang_wheel_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "ziglang")
    assert core.compiler() == [sys.executable, "-m", "ziglang", "cc"]


@BUILDS
def test_a_broken_source_is_one_readable_line(
    build: Callable[[], Path], cache: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    (sources / "core" / "rules.c").write_text("int broken(void) { return nothing; }\n", encoding="utf-8")
    with pytest.raises(BoardError, match=r"could not build the trial machine: .*rules\.c.*nothing") as caught:
        build()
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


@BUILDS
def test_a_cache_that_cannot_be_written_says_what_to_set(
    build: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BoardError, match="set XDG_CACHE_HOME to a writable folder"):
        build()


def test_missing_sources_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "_HERE", tmp_path / "rig")
    with pytest.raises(BoardError, match="firmware/core is missing"):
        core.firmware_folder()


def test_a_library_that_cannot_be_opened_says_to_delete_it(cache: Path, marker: Path) -> None:
    core.load.cache_clear()
    try:
        with pytest.raises(BoardError, match="delete it and try again"):
            core.load()
    finally:
        core.load.cache_clear()


def test_every_declared_function_is_in_the_library() -> None:
    ffi, lib = core.load()
    for name in ("host_size", "host_run", "host_send", "host_command"):
        assert callable(getattr(lib, name))
    assert lib.host_size() > 1000
    assert ffi.sizeof("uint32_t") == 4
