"""What a wire does to bytes, and whether anything false was read from them. Pure: the caller brings the chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from rig import wire

Damage = Callable[[random.Random, bytes], bytes]


def flip(rng: random.Random, stream: bytes, bits: int = 1) -> bytes:
    """So many different bits, anywhere in the stream."""
    damaged = bytearray(stream)
    for at in rng.sample(range(8 * len(stream)), bits):
        damaged[at >> 3] ^= 1 << (at & 7)
    return bytes(damaged)


def flip_two(rng: random.Random, stream: bytes) -> bytes:
    return flip(rng, stream, 2)


def swap(rng: random.Random, stream: bytes) -> bytes:
    """Two neighbouring bytes that differ change places."""
    pairs = [i for i in range(len(stream) - 1) if stream[i] != stream[i + 1]]
    at = rng.choice(pairs)
    return stream[:at] + stream[at + 1 : at + 2] + stream[at : at + 1] + stream[at + 2 :]


def drop(rng: random.Random, stream: bytes) -> bytes:
    at = rng.randrange(len(stream))
    return stream[:at] + stream[at + 1 :]


def insert(rng: random.Random, stream: bytes) -> bytes:
    """One byte more; as often a zero or one that is there already as any other."""
    at = rng.randrange(len(stream) + 1)
    byte = rng.choice((0, stream[min(at, len(stream) - 1)], rng.randrange(256)))
    return stream[:at] + bytes((byte,)) + stream[at:]


KINDS: dict[str, Damage] = {
    "one bit flipped": flip,
    "two bits flipped": flip_two,
    "neighbours swapped": swap,
    "a byte lost": drop,
    "a byte added": insert,
}


def event(rng: random.Random, number: int) -> bytes:
    """A random event's payload: any message, fields small, large or in between."""
    message = rng.choice([m for m in wire.MESSAGES if m.kind is wire.Kind.EVENT])
    values = {}
    for name, kind in message.fields:
        bits = 8 * wire.SIZES[kind]
        value = rng.choice((0, 1, rng.getrandbits(7), rng.getrandbits(bits)))
        values[name] = value - (1 << bits - 1) if kind[0] == "i" and value >> bits - 1 else value
    tail = tuple(rng.randint(-300, 300) for _ in range(rng.choice((1, 20)))) if message.tail else ()
    return wire.encode_event(message.name, number, rng.getrandbits(32), values, tail)


def stream(rng: random.Random, frames: int = 3) -> tuple[list[bytes], bytes]:
    """Some payloads, and their bytes on the wire."""
    payloads = [event(rng, rng.getrandbits(20) + i) for i in range(frames)]
    return payloads, b"".join(map(wire.frame, payloads))


def false(sent: list[bytes], read: Iterable[bytes]) -> list[bytes]:
    """What was read and never sent, or not in this order."""
    left, wrong = iter(sent), []
    for payload in read:
        if payload not in left:  # consumes what came before it
            wrong.append(payload)
            left = iter(sent)
    return wrong
