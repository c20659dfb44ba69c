"""The session's sounds: played at once or at a time, cancelled, stopped, and told when they left.

Floor 1. It knows nothing of trials: it is given sounds made beforehand and a device's name. ``play``, ``schedule``,
``cancel``, ``stop`` and ``drain_events`` belong to one thread, the session's; none of them blocks or takes a lock.

Without a device the engine behaves the same and says of every sound that it was not sounded; ``body`` tells the
session what stands in (the board's tone pin, or silence). A device that was lost is tried again in the background
and is an event when it is back.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Mapping

from rig.errors import ConfigError, did_you_mean
from rig.sound import Sound, with_sync
from rig.sound.events import Body, Kind, SoundEvent, SoundSettings
from rig.sound.mixer import Heard, Record
from rig.soundcard.stream import OutputStream, rescan

RETRY_S = 5.0  # between two attempts to have a lost device back
SWITCH_S = 0.0005  # another thread gives the interpreter back to the callback within this
CLOSE_S = 10.0  # a retry that is under way is waited for this long


class SoundEngine:
    """Plays prepared sounds and tells when each left. Use as a context manager, or start and close.

    ``play`` and ``schedule`` return a token; everything that becomes of it is in ``drain_events``.
    """

    def __init__(self, sounds: Mapping[str, Sound], settings: SoundSettings) -> None:
        """Lay the sounds out for the device; ConfigError for one made at another sample rate."""
        self.settings = settings
        for name, sound in sounds.items():
            self._refuse_rate(name, sound)
        self.body = settings.without_device
        self.warning = ""  # one line to be shown as long as it is not empty
        self._sounds = dict(sounds)
        self._numbers = {name: number for number, name in enumerate(sounds)}
        self._laid = [with_sync(s, settings.channels, settings.sync_ms) for s in sounds.values()]
        self._stream: OutputStream | None = None
        self._back: OutputStream | None = None  # opened again in the background, to be taken over
        self._closing = threading.Event()
        self._retry: threading.Thread | None = None
        self._interval_s: float | None = None  # what SWITCH_S stands in for
        self._told_lost = 0
        self._tokens = 0
        self._asked: dict[int, tuple[str, bool]] = {}
        self._own_events: list[SoundEvent] = []

    def __enter__(self) -> SoundEngine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Open the stream and wait until its clock is known (about 1 s).

        An absent device is an event and a warning, or a ConfigError where ``without_device`` is STOP. A rate, a
        channel count or a buffer that the device refuses is always a ConfigError.
        """
        if self.settings.device is None:
            self._fall_back(Kind.NO_DEVICE, "no sound device is configured")
            return
        stream = OutputStream(self._laid, self.settings)
        try:
            stream.find()
        except ConfigError as fault:
            if self.settings.without_device == Body.STOP:
                raise
            self._fall_back(Kind.NO_DEVICE, str(fault))
            return
        self._make_way()
        try:
            stream.open()
        except ConfigError:
            self.close()
            raise
        self._stream, self.body = stream, Body.DEVICE

    def close(self) -> None:
        """End the stream at once; what still sounds is cut."""
        self._closing.set()
        if self._retry is not None:
            self._retry.join(CLOSE_S)
        for stream in (self._stream, self._back):
            if stream is not None:
                stream.close()
        self._stream = self._back = None
        if self._interval_s is not None:
            sys.setswitchinterval(self._interval_s)
            gc.unfreeze()
            self._interval_s = None

    def _make_way(self) -> None:
        """The callback shares the interpreter: others hand it over soon, and no collection walks all that is loaded."""
        self._interval_s = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        gc.collect()
        gc.freeze()

    def add(self, name: str, sound: Sound) -> None:
        """One more sound, made beforehand; ConfigError for one made at another sample rate."""
        self._refuse_rate(name, sound)
        self._sounds[name] = sound
        self._numbers[name] = len(self._laid)
        self._laid.append(with_sync(sound, self.settings.channels, self.settings.sync_ms))
        if self._stream is not None:
            self._stream.mixer.add(self._laid[-1])

    @property
    def realtime(self) -> bool:
        """Whether the stream's threads run at real-time priority."""
        return self._stream is not None and self._stream.realtime

    @property
    def latency_ns(self) -> int:
        """From a block's callback to the converter, as PortAudio reports it; 0 without a device."""
        return self._stream.latency_ns if self._stream is not None else 0

    def play(self, sound: str) -> int:
        """Start ``sound`` with the next block."""
        return self._arm(sound, 0)

    def schedule(self, sound: str, at_host_ns: int) -> int:
        """Start ``sound`` so that its first sample leaves the converter at ``at_host_ns``.

        Tell it at least ``lead_ns`` ahead: a later order starts with the next block, and its
        STARTED event tells by how much.
        """
        return self._arm(sound, max(1, at_host_ns))

    @property
    def lead_ns(self) -> int:
        """How far ahead a cue must be told: the stream's latency and two blocks, with one to spare."""
        block_ns = 1e9 * self.settings.block_samples / self.settings.rate_hz
        return round(self.latency_ns * 1.5 + 3 * block_ns)

    def cancel(self, token: int) -> bool:
        """True: the sound is called off and will not be heard, a CANCELLED event follows.

        False: its first sample has gone to the converter (a STARTED event says when it leaves, up
        to ``lead_ns`` from now), so it counts as sounded; ``stop`` shortens it.
        """
        if self._stream is None or not self._stream.mixer.cancel(token):
            return False
        sound, scheduled = self._asked.pop(token)
        now_ns = time.monotonic_ns()
        self._tell(Kind.CANCELLED, now_ns, token=token, sound=sound, scheduled=scheduled)
        return True

    def stop(self, token: int, at_host_ns: int = 1) -> None:
        """Fade the sound out from ``at_host_ns`` (1: from the next block); an ENDED event follows.

        Not started and to be stopped now: cancelled. 0 takes an earlier order to stop back.
        """
        if self._stream is not None and (at_host_ns != 1 or not self.cancel(token)):
            self._stream.mixer.stop(token, at_host_ns)

    def _refuse_rate(self, name: str, sound: Sound) -> None:
        rate_hz = self.settings.rate_hz
        if sound.rate_hz != rate_hz:
            raise ConfigError(f'sound "{name}" was made at {sound.rate_hz} Hz; sound.sample_rate_hz is {rate_hz}')

    def tone_hz(self, sound: str) -> float | None:
        """What the board's tone pin should play in its stead; None when it is no tone."""
        return self._sounds[self._known(sound)].tone_hz

    def drain_events(self) -> list[SoundEvent]:
        """What has happened since the last call, in the order it was told."""
        events: list[SoundEvent] = []
        if self._stream is not None:
            ring = self._stream.mixer.events
            events = [self._event(record) for record in ring.take()]
            if ring.lost > self._told_lost:
                self._tell(Kind.EVENTS_LOST, time.monotonic_ns(), value=ring.lost - self._told_lost)
            self._told_lost = ring.lost
        self._notice_loss()
        self._take_back()
        own, self._own_events = self._own_events, []
        return events + own

    def _arm(self, sound: str, at_ns: int) -> int:
        now_ns = time.monotonic_ns()
        number = self._numbers[self._known(sound)]
        self._tokens += 1
        token, asked_ns = self._tokens, at_ns or now_ns
        if self._stream is None:
            self._unsounded(token, sound, asked_ns, at_ns > 0, self.body.value)
            return token
        self._asked[token] = (sound, at_ns > 0)
        if not self._stream.mixer.arm(token, number, asked_ns, at_ns):
            del self._asked[token]
            self._unsounded(token, sound, asked_ns, at_ns > 0, "no voice is free")
        return token

    def _known(self, sound: str) -> str:
        if sound not in self._sounds:
            raise ConfigError(f'no sound "{sound}"{did_you_mean(sound, self._sounds)}')
        return sound

    def _event(self, record: Record) -> SoundEvent:
        kind, token, host_ns, error_ns, asked_ns, value = record
        name = Kind[Heard(kind).name]
        sound, scheduled = self._asked.get(token, ("", False))
        if name == Kind.ENDED:
            self._asked.pop(token, None)
        return SoundEvent(name, host_ns, token, sound, error_ns, asked_ns, value, scheduled=scheduled)

    def _notice_loss(self) -> None:
        """A device that is lost: what was to sound did not, and the attempts to have it back begin."""
        stream = self._stream
        why = stream.loss() if stream is not None else ""
        if stream is None or not why:
            return
        self._stream = None
        self._fall_back(Kind.DEVICE_LOST, f'sound device "{self.settings.device}" {why}')
        for token in stream.mixer.outstanding():
            # Called off first, so that a device that wakes up again cannot sound it after all.
            why_not = "device lost" if stream.mixer.cancel(token) else "cut, the device was lost"
            sound, scheduled = self._asked.pop(token, ("", False))
            self._unsounded(token, sound, 0, scheduled, why_not)
        # Closing a stream whose device hangs can take for ever, so it is not waited for.
        self._retry = threading.Thread(target=self._have_back, args=(stream,), daemon=True)
        self._retry.start()

    def _have_back(self, lost: OutputStream) -> None:
        """In the background: close what was lost, then open it anew until that works or the session ends."""
        lost.close()
        if self.settings.without_device == Body.STOP:
            return
        while not self._closing.is_set():
            stream = OutputStream(self._laid, self.settings)
            with contextlib.suppress(ConfigError):
                rescan()
                stream.open()
                self._back = stream
                return
            self._closing.wait(RETRY_S)

    def _take_back(self) -> None:
        if self._back is not None:
            self._stream, self._back, self._told_lost = self._back, None, 0
            for laid in self._laid[self._stream.mixer.sounds :]:  # asked for while it was being opened
                self._stream.mixer.add(laid)
            self.body, self.warning = Body.DEVICE, ""
            self._tell(Kind.DEVICE_BACK, time.monotonic_ns(), note=f'sound device "{self.settings.device}" is back')

    def _fall_back(self, kind: Kind, why: str) -> None:
        self.body = self.settings.without_device
        self.warning = f"NO SOUND from this computer ({self.body.value}): {why}"
        self._tell(kind, time.monotonic_ns(), note=why)

    def _unsounded(self, token: int, sound: str, asked_ns: int, scheduled: bool, why: str) -> None:
        now_ns = time.monotonic_ns()
        self._own_events.append(
            SoundEvent(Kind.UNSOUNDED, now_ns, token, sound, 0, asked_ns, 0, scheduled=scheduled, note=why)
        )

    def _tell(
        self,
        kind: Kind,
        host_ns: int,
        *,
        token: int = 0,
        sound: str = "",
        scheduled: bool = False,
        value: int = 0,
        note: str = "",
    ) -> None:
        self._own_events.append(SoundEvent(kind, host_ns, token, sound, value=value, scheduled=scheduled, note=note))
