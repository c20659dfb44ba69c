"""A sound device without hardware: a private PulseAudio daemon with a null sink, and its recorder.

The daemon has its own home and socket, is started and stopped by its own process id, and touches no
other sound server. PortAudio reaches it as the ALSA device ``pulse``. The null sink throws samples
away at the pace of the system clock; its monitor is what would have been heard.

Run as a program it is the recorder: ``parec``'s bytes to one file, and for each read the host time
and the number of bytes so far to another. Recording in a process of its own keeps the stamps free
of the interpreter lock of whatever is being tested.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from rig.soundcard import stream

RATE_HZ = 48_000
CHANNELS = 2
NEEDED = ("pulseaudio", "parec", "pactl")
# A recorder that asks for 1 ms makes the sink render 1 ms at a time, so that what is recorded
# arrives that long before it would be converted, and no later than the scheduler allows.
RENDER_MS = 1
STEADY_MS = 20  # a machine on which the recorder was never held up for longer has time for sound
PATIENCE_S = 60.0  # with a machine that is busy
PAREC = (
    "parec",
    "--device=rig.monitor",
    "--raw",
    "--format=float32le",
    f"--rate={RATE_HZ}",
    f"--channels={CHANNELS}",
    f"--latency-msec={RENDER_MS}",
    "--process-time-msec=1",
)
# Told of the server's underruns, the ALSA plugin passes them on; otherwise many would be silent.
_ASOUNDRC = """
pcm.!pulse { type pulse handle_underrun 1 hint { show on } }
pcm.!default { type pulse handle_underrun 1 }
ctl.!default { type pulse }
"""


def missing() -> str:
    """What has to be installed before this can work, or an empty string."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    return f"no {', '.join(absent)}: apt-get install pulseaudio pulseaudio-utils" if absent else ""


class NullSink:
    """A daemon of our own; as a context manager it also sets this process's environment to it.

    Enter it before PortAudio is initialised, or call ``rig.soundcard.rescan`` afterwards.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        self.home = Path(tempfile.mkdtemp(prefix="nullsink-"))
        self._daemon: subprocess.Popen[bytes] | None = None
        self._listener: subprocess.Popen[bytes] | None = None
        self._before: dict[str, str | None] = {}
        run = self.home / "run"
        (run / "pulse").mkdir(parents=True, mode=0o700)
        run.chmod(0o700)
        (self.home / ".asoundrc").write_text(_ASOUNDRC)
        self._socket = run / "pulse" / "native"
        self.env = {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": os.environ.get(
                "XDG_CACHE_HOME", str(Path.home() / ".cache")
            ),  # what is built stays built
            "XDG_RUNTIME_DIR": str(run),
            "PULSE_RUNTIME_PATH": str(run / "pulse"),
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_SOURCE": "rig.monitor",
        }

    def __enter__(self) -> NullSink:
        self.start()
        self._before = {key: os.environ.get(key) for key in self.env}
        os.environ.update(self.env)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for key, old in self._before.items():
            if old is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = old
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> None:
        """Start the daemon and wait for its socket."""
        self._daemon = subprocess.Popen(
            [
                "pulseaudio",
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--use-pid-file=no",
                "--realtime=yes",  # as a desktop's own daemon runs; without the right to, it does not
                "--high-priority=yes",
                "--log-level=error",
                "--load=module-native-protocol-unix auth-anonymous=1",
                f"--load=module-null-sink sink_name=rig rate={RATE_HZ} channels={CHANNELS} format=float32le",
            ],
            env={**os.environ, **self.env},
            stderr=subprocess.DEVNULL,
        )
        _wait(self._socket.exists, "the PulseAudio daemon did not open its socket")
        # Someone who always listens keeps the sink awake: asleep, it takes two seconds to start.
        self._listener = subprocess.Popen(
            PAREC, env={**os.environ, **self.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """End the daemon, like a device that is unplugged."""
        if self._listener is not None:
            self._listener.kill()
            self._listener.wait(PATIENCE_S)
            self._listener = None
        if self._daemon is not None:
            self._daemon.send_signal(sig)
            self._daemon.wait(PATIENCE_S)
            self._daemon = None

    def freeze(self) -> None:
        """Stop the daemon without ending it, like a device that hangs."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def patient_sink() -> Iterator[NullSink]:
    """A null sink that PortAudio knows, on a machine that may be busy: opening a stream bears with underruns."""
    before = stream.SETTLE_TIMEOUT_S, stream.WARM_UP_UNDERRUNS
    stream.SETTLE_TIMEOUT_S, stream.WARM_UP_UNDERRUNS = PATIENCE_S, 10**6
    try:
        with NullSink() as running:
            stream.rescan()
            yield running
    finally:
        stream.SETTLE_TIMEOUT_S, stream.WARM_UP_UNDERRUNS = before


