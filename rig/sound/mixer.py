"""The audio thread's work without the audio: which samples go into the next block, and what is told of it.

Floor 0: time is an argument, the block is a buffer. ``fill`` runs in PortAudio's callback. It copies and adds arrays
made beforehand; it makes no array, takes no lock, writes no log. (Python itself makes small objects – views, integers –
from its own free lists; no way round that in Python.) Two sides share it without a lock:

- the host side (one thread): ``arm``, ``cancel``, ``stop``, ``events.take``;
- the audio side (one thread): ``fill``, ``events.put``.

A voice is written by the host while FREE, by the audio side otherwise. Whether a sound was cancelled or sounded is
decided by who removes its token from ``_unclaimed``: one dict operation, which only one of the two can win.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
VOICES = 16  # sounds armed or sounding at the same time
EVENTS = 4096  # records between two drains; more are counted as lost
_FREE, _ARMED, _PLAYING = range(3)


class Heard(IntEnum):
    """What the audio side tells. ``host_ns`` is when the sample in question leaves the converter."""

    STARTED = 1
    ENDED = 2  # value: samples sounded, release included
    CLIPPED = 3  # sounds overlap beyond full scale: limited, and told
    UNDERRUN = 4  # value: how many so far
    CLOCK_STEP = 5  # value: by how many ns the converter's clock jumped against the host's


Record = tuple[int, ...]  # kind, token, host_ns, error_ns, asked_ns, value


class Ring:
    """One writer, one reader, slots made beforehand. What does not fit is dropped and counted in ``lost``."""

    def __init__(self, capacity: int) -> None:
        """A ring of ``capacity`` records of six integers."""
        self._slots = [array("q", bytes(48)) for _ in range(capacity)]
        self._written = 0  # moved by the writer only
        self._read = 0  # moved by the reader only
        self.lost = 0

    def put(self, kind: int, token: int, host_ns: int, error_ns: int, asked_ns: int, value: int) -> None:
        """Writer: store one record; the counter moves last, so that the reader never sees half a record."""
        if self._written - self._read == len(self._slots):
            self.lost += 1
            return
        slot = self._slots[self._written % len(self._slots)]
        slot[0], slot[1], slot[2] = kind, token, host_ns
        slot[3], slot[4], slot[5] = error_ns, asked_ns, value
        self._written += 1

    def take(self) -> list[Record]:
        """Reader: every record stored so far, in order."""
        taken: list[Record] = []
        while self._read != self._written:
            taken.append(tuple(self._slots[self._read % len(self._slots)]))
            self._read += 1
        return taken


class _Voice:
    __slots__ = (
        "asked_ns",
        "at_ns",
        "data",
        "first",
        "pos",
        "released",
        "state",
        "stop_ns",
        "token",
    )

    def __init__(self, silence: Samples) -> None:
        self.data = silence
        self.state = _FREE
        self.token = 0
        self.asked_ns = self.at_ns = self.stop_ns = 0
        self.first = self.pos = self.released = 0


class Mixer:
    """Voices, and the block they are mixed into: ``block`` is float32, shape (block_samples, channels)."""

    def __init__(self, sounds: Sequence[Samples], block_samples: int, channels: int, release_samples: int) -> None:
        """``sounds`` are C-ordered float32 of shape (n, channels); a stopped sound fades over ``release_samples``."""
        self.block: Samples = np.zeros((block_samples, channels), dtype=np.float32)
        self.events = Ring(EVENTS)
        self._sounds: list[Samples] = []
        for sound in sounds:
            self.add(sound)
        self._scratch = np.zeros_like(self.block)
        fade = 0.5 + 0.5 * np.cos(np.pi * (np.arange(release_samples) + 1) / (release_samples + 1))
        self._fade = np.repeat(fade.astype(np.float32)[:, None], channels, axis=1)
        silence = np.zeros((0, channels), dtype=np.float32)
        self._voices = [_Voice(silence) for _ in range(VOICES)]
        self._unclaimed: dict[int, bool] = {}
        self._clipping_told = False

    # The host side.

    @property
    def sounds(self) -> int:
        """How many there are to choose from."""
        return len(self._sounds)

    def add(self, sound: Samples) -> None:
        """One more sound to choose from. The audio side sees it when it is armed."""
        if sound.dtype != np.float32 or sound.ndim != 2 or sound.shape[1] != self.block.shape[1]:
            raise ValueError(f"a sound must be float32 of shape (n, {self.block.shape[1]}), not {sound.shape}")
        self._sounds.append(sound)

    def arm(self, token: int, sound: int, asked_ns: int, at_ns: int = 0) -> bool:
        """Start sound number ``sound`` when the converter reaches ``at_ns`` (0: at the next block).

        False when no voice is free. ``asked_ns`` comes back in the record. The state is written last: it hands the
        voice over.
        """
        voice = next((v for v in self._voices if v.state == _FREE), None)
        if voice is None:
            return False
        voice.data = self._sounds[sound]
        voice.asked_ns, voice.at_ns, voice.stop_ns = asked_ns, at_ns, 0
        voice.pos = voice.released = 0
        voice.token = token
        self._unclaimed[token] = True
        voice.state = _ARMED
        return True

    def cancel(self, token: int) -> bool:
        """True: it will never sound. False: the first sample is out of our hands (or the token is unknown)."""
        if self._unclaimed.pop(token, None) is None:
            return False
        for voice in self._voices:
            if voice.token == token:
                voice.state = _FREE
        return True

    def stop(self, token: int, at_ns: int = 1) -> None:
        """Fade the sound out from ``at_ns`` (converter time; 1: the next block; 0: not at all). Unknown tokens are
        ended ones.
        """
        for voice in self._voices:
            if voice.token == token and voice.state != _FREE:
                voice.stop_ns = at_ns

    def outstanding(self) -> list[int]:
        """The tokens of every voice in use."""
        return [v.token for v in self._voices if v.state != _FREE]

    # The audio side.

    def fill(self, start_ns: float, step_ns: float, error_ns: int) -> None:
        """Mix the next block, whose first sample leaves at host time ``start_ns``, the others ``step_ns`` apart."""
        self.block.fill(0.0)
        sounding = 0
        for voice in self._voices:
            if voice.state == _ARMED:
                self._start(voice, start_ns, step_ns, error_ns)
            if voice.state == _PLAYING:
                sounding += 1
                self._add(voice, start_ns, step_ns, error_ns)
        if sounding > 1:
            self._limit(start_ns)

    def _start(self, voice: _Voice, start_ns: float, step_ns: float, error_ns: int) -> None:
        token = voice.token  # first: if the host reuses the voice meanwhile, the old token is no longer to be won
        asked_ns = voice.asked_ns
        first = 0 if voice.at_ns == 0 else max(0, round((voice.at_ns - start_ns) / step_ns))
        if first >= len(self.block) or self._unclaimed.pop(token, None) is None:
            return
        voice.first = first
        voice.state = _PLAYING
        self._clipping_told = False
        self.events.put(Heard.STARTED, token, round(start_ns + first * step_ns), error_ns, asked_ns, 0)

    def _add(self, voice: _Voice, start_ns: float, step_ns: float, error_ns: int) -> None:
        """Add this voice's share of the block: first as it is, then, from the stop on, fading."""
        at, voice.first = voice.first, 0
        stop = len(self.block)
        if voice.released:
            stop = at
        elif voice.stop_ns:
            stop = min(stop, max(at, round((voice.stop_ns - start_ns) / step_ns)))
        count = min(stop - at, len(voice.data) - voice.pos)
        if count > 0:
            self.block[at : at + count] += voice.data[voice.pos : voice.pos + count]
            at, voice.pos = at + count, voice.pos + count
        if stop < len(self.block):
            at = self._fade_out(voice, at)
        faded = stop < len(self.block) and voice.released >= len(self._fade)
        if faded or voice.pos >= len(voice.data):
            self.events.put(
                Heard.ENDED,
                voice.token,
                round(start_ns + at * step_ns),
                error_ns,
                voice.asked_ns,
                voice.pos,
            )
            voice.state = _FREE

    def _fade_out(self, voice: _Voice, at: int) -> int:
        """Add faded samples from index ``at`` of the block on; returns the index after the last of them."""
        left = min(len(self._fade) - voice.released, len(voice.data) - voice.pos)
        count = min(len(self.block) - at, left)
        if count > 0:
            share = self._scratch[:count]
            fade = self._fade[voice.released : voice.released + count]
            np.multiply(voice.data[voice.pos : voice.pos + count], fade, out=share)
            self.block[at : at + count] += share
            voice.released += count
            voice.pos += count
        return at + max(count, 0)

    def _limit(self, start_ns: float) -> None:
        """Two sounds may add up to more than full scale: limit, and say so once. The sync channel may overlap."""
        heard = self.block[:, 0]
        if heard.max() > 1.0 or heard.min() < -1.0:
            if not self._clipping_told:
                self.events.put(Heard.CLIPPED, 0, round(start_ns), 0, 0, 0)
            self._clipping_told = True
        np.clip(self.block, -1.0, 1.0, out=self.block)
