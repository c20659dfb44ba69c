"""The number of a trial as bits on the sync line, and back.

Two codes. The lab's own (TASK.md 1 [AP]): 12 bits of 5 ms, read by old analysis code, and blind to a misread bit.
The exact one: 16 bits and a CRC-8 (polynomial 0x07, as in ITU-T I.432.1 without its offset) of 2 ms each, so that one
to three wrong bits, or any wrong run of up to eight, are found for certain. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from rig.errors import RecordError

PLAIN_BITS, PLAIN_BIT_US = 12, 5000
EXACT_BITS, EXACT_BIT_US = 24, 2000
_POLYNOMIAL = 0x07


def crc8(number: int) -> int:
    """Of the two bytes of ``number``, most significant bit first."""
    rest = number << 8
    for bit in range(23, 7, -1):
        if rest >> bit & 1:
            rest ^= (0x100 | _POLYNOMIAL) << bit - 8
    return rest


def exact(number: int) -> int:
    """The 24 bits of the exact code of a trial; trial 65,536 is 0 again."""
    number &= 0xFFFF
    return number << 8 | crc8(number)


def number_of(code: int) -> int:
    """The trial of an exact code. Raises RecordError where a bit is wrong."""
    number, check = divmod(code, 256)
    if check != crc8(number):
        raise RecordError(f"trial code {code:#08x} does not fit its checksum: a bit was misread")
    return number


def read(edges_us: Sequence[float], bits: int = PLAIN_BITS, bit_us: float = PLAIN_BIT_US) -> list[tuple[float, int]]:
    """Codes in a line's edges.

    Args:
        edges_us: times at which the line changed, from the first rise on: rise, fall, rise …
        bits, bit_us: of the code.

    Returns:
        ``(time of the sync pulse's rise, code)`` of each; pulses further apart than a code is long begin the next one.
    """
    codes: list[tuple[float, int]] = []
    length_us = (2 * bits + 1) * bit_us
    begin_us = -length_us * 2
    for rise_us, fall_us in zip(edges_us[::2], edges_us[1::2], strict=False):
        slot = round((rise_us - begin_us) / bit_us)
        if slot > 2 * bits:
            begin_us = rise_us
            codes.append((rise_us, 0))
        elif slot % 2 == 0 and abs(fall_us - rise_us - bit_us) < bit_us / 2:
            at, code = codes[-1]
            codes[-1] = (at, code | 1 << bits - slot // 2)
    return codes
