"""Building: the cache, and clear words when a tool or the library is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from avr import build
from avr.build import EmulatorError, avr_program, harness_library


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "rig" / "avr"


def test_a_program_is_built_once_per_content(cache: Path) -> None:
    first = avr_program(["send.c"], "atmega328p")
    stamp = first.stat().st_mtime_ns
    assert avr_program(["send.c"], "atmega328p") == first
    assert first.stat().st_mtime_ns == stamp
    other = avr_program(["send.c"], "atmega328p", defines={"DIVISOR": 3})
    assert other != first
    assert sorted(path.name for path in cache.iterdir()) == sorted([first.name, other.name])


def test_a_changed_source_or_header_is_another_program(cache: Path, tmp_path: Path) -> None:
    source, header = tmp_path / "own.c", tmp_path / "own.h"
    source.write_text('#include "own.h"\nint main(void) { return NUMBER; }\n')
    header.write_text("#define NUMBER 1\n")
    one = avr_program([source], "atmega2560", include_dirs=[tmp_path])
    header.write_text("#define NUMBER 2\n")
    assert avr_program([source], "atmega2560", include_dirs=[tmp_path]) != one
    assert cache.is_dir()


def test_a_program_that_does_not_compile_is_an_error_and_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    source = tmp_path / "broken.c"
    source.write_text("int main(void) { return nothing; }\n")
    with pytest.raises(EmulatorError, match="nothing"):
        avr_program([source], "atmega2560")
    assert list(cache.iterdir()) == []


def test_a_missing_library_is_named_with_its_packages(tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match=r"libsimavr is not installed.*apt-get install.*libsimavr-dev"):
        harness_library(include_dir=str(tmp_path))


def test_a_missing_compiler_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EmulatorError, match=r"avr-gcc is not installed.*gcc-avr avr-libc"):
        avr_program(["send.c"], "atmega2560")


def test_a_missing_header_is_named_with_its_packages() -> None:
    text = build._explain("/usr/bin/avr-gcc", "a.c:1:10: fatal error: avr/io.h: No such file or directory")
    assert "avr-gcc cannot find avr/io.h" in text
    assert "avr-libc" in text
