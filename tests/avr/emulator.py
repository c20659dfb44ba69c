"""The emulator as Python sees it: one chip, one program, virtual time.

May load the harness and call it; never reads a clock of the host, never sleeps, prints nothing. All times are cycles of
the chip since power-on unless a name says otherwise. A run is the same to the bit however it is cut into
pieces, and stimuli may be added from the cycle that was last asked for.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import numpy.typing as npt

from avr.build import HERE, REMEDY, EmulatorError, harness_library
from avr.elf import Symbol, read_elf, scan_elf
from avr.records import (
    CAUSES,
    CHIP_EVENT,
    EVENTS,
    LET_GO,
    MCUS,
    NOTHING,
    PIN_CHANGE,
    STIMULUS,
    UART_BYTE,
    Cause,
    Correction,
    Cycles,
    Records,
)


@functools.cache
def _harness() -> tuple[Any, Any]:
    """Loads the harness; its C declarations are cut from the header that it was compiled with."""
    header = (HERE / "harness.h").read_text()
    ffi = cffi.FFI()
    ffi.cdef(header.split("/* cdef begins */")[1].split("/* cdef ends */")[0])
    try:
        return ffi, ffi.dlopen(str(harness_library()))
    except OSError as error:
        raise EmulatorError(f"the harness cannot be loaded ({error}): {REMEDY}") from error


class Emulator:
    """One emulated chip with a program in it, at cycle 0 after power-on.

    Args:
        elf: the program.
        mcu: ``"atmega2560"`` or ``"atmega328p"``.
        f_cpu: the clock in Hz.
        baud: speed of the host's end of UART 0; None follows the speed that the program sets.
        without: corrections to leave out, for tests of the emulator itself.
        allow_hazards: run a program although ``scan_elf`` finds code that the library runs wrongly.

    Raises:
        EmulatorError: a tool is missing, the program does not fit or has a hazard.
    """

    def __init__(
        self,
        elf: str | Path,
        mcu: str = "atmega2560",
        f_cpu: int = 16_000_000,
        *,
        baud: int | None = None,
        without: Correction = NOTHING,
        allow_hazards: bool = False,
    ) -> None:
        if mcu not in MCUS:
            raise EmulatorError(f"mcu {mcu!r} is not one of {', '.join(MCUS)}")
        self.elf = read_elf(elf)
        hazards = [] if allow_hazards else scan_elf(elf)
        if hazards:
            raise EmulatorError(f"{elf}: the emulator would run this wrongly, reword the code: {hazards[0]}")
        self.mcu, self.f_cpu = mcu, f_cpu
        self._ffi, self._lib = _harness()
        chip = self._lib.emu_create(mcu.encode(), f_cpu, int(Correction.ALL & ~without))
        if chip == self._ffi.NULL:
            raise EmulatorError(f"libsimavr does not know {mcu}")
        self._chip = self._ffi.gc(chip, self._lib.emu_destroy)
        self._cycle = 0
        self._load(by_library=bool(without & Correction.QUIET))
        if baud is not None:
            self._lib.emu_uart_line(self._chip, 10 * f_cpu / baud)

    def _load(self, by_library: bool) -> None:
        if by_library:
            failed = self._lib.emu_load_by_library(self._chip, str(self.elf.path).encode())
        else:
            failed = any(
                self._lib.emu_load(self._chip, data, len(data), address) for address, data in self.elf.segments
            )
        if failed:
            raise EmulatorError(f"{self.elf.path}: does not fit into the {self.mcu}")

    # ---- time

    @property
    def cycle(self) -> int:
        """The cycle last asked for; the chip itself stands up to nine cycles further on."""
        return self._cycle

    @property
    def us(self) -> float:
        """The same in microseconds."""
        return self._cycle * 1e6 / self.f_cpu

    def run_until_cycle(self, cycle: int) -> None:
        """Runs to the first instruction boundary at or after ``cycle``.

        Raises:
            EmulatorError: the program crashed; the message says where.
        """
        if cycle < self._cycle:
            raise EmulatorError(f"cycle {cycle} has passed: the chip stands at {self._cycle}")
        self._cycle = cycle
        if self._lib.emu_run_until(self._chip, cycle):
            pc = self._lib.emu_pc(self._chip)
            text = self._ffi.string(self._lib.emu_fault(self._chip)).decode()
            at = self._lib.emu_cycle(self._chip)
            raise EmulatorError(f"{text} (pc 0x{pc:04x} in {self.elf.nearest(pc)}, cycle {at})")

    def run_for_cycles(self, cycles: int) -> None:
        """Runs ``cycles`` further."""
        self.run_until_cycle(self._cycle + cycles)

    def run_until_us(self, us: float) -> None:
        """Runs to a time since power-on."""
        self.run_until_cycle(round(us * self.f_cpu / 1e6))

    def run_for_us(self, us: float) -> None:
        """Runs a time further."""
        self.run_for_cycles(round(us * self.f_cpu / 1e6))

    @property
    def blocks(self) -> int:
        """How many runs of instructions the harness has asked of the core: its work, in countable form."""
        return int(self._lib.emu_blocks(self._chip))

    # ---- what the outside does

    def _stimulate(self, stimuli: Records) -> None:
        stimuli = stimuli[np.argsort(stimuli["cycle"], kind="stable")]
        data = np.ascontiguousarray(stimuli).tobytes()
        wrong = self._lib.emu_stimulate(self._chip, self._ffi.from_buffer("stimulus *", data), len(stimuli))
        if wrong:
            bad = stimuli[wrong - 1]
            raise EmulatorError(
                f"stimulus {dict(zip(STIMULUS.names or (), bad.tolist(), strict=True))} is in the past "
                f"(before cycle {self._cycle}) or out of range"
            )

    def schedule_pins(self, port: str, bit: int, levels: npt.ArrayLike, cycles: npt.ArrayLike) -> None:
        """Drives one pin through many levels (0, 1, or 2 to let go), each at its cycle; any order."""
        when = np.asarray(cycles, np.uint64)
        stimuli = np.zeros(len(when), STIMULUS)
        stimuli["cycle"], stimuli["value"] = when, np.asarray(levels)
        stimuli["kind"], stimuli["port"], stimuli["bit"] = 1, ord(port), bit
        self._stimulate(stimuli)

    def schedule_pin(self, port: str, bit: int, level: int | None, cycle: int) -> None:
        """Drives one pin to 0 or 1, or lets go of it (None), at a cycle."""
        self.schedule_pins(port, bit, [LET_GO if level is None else level], [cycle])

    def schedule_adc(self, channel: int, counts: npt.ArrayLike, cycles: npt.ArrayLike) -> None:
        """Sets an analogue channel to ``counts`` (0..1023), each at its cycle; scalars or arrays."""
        when = np.atleast_1d(np.asarray(cycles, np.uint64))
        stimuli = np.zeros(len(when), STIMULUS)
        stimuli["cycle"], stimuli["value"] = when, np.asarray(counts)
        stimuli["kind"], stimuli["bit"] = 2, channel
        self._stimulate(stimuli)

    def schedule_reset(self, cause: Cause, cycle: int, hold_us: float = 0) -> None:
        """Resets the chip at a cycle and holds it for ``hold_us``, pins let go, RAM kept."""
        stimuli = np.zeros(1, STIMULUS)
        stimuli["cycle"], stimuli["value"] = cycle, round(hold_us * self.f_cpu / 1e6)
        stimuli["kind"], stimuli["port"] = 3, CAUSES[cause]
        self._stimulate(stimuli)

    def reset(self, cause: Cause = "external", hold_us: float = 0) -> None:
        """Resets the chip now; it happens first thing in the next run."""
        self.schedule_reset(cause, self._cycle, hold_us)

    def uart_write(self, data: bytes, cycle: int | None = None) -> None:
        """Sends bytes to the chip, back to back after those still on the line.

        Args:
            data: bytes of the host.
            cycle: earliest start of the first; now if None.
        """
        start = self._cycle if cycle is None else cycle
        if self._lib.emu_uart_write(self._chip, start, data, len(data)):
            raise EmulatorError(f"cycle {start} has passed: the chip stands at {self._cycle}")

    @property
    def uart_waiting(self) -> int:
        """How many bytes for the chip are still on the line or waiting for it."""
        return int(self._lib.emu_uart_waiting(self._chip))

    # ---- what the chip did

    def _taken(self, what: str, record: np.dtype[np.void]) -> Records:
        count = self._ffi.new("size_t *")
        first = getattr(self._lib, f"emu_{what}")(self._chip, count)
        if not count[0]:
            return np.zeros(0, record)
        return np.frombuffer(bytes(self._ffi.buffer(first, count[0] * record.itemsize)), record)

    def pin_changes(self, forget: bool = False) -> Records:
        """Changes of the outputs: (cycle, port, driven, level); level is 0 where a pin is an input."""
        changes = self._taken("pin_changes", PIN_CHANGE)
        if forget:
            self._lib.emu_forget_pin_changes(self._chip)
        return changes

    def edges(self, port: str, bit: int) -> tuple[Cycles, npt.NDArray[np.uint8]]:
        """The changes of one output, as (cycles, levels after each); a pin starts at 0."""
        changes = self.pin_changes()
        changes = changes[changes["port"] == ord(port)]
        levels = changes["level"] >> np.uint8(bit) & np.uint8(1)
        moved = np.flatnonzero(np.diff(levels, prepend=np.uint8(0)))
        return changes["cycle"][moved], levels[moved]

    def uart_read(self) -> Records:
        """Bytes that the chip has sent since the last call: (cycle of the end of the stop bit, value)."""
        sent = self._taken("uart_sent", UART_BYTE)
        self._lib.emu_forget_uart_sent(self._chip)
        return sent

    def events(self) -> list[tuple[int, str, int]]:
        """What befell the chip, as (cycle, name, detail); see ``event_kind`` in harness.h."""
        found = self._taken("events", CHIP_EVENT)
        return [(int(cycle), EVENTS[int(kind)], int(detail)) for cycle, kind, detail in found]

    def trace_interrupts(self, on: bool = True) -> None:
        """Lets each entry into an interrupt be an event, with the vector's number."""
        self._lib.emu_trace_interrupts(self._chip, on)

    def port_level(self, port: str) -> int:
        """The levels at a port's pins, inputs and outputs, as the program would read them."""
        return int(self._lib.emu_port_level(self._chip, ord(port)))

    # ---- memory

    def symbol(self, name: str) -> Symbol:
        """A symbol of the program.

        Raises:
            EmulatorError: there is none of that name.
        """
        found = self.elf.symbols.get(name)
        if found is None:
            raise EmulatorError(f"{self.elf.path}: no symbol {name!r}")
        return found

    @property
    def _memory(self) -> Any:
        """All of data memory, registers first, as a buffer that may be written."""
        return self._ffi.buffer(self._lib.emu_data(self._chip), self._lib.emu_ram_end(self._chip) + 1)

    def peek(self, where: str | int, size: int | None = None) -> bytes:
        """Bytes of data memory: a symbol (its own size by default) or an address (registers from 0)."""
        if isinstance(where, str):
            found = self.symbol(where)
            where, size = found.address, found.size if size is None else size
        return bytes(self._memory[where : where + (1 if size is None else size)])

    def peek_int(self, where: str | int, size: int | None = None, *, signed: bool = False) -> int:
        """The same as a little-endian number."""
        return int.from_bytes(self.peek(where, size), "little", signed=signed)

    def poke(self, where: str | int, data: bytes) -> None:
        """Overwrites data memory, past all side effects of registers."""
        at = self.symbol(where).address if isinstance(where, str) else where
        self._memory[at : at + len(data)] = data

    @property
    def deepest_stack_bytes(self) -> int:
        """The most that the stack has held since power-on or ``watch_stack_anew``."""
        return int(self._lib.emu_ram_end(self._chip) - self._lib.emu_deepest_sp(self._chip))

    @property
    def free_ram_bytes(self) -> int:
        """What has been left between the variables and the deepest stack; negative: they overlapped."""
        return int(self._lib.emu_deepest_sp(self._chip)) + 1 - self.symbol("_end").address

    def watch_stack_anew(self) -> None:
        """Starts the search for the deepest stack again from the present depth."""
        self._lib.emu_watch_stack_anew(self._chip)
