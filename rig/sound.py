"""One PortAudio output stream, kept open for the session, and the sounds that leave through it.

Floor 1: the only room that talks to a sound device. It knows nothing of trials: it is given sounds
made beforehand, plays one now or at a host time, and tells what happened. ``play``, ``schedule``,
``cancel``, ``stop`` and ``drain_events`` belong to one thread, the session's; none of them blocks
or takes a lock. The callback belongs to PortAudio's thread and does ``rig.mixer``'s work, no other.

Without a device the engine behaves the same and says of every sound that it was not sounded;
``body`` tells the session what stands in (the board's tone pin, or silence).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from rig.dacclock import DacClock
from rig.errors import ConfigError, did_you_mean
from rig.mixer import Heard, Mixer, Record
from rig.sound_events import Body, Kind, SoundEvent, SoundSettings, find_device
from rig.sounds import Sound, with_sync

SETTLE_TIMEOUT_S = 3.0
SILENT_CALLBACK_NS = 500_000_000  # no callback for so long: the device is lost
WARM_UP_UNDERRUNS = 3  # more than this before the first sound: the buffer is too small
REALTIME_PRIORITY = 40


def portaudio() -> Any:
    """The sounddevice module, loaded on first use: a rig without PortAudio runs too."""
    try:
        import sounddevice  # noqa: PLC0415
    except (ImportError, OSError) as fault:
        raise ConfigError(
            f"sound: PortAudio cannot be loaded ({fault}); install libportaudio2, or set sound.device to null"
        ) from None
    return sounddevice


def rescan() -> None:
    """Make PortAudio look for devices again. No stream may be open."""
    audio = portaudio()
    audio._terminate()
    audio._initialize()


@contextlib.contextmanager
def _realtime() -> Iterator[bool]:
    """Real-time priority while a stream is opened, where permitted: yields whether it was.

    Threads inherit it from the one that starts them, so PortAudio's and the sound library's own
    keep it; this thread gives it back.
    """
    if not hasattr(os, "sched_setscheduler"):
        yield False
        return
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME_PRIORITY))
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(0, policy, param)


class SoundEngine:
    """Plays prepared sounds and tells when each left. Use as a context manager, or start and close.

    ``play`` and ``schedule`` return a token; everything that becomes of it is in ``drain_events``.
    """

    def __init__(self, sounds: Mapping[str, Sound], settings: SoundSettings) -> None:
        """Lay the sounds out for the device; ConfigError for one made at another sample rate."""
        for name, sound in sounds.items():
            if sound.rate_hz != settings.rate_hz:
                raise ConfigError(
                    f'sound "{name}" was made at {sound.rate_hz} Hz; sound.sample_rate_hz is {settings.rate_hz}'
                )
        self.settings = settings
        self.body = settings.without_device
        self.warning = ""  # one line to be shown as long as it is not empty
        self.realtime = False  # whether the stream's threads run at real-time priority
        self.latency_ns = 0  # as PortAudio reports it
        self._sounds = dict(sounds)
        self._numbers = {name: number for number, name in enumerate(sounds)}
        laid = [with_sync(s, settings.channels, settings.sync_ms) for s in sounds.values()]
        release = round(settings.release_ms * settings.rate_hz / 1000)
        self._mixer = Mixer(laid, settings.block_samples, settings.channels, release)
        self._clock = DacClock(
            settings.rate_hz,
            settings.block_samples,
            settings.delay_us * 1000,
            round(settings.delay_error_us * 1000),
        )
        self._bytes = self._mixer.block.data.cast("B")
        self._stream: Any = None
        self._finished = False
        self._last_ns = 0  # the newest callback; written by PortAudio's thread
        self._underruns = 0
        self._told_lost = 0
        self._tokens = 0
        self._asked: dict[int, tuple[str, bool]] = {}
        self._own_events: list[SoundEvent] = []

    def __enter__(self) -> SoundEngine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Opening and closing.

    def start(self) -> None:
        """Open the stream and wait until its clock is known (about 1 s).

        An absent device is an event and a warning, or a ConfigError where ``without_device`` is
        ``stop``. A rate, a channel count or a buffer that the device refuses is always a
        ConfigError.
        """
        wanted = self.settings.device
        if wanted is None:
            self._fall_back(Kind.NO_DEVICE, "no sound device is configured")
            return
        try:
            audio = portaudio()
            index = find_device(wanted, list(audio.query_devices()), self.settings.channels)
        except ConfigError as fault:
            if self.settings.without_device == Body.STOP:
                raise
            self._fall_back(Kind.NO_DEVICE, str(fault))
            return
        with _realtime() as self.realtime:
            self._open(audio, index)
        self.body = Body.DEVICE
        self._warm_up()

    def close(self) -> None:
        """Close the stream at once; what still sounds is cut."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(portaudio().PortAudioError):
                stream.abort()
                stream.close()

    def _open(self, audio: Any, index: int) -> None:
        s = self.settings
        try:
            self._stream = audio.RawOutputStream(
                samplerate=s.rate_hz,
                blocksize=s.block_samples,
                device=index,
                channels=s.channels,
                dtype="float32",
                latency="low" if s.latency_ms is None else s.latency_ms / 1000,
                callback=self._callback,
                finished_callback=self._on_finished,
            )
            self._stream.start()
        except audio.PortAudioError as fault:
            self.close()
            raise ConfigError(
                f'sound: "{s.device}" refuses sample_rate_hz {s.rate_hz}, block_samples '
                f"{s.block_samples}, {s.channels} channels: {fault}"
            ) from None
        played_hz = float(self._stream.samplerate)
        if abs(played_hz - s.rate_hz) > 1e-3 * s.rate_hz:
            self.close()
            raise ConfigError(f'sound.sample_rate_hz: "{s.device}" plays {played_hz:g}, not {s.rate_hz}')
        self.latency_ns = round(float(self._stream.latency) * 1e9)

    def _warm_up(self) -> None:
        """Let silence run until the converter's clock is known; a buffer too small shows here."""
        s, give_up = self.settings, time.monotonic() + SETTLE_TIMEOUT_S
        while not self._clock.settled or self._finished:
            if self._finished or time.monotonic() > give_up:
                self.close()
                raise ConfigError(
                    f'sound: "{s.device}" gave no steady clock in {SETTLE_TIMEOUT_S:g} s '
                    f"({self._underruns} underruns); raise sound.block_samples "
                    f"(now {s.block_samples}) or sound.latency_ms, or try another device"
                )
            time.sleep(0.005)
        if self._underruns > WARM_UP_UNDERRUNS:
            self.close()
            raise ConfigError(
                f"sound.block_samples: {s.block_samples} is too small, {self._underruns} underruns "
                "in the first second of silence; raise it or sound.latency_ms"
            )

    # PortAudio's thread.

    def _callback(self, out: Any, _frames: int, times: Any, status: Any) -> None:
        now_ns = time.monotonic_ns()
        self._last_ns = now_ns
        clock, mixer = self._clock, self._mixer
        jumped_ns = clock.update(now_ns, times.currentTime, times.outputBufferDacTime)
        if status.output_underflow:
            self._underruns += 1
            clock.restart()
            mixer.events.put(Heard.UNDERRUN, 0, now_ns, 0, 0, self._underruns)
        elif jumped_ns:
            mixer.events.put(Heard.CLOCK_STEP, 0, now_ns, 0, 0, jumped_ns)
        mixer.fill(clock.start_ns, clock.step_ns, clock.error_ns)
        out[:] = self._bytes

    def _on_finished(self) -> None:
        self._finished = True

    # The session's thread.

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
        if not self._mixer.cancel(token):
            return False
        sound, scheduled = self._asked.pop(token)
        now_ns = time.monotonic_ns()
        self._tell(Kind.CANCELLED, now_ns, token=token, sound=sound, scheduled=scheduled)
        return True

    def stop(self, token: int, at_host_ns: int = 1) -> None:
        """Fade the sound out from ``at_host_ns`` (1: from the next block); an ENDED event follows.

        Not started and to be stopped now: cancelled.
        """
        if at_host_ns > 1 or not self.cancel(token):
            self._mixer.stop(token, at_host_ns)

    def tone_hz(self, sound: str) -> float | None:
        """What the board's tone pin should play in its stead; None when it is no tone."""
        return self._sounds[self._known(sound)].tone_hz

    def drain_events(self) -> list[SoundEvent]:
        """What has happened since the last call, in the order it was told."""
        events = [self._event(r) for r in self._mixer.events.take()]
        self._notice_loss()
        lost = self._mixer.events.lost
        if lost > self._told_lost:
            self._tell(Kind.EVENTS_LOST, time.monotonic_ns(), value=lost - self._told_lost)
            self._told_lost = lost
        own, self._own_events = self._own_events, []
        return events + own

    def _arm(self, sound: str, at_ns: int) -> int:
        now_ns = time.monotonic_ns()
        number = self._numbers[self._known(sound)]
        self._tokens += 1
        token, asked_ns = self._tokens, at_ns or now_ns
        if self.body != Body.DEVICE:
            self._unsounded(token, sound, asked_ns, at_ns > 0, self.body.value)
            return token
        self._asked[token] = (sound, at_ns > 0)
        if not self._mixer.arm(token, number, asked_ns, at_ns):
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
        """The device is lost when PortAudio says so, or when it no longer asks for samples."""
        if self.body != Body.DEVICE or self._stream is None:
            return
        silent_ns = time.monotonic_ns() - self._last_ns
        if not self._finished and silent_ns < SILENT_CALLBACK_NS:
            return
        stream, self._stream = self._stream, None
        # Closing a stream whose device hangs can take for ever, so it is not waited for.
        threading.Thread(target=_close_quietly, args=(stream,), daemon=True).start()
        why = "ended" if self._finished else f"asked for no samples for {silent_ns // 10**6} ms"
        tokens = self._mixer.outstanding()
        self._fall_back(Kind.DEVICE_LOST, f'sound device "{self.settings.device}" {why}')
        for token in tokens:
            # Called off first, so that a device that wakes up again cannot sound it after all.
            why_not = "device lost" if self._mixer.cancel(token) else "cut, the device was lost"
            sound, scheduled = self._asked.pop(token, ("", False))
            self._unsounded(token, sound, 0, scheduled, why_not)

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


def _close_quietly(stream: Any) -> None:
    with contextlib.suppress(Exception):
        stream.abort()
        stream.close()
