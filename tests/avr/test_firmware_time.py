"""How exact the shipped AVR programs are: pins, timers, stamps and bytes, to the emulator's own cycle.

Nothing here depends on the host's clock: every figure is a count of cycles of the chip. `bench/latency.py` has the
tables; what stands here must never get worse.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scenarios import generator, on_input, on_rule, rule, state

from avr.board import CYCLES_PER_US, ChipRig
from avr.build import BOARDS
from avr.records import bytes_of
from rig import wire
from rig.wire import Decision, Generator, InputEdge, Rule

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import latency

boards = pytest.mark.parametrize("mcu", BOARDS)
ENTRY_US = 6  # as long as other interrupts may keep the encoder's waiting; an input's waits for that one, too
SYNC, SCAN = 1 << 3, 1 << 4
LICK_RISES = on_input(0, InputEdge.RISE)


def swinging(rig: ChipRig, rate_hz: int, seconds: float, sweep: int = 100, seed: int = 1) -> None:
    """The lever goes back and forth at so many edges a second, with 20 % jitter."""
    n = int(rate_hz * seconds)
    rig.turn(
        latency.edge_cycles(rate_hz, n, seed, rig.chip.cycle + 4000), np.where(np.arange(n) // sweep % 2 == 0, 1, -1)
    )


class Loaded:
    """Licks start a state of 2 ms and a pulse of 3 ms, while the lever turns, a rule decides and the line is busy."""

    def __init__(self, mcu: str = "atmega2560", rate_hz: int = 10_000, licks: int = 60, every_us: int = 20_000) -> None:
        self.rig = rig = ChipRig(mcu)
        rig.setup(period_us=1000 if mcu == "atmega2560" else 5000)
        push = rule(Rule.PRESS, 3, 500, hysteresis_counts=1, time_us=500_000)
        first = state([(LICK_RISES, 1), (on_rule(0, Decision.PRESS), 1)], rules=1)
        second = state(rules=1, outputs=SCAN, start=1, after_us=2000, after_to=0)
        rig.table([first, second], [push], [generator(Generator.PULSE, output=3, width_us=3000)])
        rig.poll(2000)
        swinging(rig, rate_hz, licks * every_us / 1e6 + 0.05)
        self.lick_cycles = rig.chip.cycle + 40_000 + (np.arange(licks) * (every_us * 16 + 3)).astype(np.int64)
        port, bit = rig.pins["lick"]
        both = np.sort(np.concatenate([self.lick_cycles, self.lick_cycles + 10_000 * 16]))
        rig.chip.schedule_pins(port, bit, np.arange(2 * licks) % 2 == 0, both)
        rig.run_with(int(both[-1]) + 80_000, 2000, lambda: rig.send("host_event", code=3))
        rig.settle()

    def us(self, cycles: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """After its lick, each."""
        assert len(cycles) == len(self.lick_cycles), f"{len(cycles)} for {len(self.lick_cycles)} licks"
        return (cycles - self.lick_cycles) / CYCLES_PER_US

    def since(self) -> int:
        return int(self.lick_cycles[0])


@pytest.fixture(scope="module", params=[("atmega2560", 10_000), ("atmega2560", 20_000), ("atmega328p", 5_000)], ids=str)
def loaded(request: pytest.FixtureRequest) -> Loaded:
    return Loaded(*request.param)


def test_an_input_moves_a_pin_through_a_state(loaded: Loaded) -> None:
    late_us = loaded.us(loaded.rig.rises("scan_start", loaded.since()))
    assert late_us.max() < 100
    if loaded.rig.mcu == "atmega2560":
        assert late_us.max() < 25


def test_timers_fire_on_time_under_load(loaded: Loaded) -> None:
    off_us = loaded.us(loaded.rig.falls("scan_start", loaded.since())) - 2000
    assert np.abs(off_us).max() < 20


def test_pulses_are_as_wide_as_they_should_be_under_load(loaded: Loaded) -> None:
    begin, end = (f("sync", loaded.since()) for f in (loaded.rig.rises, loaded.rig.falls))
    assert np.abs((end - begin) / CYCLES_PER_US - 3000).max() < 20


def test_nothing_is_lost_under_load(loaded: Loaded) -> None:
    rig = loaded.rig
    assert not rig.troubles()
    assert rig.board.damaged == 0
    assert not rig.told("fault", "input_error", *(["lost"] if rig.mcu == "atmega2560" else []))
    assert rig.chip.free_ram_bytes > (500 if rig.mcu == "atmega2560" else 20)


def test_inputs_are_stamped_when_they_changed(loaded: Loaded) -> None:
    rig = loaded.rig
    stamps = [e.board_us for e in rig.told("input") if int(e.fields["levels"]) & 1]  # type: ignore[arg-type]
    true_us = (loaded.lick_cycles - rig.zero_cycle) / CYCLES_PER_US
    late_us = np.array(stamps) - true_us[: len(stamps)]
    assert len(stamps) == len(true_us)
    assert late_us.min() > -1
    assert late_us.max() < 1 + 2 * ENTRY_US
    assert np.median(late_us) < 1


# --- from the encoder's edge ------------------------------------------------------------------------------------------


@boards
def test_edges_are_stamped_when_they_came(mcu: str) -> None:
    rig = ChipRig(mcu)
    rig.setup()
    first = state([(on_rule(0, Decision.LEAVE), 1)], rules=1)
    second = state(flags=1, outputs=SCAN, after_us=1500, after_to=0)
    rig.table([first, second], [rule(Rule.WINDOW, -20_000, 20)])
    n, gap = 6000, 2500
    edges = rig.chip.cycle + 5000 + np.arange(n) * gap + np.random.default_rng(2).integers(0, 900, n)
    rig.turn(edges)
    rig.poll((edges[-1] - rig.chip.cycle) / CYCLES_PER_US + 20_000)
    stamps = np.array([e.board_us for e in rig.told("rule") if e.fields["decision"] == Decision.LEAVE])
    true_us = (edges - rig.zero_cycle) / CYCLES_PER_US
    late_us = stamps - true_us[np.abs(stamps[:, None] + 0.5 - true_us).argmin(axis=1)]
    assert len(stamps) > 200  # so many that the share below is the share
    assert late_us.min() > -1.1
    assert late_us.max() < 1 + ENTRY_US
    assert np.mean(np.abs(late_us) <= 1) > 0.8


@pytest.mark.parametrize("rate_hz", [1_000, 5_000, 10_000, 20_000])
def test_a_decision_is_at_the_pin_as_soon_as_a_bare_interrupt_could_be(rate_hz: int) -> None:
    """Beside the reference program in the same run; both with the line busy."""
    (reference,) = [row for row in latency.ROWS if row.name == "2560 C 32-bit, full line"]
    bare_us, _ = latency.measure(reference, rate_hz, 700)
    ours_us, rig = latency.product("atmega2560", rate_hz, 1500)
    assert np.median(ours_us) <= 1.5 * np.median(bare_us)
    assert ours_us.max() <= 2 * bare_us.max()
    assert ours_us.max() < 25
    assert not rig.troubles()


@pytest.mark.parametrize(("mcu", "rate_hz"), [("atmega2560", 40_000), ("atmega328p", 20_000)])
def test_no_count_is_lost(mcu: str, rate_hz: int) -> None:
    _, rig = latency.product(mcu, rate_hz, 6000, decide_us=20_000)
    zeroed = sum(int(str(e.fields["at_counts"])) for e in rig.told("zeroed"))
    last = rig.told("lever")[-1].fields
    assert zeroed + last["first_counts"] + last["offsets"][-1] == 6000  # type: ignore[operator, index]
    assert not rig.told("fault")
    if mcu == "atmega2560":
        assert not rig.told("input_error")  # nor was any edge's time merged with another's


# --- the line ---------------------------------------------------------------------------------------------------------


def test_bytes_both_ways_at_full_rate_while_edges_arrive() -> None:
    """200 frames back to back to the board, 20,000 edges/s, samples at 1 kHz: every ping is answered once."""
    rig = ChipRig()
    rig.setup()
    swinging(rig, 20_000, 0.2)
    frames = [wire.frame(wire.encode("ping", {"token": 1000 + i, "next_event": 0})) for i in range(200)]
    cycle = rig.chip.cycle + 100
    for frame in frames:  # as dense as answers of 11 bytes can be sent, and no more than 4 at a time
        rig.chip.uart_write(frame, cycle)
        cycle += 16 * 900
    splitter, tokens = wire.FrameSplitter(), []
    while rig.chip.cycle < cycle + 160_000:
        rig.chip.run_for_us(1000)
        for payload in splitter.feed(bytes_of(rig.chip.uart_read())):
            if payload[0] == wire.BY_NAME["pong"].number:
                tokens.append(wire.decode(payload).fields["token"])
    assert [token for token in tokens if int(token) >= 1000] == list(range(1000, 1200))  # type: ignore[arg-type]
    assert splitter.damaged == 0
    assert not rig.troubles()


def test_an_analogue_lever_decides_by_the_same_rules() -> None:
    rig = ChipRig()
    rig.chip.schedule_adc(0, 100, rig.chip.cycle)
    rig.setup(source=1)
    rig.poll(5000)
    rig.send("zero_lever")
    rig.table([state([(on_rule(0, Decision.PRESS), 1)], rules=1), state(outputs=SCAN, after_us=5000, after_to=255)],
              [rule(Rule.PRESS, 40, 800, hysteresis_counts=20, time_us=100_000)])  # fmt: skip
    begin = rig.chip.cycle + 16_000
    ramp_us = np.arange(0, 40_000, 200)
    rig.chip.schedule_adc(0, 100 + ramp_us // 100, begin + ramp_us * 16)
    rig.poll(60_000)
    (press,) = [e for e in rig.told("rule") if e.fields["decision"] == Decision.PRESS]
    assert abs(int(press.fields["counts"]) - 800) < 45  # type: ignore[arg-type]
    counts_per_us = 4 / 100  # sixteen conversions of 10 bits make a sample of 12 bits
    due = begin + 800 / counts_per_us * 16
    assert -1000 < (rig.rises("scan_start")[0] - due) / CYCLES_PER_US < 2000
