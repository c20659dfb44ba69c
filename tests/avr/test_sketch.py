"""The sketch as the Arduino IDE builds it: file by file, the linker seeing the whole, another's main()."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from scenarios import on_rule, rule, state

from avr.board import CYCLES_PER_US, ChipRig
from avr.build import BOARDS, FIRMWARE
from rig import wire
from rig.wire import Decision, Rule

ARDUINO = ["-DF_CPU=16000000L", "-DARDUINO=10819", "-Os", "-flto", "-ffunction-sections", "-fdata-sections", "-w"]
MAIN = """
#include <avr/interrupt.h>
#include <avr/io.h>
#include "{sketch}"
ISR(TIMER0_OVF_vect) {{}} // the core's millis()
int main() {{ TCCR0B = 3; TIMSK0 = 1; sei(); setup(); for (;;) loop(); }}
"""


def sketch(mcu: str, folder: Path) -> Path:
    source, program = folder / "main.cpp", folder / "sketch.elf"
    source.write_text(MAIN.format(sketch=FIRMWARE / "firmware.ino"), encoding="utf-8")
    flags = [f"-mmcu={mcu}", *ARDUINO]
    for compiler, path in (("avr-gcc", FIRMWARE / "all.c"), ("avr-g++", source)):
        subprocess.run([compiler, *flags, "-c", str(path), "-o", str(folder / f"{path.stem}.o")], check=True)
    parts = [str(folder / name) for name in ("all.o", "main.o")]
    subprocess.run(["avr-gcc", *flags, "-fuse-linker-plugin", "-Wl,--gc-sections", *parts, "-o", program], check=True)
    return program


@pytest.mark.parametrize("mcu", BOARDS)
def test_what_the_arduino_ide_makes_answers_and_decides(mcu: str, tmp_path: Path) -> None:
    rig = ChipRig(mcu, elf=sketch(mcu, tmp_path))
    assert rig.hello.wire_hash == wire.wire_hash()
    rig.setup(period_us=5000)
    first = state([(on_rule(0, Decision.LEAVE), 1)], rules=1)
    rig.table([first, state(flags=1, outputs=1 << 4, after_us=500, after_to=0)], [rule(Rule.WINDOW, -20_000, 10)])
    edges = rig.chip.cycle + 20_000 + 4000 * np.arange(200)
    rig.turn(edges)
    rig.poll(80_000)
    late_us = (rig.rises("scan_start") - edges[9::10]) / CYCLES_PER_US
    assert len(late_us) == 20
    assert late_us.max() < 25
    assert not rig.troubles()
