"""A rig's board as it is shipped, on the emulated chip: pins by their roles, times in the board's own microseconds.

The program is the one that ``firmware/Makefile`` builds, unchanged. May run the emulator; never judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from avr.build import FIRMWARE, firmware_program
from avr.emulator import Emulator
from avr.link import EmulatedLink
from avr.records import Cycles
from rig import pins, wire
from rig.board import Board

U32 = 0xFFFFFFFF
CYCLES_PER_US = 16
HEADERS = {"atmega2560": "pins_mega2560.h", "atmega328p": "pins_uno328p.h"}
_TIMER_CONTROL = {"atmega2560": 0x81, "atmega328p": 0x81}
GRAY = np.array([0b00, 0b01, 0b11, 0b10])  # bit 0 is line A, bit 1 line B: A leads upwards


def pin_table(mcu: str) -> dict[str, tuple[str, int]]:
    """Port and bit of every role."""
    text = (FIRMWARE / "boards" / "avr" / HEADERS[mcu]).read_text(encoding="utf-8")
    return {pin.role: (pin.port, pin.bit) for pin in pins.table(text)}


class ChipBoard:
    """A board at power-on, its clock just begun, all inputs low.

    Args:
        mcu: the chip.
        start_us: where the board's clock shall be when it is ready, 20 to 53 ms after power-on: the program's variable
            is set before it is read, to a multiple of what its timer counts in a round.
        elf: another program than the shipped one.
    """

    READY_US = 20_000
    ROUND_US = 32_768

    def __init__(self, mcu: str = "atmega2560", start_us: int | None = None, elf: object = None) -> None:
        self.mcu = mcu
        self.chip = Emulator(str(elf) if elf else firmware_program(mcu), mcu)
        self.pins = pin_table(mcu)
        self.levels, self._phase = 0, 0
        self.inputs = [name for name in wire.INPUTS if name in self.pins]
        for role in (*self.inputs, "encoder_a", "encoder_b"):
            self.chip.schedule_pin(*self.pins[role], 0, 0)
        while not self.chip.peek_int(_TIMER_CONTROL[mcu], 1):  # the timer's first tick
            self.chip.run_for_cycles(1)
        self.zero_cycle = self.chip.cycle
        self.shift_us = 0
        if start_us is not None:
            self.shift_us = (start_us - self.READY_US) // self.ROUND_US * self.ROUND_US
            self.chip.poke("clock_high_us", (self.shift_us & U32).to_bytes(4, "little"))
        self.chip.run_until_cycle(self.cycle_of(self.READY_US if start_us is None else start_us))

    # --- time

    def cycle_of(self, board_us: float) -> int:
        """The cycle at which the board's clock (unwrapped) comes to this."""
        return self.zero_cycle + round((board_us - self.shift_us) * CYCLES_PER_US)

    @property
    def now_us(self) -> float:
        """The board's clock, unwrapped."""
        return (self.chip.cycle - self.zero_cycle) / CYCLES_PER_US + self.shift_us

    # --- the outside

    def input(self, role: str, level: int, cycle: int) -> None:
        """An input pin goes to a level."""
        self.chip.schedule_pin(*self.pins[role], level, cycle)

    def inputs_to(self, levels: int, cycle: int) -> None:
        """All inputs at once: bit per input, as the wire counts them."""
        for i, role in enumerate(self.inputs):
            if (levels ^ self.levels) >> i & 1:
                self.input(role, levels >> i & 1, cycle)
        self.levels = levels

    def turn(self, cycles: npt.ArrayLike, steps: npt.ArrayLike = 1) -> None:
        """The encoder moves by +-1 at each cycle."""
        when = np.asarray(cycles, np.int64)
        step = np.broadcast_to(np.asarray(steps, np.int64), when.shape)
        after = self._phase + np.cumsum(step)
        lines, before = GRAY[after % 4], GRAY[(after - step) % 4]
        for bit, role in enumerate(("encoder_a", "encoder_b")):
            mine = (lines ^ before) >> bit & 1 == 1
            self.chip.schedule_pins(*self.pins[role], lines[mine] >> bit & 1, when[mine])
        if len(after):
            self._phase = int(after[-1])

    # --- what it did

    def edges(self, role: str, since_cycle: int = 0) -> tuple[Cycles, npt.NDArray[np.uint8]]:
        """Cycles and levels after each change of an output."""
        when, levels = self.chip.edges(*self.pins[role])
        return when[when >= since_cycle], levels[when >= since_cycle]

    def rises(self, role: str, since_cycle: int = 0) -> npt.NDArray[np.int64]:
        when, levels = self.edges(role, since_cycle)
        found: npt.NDArray[np.int64] = when[levels == 1].astype(np.int64)
        return found

    def falls(self, role: str, since_cycle: int = 0) -> npt.NDArray[np.int64]:
        when, levels = self.edges(role, since_cycle)
        found: npt.NDArray[np.int64] = when[levels == 0].astype(np.int64)
        return found

    def troubles(self) -> list[tuple[int, str, int]]:
        """What befell the chip since power-on: resets, lost bytes."""
        return [event for event in self.chip.events()[1:] if event[1] != "unheard"]