class Recording:
    """What the monitor heard: ``samples`` float32, shape (n, 2), and when each of them arrived."""

    def __init__(self, samples: NDArray[np.float32], stamps: NDArray[np.int64]) -> None:
        """``stamps``: host ns and bytes so far of each read, shape (reads, 2)."""
        self.samples = samples
        host_ns, frames = stamps[:, 0].astype(np.float64), stamps[:, 1] / (4 * CHANNELS)
        # Whether this machine kept time: where it did not, no times can be tested on it.
        self.steady = bool(np.diff(host_ns).max() < STEADY_MS * 1e6)
        late_ns = host_ns - frames * 1e9 / RATE_HZ
        # A read can be late, never early: the quickest read of each stretch shows the sink's clock.
        stretch = ((host_ns - host_ns[0]) // 5e8).astype(np.int64)
        firsts = np.flatnonzero(np.diff(stretch, prepend=-1))
        best = [a + int(np.argmin(late_ns[a:b])) for a, b in _spans(firsts, len(late_ns))]
        self._frame, self._late_ns = frames[best], late_ns[best]

    def host_ns(self, frame: NDArray[np.int64] | int) -> NDArray[np.float64]:
        """When the null sink would have converted these frames, on the monotonic clock."""
        at = np.asarray(frame, dtype=np.float64)
        arrived = at * 1e9 / RATE_HZ + np.interp(at, self._frame, self._late_ns)
        return np.asarray(arrived + RENDER_MS * 1e6, dtype=np.float64)


class Recorder:
    """Records the monitor of a ``NullSink`` from ``start`` to ``stop``."""

    def __init__(self, sink: NullSink) -> None:
        """Records nothing yet."""
        self._sink = sink
        self._raw, self._stamps = sink.home / "monitor.raw", sink.home / "monitor.stamps"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Recorder:
        """Start recording; returns when the first samples are in."""
        self._stamps.unlink(missing_ok=True)
        command = [sys.executable, __file__, str(self._raw), str(self._stamps)]
        self._process = subprocess.Popen(command, env={**os.environ, **self._sink.env})
        _wait(
            lambda: self._stamps.exists() and self._stamps.stat().st_size > 1600,
            "the monitor sends nothing",
        )
        return self

    def stop(self) -> Recording:
        """Stop and return what was recorded."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        raw = np.fromfile(self._raw, dtype="<f4")
        samples = raw[: len(raw) // CHANNELS * CHANNELS].reshape(-1, CHANNELS)
        return Recording(samples, np.fromfile(self._stamps, dtype="<i8").reshape(-1, 2))


def _spans(firsts: NDArray[np.int64], end: int) -> list[tuple[int, int]]:
    return list(zip(firsts.tolist(), [*firsts[1:].tolist(), end], strict=True))


def _wait(ready: object, fault: str) -> None:
    assert callable(ready)
    give_up = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > give_up:
            raise RuntimeError(fault)
        time.sleep(0.02)


def _record(raw_path: str, stamps_path: str) -> None:
    parec = subprocess.Popen(PAREC, stdout=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: parec.terminate())
    assert parec.stdout is not None
    source, total = parec.stdout.fileno(), 0
    with open(raw_path, "wb") as raw, open(stamps_path, "wb", buffering=0) as stamps:
        while chunk := os.read(source, 65536):
            total += len(chunk)
            stamps.write(struct.pack("<qq", time.monotonic_ns(), total))
            raw.write(chunk)
    parec.wait(PATIENCE_S)


if __name__ == "__main__":
    _record(sys.argv[1], sys.argv[2])
