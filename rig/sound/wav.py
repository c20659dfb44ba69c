"""A WAV file's samples from its bytes.

Floor 0. Only what a laboratory's recordings are: PCM of 16, 24 or 32 bits, as RIFF, extensible or not. May not: read a
file, or resample.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from rig.errors import ConfigError


def first_channel(wav: bytes) -> tuple[int, NDArray[np.float64]]:
    """Sample rate, and the first channel's samples in −1..1, shape (n,); ConfigError for what is no such file."""
    width, channels, file_hz, raw = _riff(wav)
    whole = raw[: len(raw) // (width * channels) * width * channels].reshape(-1, channels, width)[:, 0]
    widened = np.zeros((len(whole), 4), dtype=np.uint8)
    widened[:, 4 - width :] = whole  # left-justified little endian: every width becomes 32 bits
    return file_hz, widened.view("<i4")[:, 0].astype(np.float64) / 2.0**31


def _riff(wav: bytes) -> tuple[int, int, int, NDArray[np.uint8]]:
    """Bytes a sample, channels, sample rate and data."""
    found: dict[bytes, bytes] = {}
    at = 12
    while wav[:4] == b"RIFF" and wav[8:12] == b"WAVE" and at + 8 <= len(wav):
        name, size = struct.unpack_from("<4sI", wav, at)
        if at + 8 + size > len(wav):
            raise ConfigError("recording: the WAV file is cut short; copy it again")
        found.setdefault(name, wav[at + 8 : at + 8 + size])
        at += 8 + size + size % 2  # chunks begin at even places
    if len(found.get(b"fmt ", b"")) < 16 or b"data" not in found:
        raise ConfigError("recording: not a WAV file; save it as 16-bit PCM WAV")
    form, channels, file_hz, _, _, bits = struct.unpack_from("<HHIIHH", found[b"fmt "])
    extensible = form == 0xFFFE and found[b"fmt "][24:26] == b"\x01\x00"
    if not (form == 1 or extensible) or bits not in (16, 24, 32) or channels < 1:
        raise ConfigError(f"recording: format {form}, {bits} bits; save it as 16-bit PCM WAV")
    return bits // 8, channels, file_hz, np.frombuffer(found[b"data"], dtype=np.uint8)