class ChipRig(ChipBoard):
    """The same with the program's own host side (``rig.board.Board``) at the other end of the line."""

    def __init__(self, mcu: str = "atmega2560", elf: object = None, start_us: int | None = None) -> None:
        super().__init__(mcu, start_us, elf)
        self.board = Board(EmulatedLink(self.chip))
        self.hello = self.board.connect()
        self.log: list[wire.Decoded] = []

    def poll(self, us: float) -> None:
        """Let time pass, hear and acknowledge."""
        end = self.chip.cycle + round(us * CYCLES_PER_US)
        while self.chip.cycle < end:
            left_us = (end - self.chip.cycle) / CYCLES_PER_US
            told = self.board.poll(int(min(2000.0, left_us) * 1000) + 1)
            self.log += [wire.decode(payload) for payload in told]
            if told:
                self.board.acknowledge()

    def send(self, name: str, **values: int) -> None:
        self.board.send(name, values)

    def settle(self) -> None:
        """Until every command is answered."""
        while not self.board.idle:
            self.poll(1000)
        self.poll(3000)

    def setup(
        self,
        max_on_us: Mapping[str, int] | None = None,
        *,
        interlock: int = wire.NO_INPUT,
        deadman_us: int = 5_000_000,
        source: int = 0,
        period_us: int = 1000,
        batch: int = 4,
        duty: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        """Limits, wiring, samples; lock and arm."""
        for o in range(self.hello.outputs):
            name = wire.OUTPUTS[o]
            window_us, duty_us = (duty or {}).get(name, (0, 0))
            limit_us = (max_on_us or {}).get(name, 2_000_000)
            self.send("set_output", output=o, safe=0, max_on_us=limit_us, window_us=window_us, max_duty_us=duty_us)
        self.send("set_safety", deadman_us=deadman_us, interlock=interlock)
        self.send("set_inputs", enabled=(1 << self.hello.inputs) - 1, invert=0)
        self.send("set_lever", source=source, period_us=period_us, batch=batch)
        self.send("lock")
        self.send("arm")
        self.settle()

    def table(self, states: Sequence[dict[str, int]], rules: Sequence[dict[str, int]] = (),
              generators: Sequence[dict[str, int]] = (), trial: int = 1) -> None:  # fmt: skip
        """A trial's table, rows as ``scenarios.state``, ``rule`` and ``generator`` make them; it begins at once."""
        self.send("table_begin", trial=trial, states=len(states), rules=len(rules), generators=len(generators))
        for kind, rows in (("state", states), ("rule", rules), ("generator", generators)):
            for i, row in enumerate(rows):
                self.send(f"table_{kind}", index=i, **row)
        self.send("table_commit")
        self.settle()

    def run_with(self, until_cycle: int, every_us: float, traffic: Callable[[], None]) -> None:
        """Let time pass while something is said every so often."""
        while self.chip.cycle < until_cycle:
            self.poll(every_us)
            traffic()

    def told(self, *names: str) -> list[wire.Decoded]:
        return [event for event in self.log if event.name in names]
