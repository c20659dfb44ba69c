"""Reads AVR ELF files: the flash image, the symbols, and a scan for what the emulator would run wrongly.

Pure apart from reading the file. Layout after the System V ABI, chapter "Object Files"; AVR places RAM at 0x800000
and EEPROM at 0x810000 of one flat address space.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from avr.build import EmulatorError

RAM_BASE = 0x800000
EM_AVR = 83
PT_LOAD, SHT_SYMTAB = 1, 2
SHF_EXECINSTR = 4
STT_OBJECT = 1


@dataclass(frozen=True)
class Symbol:
    """A named place: ``address`` counts from the start of its own memory (flash or RAM)."""

    name: str
    address: int
    size: int
    in_ram: bool
    is_data: bool


@dataclass(frozen=True)
class Hazard:
    """A skip instruction over ``adiw``/``sbiw`` that libsimavr takes for one of two words."""

    address: int
    function: str
    text: str

    def __str__(self) -> str:
        return f"0x{self.address:04x} in {self.function or '?'}: {self.text}"


@dataclass(frozen=True)
class _Section:
    name_at: int
    kind: int
    flags: int
    address: int
    data: bytes
    link: int


@dataclass(frozen=True)
class Elf:
    """One program: ``segments`` are (flash address, bytes), ``symbols`` by name."""

    path: Path
    segments: list[tuple[int, bytes]]
    symbols: dict[str, Symbol]
    code: list[tuple[int, bytes]]

    def nearest(self, address: int) -> str:
        """The name of the function that holds a flash address, or an empty string."""
        below = [s for s in self.symbols.values() if not s.in_ram and s.address <= address]
        inside = [s for s in below if address < s.address + s.size]
        return max(inside or below, key=lambda s: s.address).name if below else ""


def _sections(raw: bytes, offset: int, size: int, count: int) -> list[_Section]:
    found = []
    for i in range(count):
        name, kind, flags, address, at, length, link = struct.unpack_from("<7I", raw, offset + i * size)
        found.append(_Section(name, kind, flags, address, raw[at : at + length], link))
    return found


def _segments(raw: bytes, offset: int, size: int, count: int) -> list[tuple[int, bytes]]:
    """What goes into flash: loadable segments by their load address (.data lies behind the code)."""
    found = []
    for i in range(count):
        kind, at, _, address, length = struct.unpack_from("<5I", raw, offset + i * size)
        if kind == PT_LOAD and length and address < RAM_BASE:
            found.append((address, raw[at : at + length]))
    return found


def _symbols(sections: list[_Section]) -> dict[str, Symbol]:
    found: dict[str, Symbol] = {}
    for table in (s for s in sections if s.kind == SHT_SYMTAB):
        names = sections[table.link].data
        for name_at, value, size, info, _, section in struct.iter_unpack("<IIIBBH", table.data):
            name = names[name_at : names.index(b"\0", name_at)].decode()
            if not name or not section or info & 15 > 2:
                continue
            in_ram = value >= RAM_BASE
            address = value - RAM_BASE if in_ram else value
            found[name] = Symbol(name, address, size, in_ram, info & 15 == STT_OBJECT)
    return found


def read_elf(path: str | Path) -> Elf:
    """Reads a program.

    Raises:
        EmulatorError: the file is not an AVR ELF file.
    """
    raw = Path(path).read_bytes()
    if raw[:6] != b"\x7fELF\x01\x01" or struct.unpack_from("<H", raw, 18)[0] != EM_AVR:
        raise EmulatorError(f"{path}: not an AVR ELF file")
    headers_at, sections_at = struct.unpack_from("<II", raw, 28)
    header_size, headers, section_size, count = struct.unpack_from("<4H", raw, 42)
    sections = _sections(raw, sections_at, section_size, count)
    code = [(s.address, s.data) for s in sections if s.flags & SHF_EXECINSTR and s.kind == 1]
    segments = _segments(raw, headers_at, header_size, headers)
    return Elf(Path(path), segments, _symbols(sections), code)


def _is_skip(word: int) -> str:
    """The mnemonic when ``word`` may skip the next instruction, else an empty string."""
    if word & 0xFC00 == 0x1000:
        return "cpse"
    if word & 0xFE08 == 0xFC00:
        return "sbrc"
    if word & 0xFE08 == 0xFE00:
        return "sbrs"
    return {0x9900: "sbic", 0x9B00: "sbis"}.get(word & 0xFF00, "")


def _is_two_words(word: int) -> bool:
    return word & 0xFC0F == 0x9000 or word & 0xFE0C == 0x940C


def _is_mistaken(word: int) -> str:
    """``adiw``/``sbiw`` whose low constant bits look like JMP or CALL to libsimavr's skip."""
    if word & 0xFE00 == 0x9600 and word & 15 >= 12:
        constant = (word >> 2 & 0x30) | (word & 15)
        return f"{'sbiw' if word & 0x0100 else 'adiw'} r{24 + (word >> 3 & 6)}, {constant}"
    return ""


def scan_elf(path: str | Path) -> list[Hazard]:
    """Skips over ``adiw``/``sbiw`` with K & 15 >= 12, which libsimavr 1.6 follows with the wrong code.

    The skip takes such an instruction for a JMP or CALL of two words and lands behind the one that follows it. The
    harness cannot correct this. Constant tables in the code section are left out.

    Raises:
        EmulatorError: the file is not an AVR ELF file.
    """
    elf = read_elf(path)
    tables = [s for s in elf.symbols.values() if s.is_data and not s.in_ram]
    found = []
    for start, data in elf.code:
        words = struct.unpack(f"<{len(data) // 2}H", data[: len(data) & ~1])
        at = 0
        while at + 1 < len(words):
            address = start + 2 * at
            table = next((t for t in tables if t.address <= address < t.address + t.size), None)
            if table:
                at += max(1, (table.address + table.size - address + 1) // 2)
                continue
            skip, over = _is_skip(words[at]), _is_mistaken(words[at + 1])
            if skip and over:
                found.append(Hazard(address, elf.nearest(address), f"{skip} over {over}"))
            at += 2 if _is_two_words(words[at]) else 1
    return found
