"""Makes ``firmware/core/wire.h`` and ``docs/wire.md`` from the list in :mod:`rig.wire`.

Run ``python -m rig.wiregen`` after changing the list; a test compares both files with what this would write.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

from rig import wire

C_TYPES = {
    "u8": "uint8_t",
    "i8": "int8_t",
    "u16": "uint16_t",
    "i16": "int16_t",
    "u32": "uint32_t",
    "i32": "int32_t",
}
ENUMS: tuple[type[IntEnum], ...] = (
    wire.Rule,
    wire.Decision,
    wire.Generator,
    wire.GeneratorMark,
    wire.Cause,
    wire.InputEdge,
    wire.StateFlag,
    wire.EndReason,
    wire.Fault,
    wire.Status,
    wire.BoardKind,
)


def _upper(name: str) -> str:
    return "".join("_" + c if c.isupper() and i else c for i, c in enumerate(name)).upper()


def _struct(name: str, fields: tuple[tuple[str, str], ...]) -> list[str]:
    """A struct and the function that reads it from little-endian bytes (struct memory never crosses the wire)."""
    lines = ["typedef struct {"]
    lines += [f"    {C_TYPES[kind]} {key};" for key, kind in fields]
    lines += [f"}} {name}_t;", "", f"static inline void {name}_read({name}_t *to, const uint8_t *from)", "{"]
    at = 0
    for key, kind in fields:
        lines.append(f"    to->{key} = ({C_TYPES[kind]})wire_get_u{8 * wire.SIZES[kind]}(from + {at});")
        at += wire.SIZES[kind]
    lines += ["}", f"#define {name.upper()}_BYTES {at}", ""]
    return lines


PREAMBLE = """\
/* Made from rig/wire.py by `python -m rig.wiregen`. Change the list there, never this file. */
#ifndef RIG_WIRE_H
#define RIG_WIRE_H
#include <stdint.h>

static inline uint8_t wire_get_u8(const uint8_t *b) { return b[0]; }
static inline uint16_t wire_get_u16(const uint8_t *b) { return (uint16_t)(b[0] | (uint16_t)((uint16_t)b[1] << 8)); }
static inline uint32_t wire_get_u32(const uint8_t *b)
{
    return (uint32_t)wire_get_u16(b) | ((uint32_t)wire_get_u16(b + 2) << 16);
}
static inline uint8_t *wire_put_u8(uint8_t *b, uint8_t v) { b[0] = v; return b + 1; }
static inline uint8_t *wire_put_u16(uint8_t *b, uint16_t v)
{
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    return b + 2;
}
static inline uint8_t *wire_put_u32(uint8_t *b, uint32_t v)
{
    return wire_put_u16(wire_put_u16(b, (uint16_t)v), (uint16_t)(v >> 16));
}
"""


def c_header() -> str:
    """The text of ``firmware/core/wire.h``."""
    lines = [PREAMBLE]
    for name in ("VERSION", "END", "NO_INPUT", "MAX_PAYLOAD", "WHEN_PER_STATE"):
        lines.append(f"#define WIRE_{name} {getattr(wire, name)}")
    lines.append(f"#define WIRE_MAX_TIMER_US {wire.MAX_TIMER_US}UL")
    lines.append(f"#define WIRE_HASH 0x{wire.wire_hash():08x}UL")
    for name in ("ON_RULE", "ON_INPUT", "ON_HOST", "ON_GENERATOR"):
        lines.append(f"#define {name} 0x{getattr(wire, name):02x}")
    lines.append("")
    for prefix, names in (("OUT", wire.OUTPUTS), ("IN", wire.INPUTS)):
        lines += [f"#define {prefix}_{name.upper()} {i}" for i, name in enumerate(names)]
    lines.append("")
    for numbers in ENUMS:
        lines += [f"#define {_upper(numbers.__name__)}_{n.name} {int(n)}" for n in numbers] + [""]
    lines += [f"#define MSG_{m.name.upper()} 0x{m.number:02x}" for m in wire.MESSAGES] + [""]
    lines.append("/* bytes of the fields of a command, after its number and sequence */")
    commands = [m for m in wire.MESSAGES if m.kind is wire.Kind.COMMAND]
    lines += [f"#define LEN_{m.name.upper()} {m.body.size}" for m in commands] + [""]
    lines += _struct("wire_state", wire.STATE_FIELDS)
    lines += _struct("wire_rule", wire.RULE_FIELDS)
    lines += _struct("wire_generator", wire.GENERATOR_FIELDS)
    lines.append("#endif")
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The text of ``docs/wire.md``."""
    lines = [
        "# The wire",
        "",
        "Made from `rig/wire.py` by `python -m rig.wiregen`; change the list there.",
        "",
        *(line for line in (wire.__doc__ or "").split("May not")[0].split("A frame is", 1)[1:]),
    ]
    lines = [line if i != 4 else "A frame is" + line.rstrip() for i, line in enumerate(lines)]
    lines += ["", f"Hash of the list: `{wire.wire_hash():08x}` (both ends must agree).", ""]
    titles = (("Control", wire.Kind.CONTROL), ("Commands", wire.Kind.COMMAND), ("Events", wire.Kind.EVENT))
    for title, kind in titles:
        lines += [f"## {title}", "", "| number | name | to | fields | meaning |", "| --- | --- | --- | --- | --- |"]
        for m in wire.MESSAGES:
            if m.kind is not kind:
                continue
            fields = ", ".join(f"{key} {typ}" for key, typ in m.fields)
            fields += f", {m.tail[0]} {m.tail[1]}…" if m.tail else ""
            to = "board" if m.to_board else "host"
            lines.append(f"| 0x{m.number:02x} | {m.name} | {to} | {fields} | {m.doc} |")
        lines.append("")
    lines += ["## Numbers", ""]
    lines += [f"- outputs: {', '.join(f'{i} {n}' for i, n in enumerate(wire.OUTPUTS))}"]
    lines += [f"- inputs: {', '.join(f'{i} {n}' for i, n in enumerate(wire.INPUTS))}"]
    for numbers in ENUMS:
        lines.append(f"- {numbers.__name__}: {', '.join(f'{int(n)} {n.name}' for n in numbers)}")
    lines += [
        "- transition codes: "
        f"0x{wire.ON_RULE:02x} + 4·rule + decision, 0x{wire.ON_INPUT:02x} + 4·input + edge, "
        f"0x{wire.ON_HOST:02x} + host event, 0x{wire.ON_GENERATOR:02x} + generator",
    ]
    return "\n".join(lines) + "\n"


FILES = {"firmware/core/wire.h": c_header, "docs/wire.md": markdown}


def main() -> None:
    """Write both files below the repository's root."""
    root = Path(__file__).parent.parent
    for name, make in FILES.items():
        (root / name).write_text(make(), encoding="utf-8")
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
