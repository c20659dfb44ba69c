"""One PortAudio output stream: opening, PortAudio's callback, and whether it is still alive.

Floor 1: the only room that talks to a sound device. What goes into a block is ``rig.sound.mixer``'s work, when it
leaves ``rig.sound.dacclock``'s; the callback calls these two and copies. It makes no array, takes no lock, writes no
log.

One process, one stream: looking for devices again ends every stream there is.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from rig.errors import ConfigError
from rig.sound.dacclock import DacClock
from rig.sound.events import SoundSettings, find_device
from rig.sound.mixer import Heard, Mixer, Samples

ATTEMPTS = 2  # a sound server may stall a stream at its start
SETTLE_TIMEOUT_S = 5.0  # a sleeping sound server takes two seconds to wake
SILENT_CALLBACK_NS = 500_000_000  # no callback for so long: the device is lost
HELD_UP_NS = 200_000_000  # nobody asked for so long: then this program stood still, and its callbacks with it
WARM_UP_UNDERRUNS = 3  # more than this before the first sound: the buffer is too small
REALTIME_PRIORITY = 40
LEAVE_S = 2.0  # the callback's thread gets so long to leave by itself
_closing: set[OutputStream] = set()  # closing them has not returned: their device hangs


def portaudio() -> Any:
    """The sounddevice module, loaded on first use: a rig without PortAudio runs too."""
    try:
        import sounddevice  # noqa: PLC0415
    except (ImportError, OSError) as fault:
        raise ConfigError(
            f"sound: PortAudio cannot be loaded ({fault}); install libportaudio2, or set sound.device to none"
        ) from None
    # Sounddevice asked, as it was loaded, to end PortAudio when the program ends: this comes before.
    atexit.unregister(_leave_hanging)
    atexit.register(_leave_hanging)
    return sounddevice


def _leave_hanging() -> None:
    """The program ends while closing a stream hangs: PortAudio must not be ended beneath it, nor waited for."""
    if _closing:
        sys.modules["sounddevice"]._initialized = 0  # type: ignore[attr-defined]


def rescan() -> None:
    """Make PortAudio look for devices again. Every open stream of this process ends.

    ConfigError while closing one of them hangs: PortAudio cannot end beneath it.
    """
    audio = portaudio()
    if _closing:
        raise ConfigError("sound: the lost device hangs still, so PortAudio cannot look again; unplug it")
    audio._terminate()
    audio._initialize()


class OutputStream:
    """A stream that plays a mixer's blocks. The mixer's host side is the owner's, its audio side the callback's."""

    def __init__(self, laid: Sequence[Samples], settings: SoundSettings) -> None:
        """``laid``: sounds as ``rig.sound.with_sync`` lays them. Nothing is opened yet."""
        release = round(settings.release_ms * settings.rate_hz / 1000)
        self.mixer = Mixer(laid, settings.block_samples, settings.channels, release)
        self.latency_ns = 0  # as PortAudio reports it
        self.realtime = False  # whether its threads run at real-time priority
        self.underruns = 0
        self._settings = settings
        self._clock = self._new_clock()
        self._bytes = self.mixer.block.data.cast("B")
        self._stream: Any = None
        self._finished = False
        self._ending = False
        self._end: type[Exception] = Exception
        self._last_ns = 0  # the newest callback; written by PortAudio's thread
        self._asked_ns = self._awake_ns = 0  # of ``loss``: the last call, and the first after a pause

    def find(self) -> int:
        """PortAudio's index of the device; ConfigError when it, or PortAudio, is absent."""
        assert self._settings.device is not None
        return find_device(self._settings.device, list(portaudio().query_devices()), self._settings.channels)

    def open(self) -> None:
        """Find the device, start, and play silence until its clock is known (about 1 s).

        ConfigError for a device that is absent, refuses rate or channels, or cannot keep up with the buffer.
        """
        audio, index = portaudio(), self.find()
        for attempt in range(ATTEMPTS):
            self._clock, self._finished, self._ending, self.underruns = self._new_clock(), False, False, 0
            self._end = audio.CallbackAbort
            self.mixer.events.take()  # those of an attempt that failed
            with _realtime() as self.realtime:
                self._start(audio, index)
            fault = self._warm_up()
            if not fault:
                return
            self.close()
            if attempt == ATTEMPTS - 1:
                raise ConfigError(
                    f'sound.block_samples: "{self._settings.device}" {fault} with {self._settings.block_samples} '
                    f"samples and {self.latency_ns / 1e6:.1f} ms; raise sound.block_samples"
                )

    def close(self) -> None:
        """End it at once; what still sounds is cut. Blocks for as long as the device hangs.

        The callback ends it, if it is called at all: to abort is to cancel the thread, and cancelled while it waits for
        the interpreter, it takes the interpreter with it. Where the device asks for no more samples, the thread is in
        PortAudio and may be cancelled.
        """
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self._ending = True
        give_up = time.monotonic() + LEAVE_S
        while not self._finished and time.monotonic() < give_up:
            time.sleep(0.002)
        _closing.add(self)  # it also keeps the callback in being for as long as it may be called
        with contextlib.suppress(Exception):  # PortAudio may have ended it already
            if not self._finished:
                stream.abort()
            stream.close()
        _closing.discard(self)

    def loss(self) -> str:
        """Why the device must be taken for lost, or an empty string. To be asked every few milliseconds."""
        now_ns = time.monotonic_ns()
        if now_ns - self._asked_ns > HELD_UP_NS:
            self._awake_ns = now_ns
        self._asked_ns = now_ns
        silent_ns = now_ns - max(self._last_ns, self._awake_ns)
        if self._finished:
            return "ended"
        return f"asked for no samples for {silent_ns // 10**6} ms" if silent_ns > SILENT_CALLBACK_NS else ""

    def _new_clock(self) -> DacClock:
        s = self._settings
        return DacClock(s.rate_hz, s.block_samples, s.delay_us * 1000, round(s.delay_error_us * 1000))

    def _start(self, audio: Any, index: int) -> None:
        s = self._settings
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
                f'sound: "{s.device}" refuses sample_rate_hz {s.rate_hz}, block_samples {s.block_samples}, '
                f"{s.channels} channels: {fault}"
            ) from None
        played_hz = float(self._stream.samplerate)
        if abs(played_hz - s.rate_hz) > 1e-3 * s.rate_hz:
            self.close()
            raise ConfigError(f'sound.sample_rate_hz: "{s.device}" plays {played_hz:g}, not {s.rate_hz}')
        self.latency_ns = round(float(self._stream.latency) * 1e9)
        self._last_ns = time.monotonic_ns()

    def _warm_up(self) -> str:
        """Wait until the converter's clock is known; an empty string, or what went wrong."""
        began = time.monotonic()
        while not self._clock.settled and not self._finished and time.monotonic() < began + SETTLE_TIMEOUT_S:
            time.sleep(0.005)
        if self._finished:
            return "ended"
        if self.underruns > WARM_UP_UNDERRUNS:
            return f"had {self.underruns} underruns in its first {time.monotonic() - began:.0f} s"
        return "" if self._clock.settled else f"gave no steady clock in {SETTLE_TIMEOUT_S:g} s"

    def _callback(self, out: Any, _frames: int, times: Any, status: Any) -> None:
        if self._ending:
            raise self._end
        now_ns = time.monotonic_ns()
        self._last_ns = now_ns
        clock, mixer = self._clock, self.mixer
        flagged = bool(status.output_underflow)
        jumped_ns = clock.update(now_ns, (times.outputBufferDacTime - times.currentTime) * 1e9, flagged)
        if flagged or clock.emptied:
            self.underruns += 1
            mixer.events.put(Heard.UNDERRUN, 0, now_ns, 0, 0, self.underruns)
        elif jumped_ns:
            mixer.events.put(Heard.CLOCK_STEP, 0, now_ns, 0, 0, jumped_ns)
        mixer.fill(clock.start_ns, clock.step_ns, clock.error_ns)
        out[:] = self._bytes

    def _on_finished(self) -> None:
        self._finished = True


@contextlib.contextmanager
def _realtime() -> Iterator[bool]:
    """Real-time priority while a stream is opened, where permitted: yields whether it was.

    Threads inherit it from the one that starts them, so PortAudio's and the sound library's own keep it; this thread
    gives it back.
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
