"""Sound on a null sink: when a cue is really heard, and whether every gap is on record.

    python bench/sound.py onset [--block 64 128 256] [--latency-ms 20] [--cues 200] [--busy 0]
    python bench/sound.py session [--cues 60] [--block 128] [--latency-ms 20]
    python bench/sound.py gaps  [--minutes 10] [--busy 2] [--block 128] [--latency-ms 20]
    python bench/sound.py cost

``onset``: *play* is from the call to the recorded first sample, ms; *to a time* is recorded minus asked, µs (absolute:
median, 99 %, worst); *told* is recorded minus reported, and the share of reports that hold within their own bound.
``session``: a whole session on the simulated rig at pace 1; recorded minus the record's own onset, and minus the time
at which the board had the cue due. On a busy computer the simulated board itself stands still at times.
``gaps``: a sound in which every sample differs is played without end and recorded; each place where the recording
does not continue is a gap, and has an event nearby or has not. ``cost``: the callback's work, as a part of its block.

The sink of a private PulseAudio stands for the device: its clock is this computer's, so what is measured is all that
happens up to the converter, and nothing behind it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from nullsink import RATE_HZ, NullSink, Recorder, Recording
from test_cues import notes
from test_sound_session import order, wall_ns

from rig.session.intent import intend
from rig.session.launch import launched
from rig.sound import Click, Sound, make, with_sync
from rig.sound.events import Kind, SoundEvent, SoundSettings
from rig.sound.mixer import Mixer
from rig.soundcard import SoundEngine
from rig.soundcard.stream import rescan

GAP_KINDS = {Kind.UNDERRUN, Kind.CLOCK_STEP, Kind.DEVICE_LOST, Kind.DEVICE_BACK}
LOOP_S = 60
NEAR_MS = 1000  # an underrun's event says that the sound is disturbed for so long
STEPS = 1 << 24  # float32 holds this many values exactly
Numbers = NDArray[np.float64]


@contextlib.contextmanager
def busy(count: int, nice: int = 0) -> Iterator[None]:
    """So many processes beside, each wanting a core."""
    command = ["nice", "-n", str(nice), sys.executable, "-c", "while True: pass"]
    hogs = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def rises(recording: Recording) -> NDArray[np.int64]:
    high = recording.samples[:, 1] > 0.5
    return np.flatnonzero(high & ~np.r_[False, high[:-1]])


def run_cues(engine: SoundEngine, cues: int) -> list[SoundEvent]:
    """``cues`` starts at once and as many to a time, at moments that have nothing to do with the blocks."""
    random, events = np.random.default_rng(1), []
    for k in range(2 * cues):
        if k % 2:
            engine.schedule("tick", time.monotonic_ns() + engine.lead_ns + int(random.integers(0, 10_000_000)))
        else:
            engine.play("tick")
        time.sleep(0.09 + engine.lead_ns / 1e9 + random.uniform(0, 0.01))
        events += engine.drain_events()
    time.sleep(0.3)
    return events + engine.drain_events()


def onset(block: int, args: argparse.Namespace) -> None:
    settings = SoundSettings(device="pulse", block_samples=block, latency_ms=args.latency_ms)
    with NullSink() as sink:
        recorder = Recorder(sink).start()
        tick = make(Click(width_us=1000, level_dbfs=-6), RATE_HZ)
        with SoundEngine({"tick": tick}, settings) as engine, busy(args.busy, args.nice):
            latency_ms, realtime = engine.latency_ns / 1e6, engine.realtime
            events = run_cues(engine, args.cues)
        recording = recorder.stop()
    started = [e for e in events if e.kind == Kind.STARTED]
    gaps = sum(e.kind in GAP_KINDS for e in events)
    heard_ns = matched(recording.host_ns(rises(recording)), started)
    told = np.array([(e.host_ns, e.error_ns, e.asked_ns, e.scheduled) for e in started], dtype=np.float64)
    found = ~np.isnan(heard_ns)
    heard_ns, told = heard_ns[found], told[found]
    timed = told[:, 3] > 0
    play_ms = (heard_ns - told[:, 2])[~timed] / 1e6
    off_us = np.abs(heard_ns - told[:, 2])[timed] / 1e3
    told_us = (heard_ns - told[:, 0]) / 1e3
    held = np.mean(np.abs(told_us) <= told[:, 1] / 1e3)
    shares = [np.median(off_us), np.percentile(off_us, 99), off_us.max(), np.median(told_us), told_us.std()]
    print(
        f"{block:5d} {latency_ms:8.1f} {'yes' if realtime else 'no':>4s} {len(heard_ns):5d}/{len(started):<5d}"
        f"{np.median(play_ms):7.2f} {np.percentile(play_ms, 99):6.2f} {play_ms.max():6.2f}  "
        + " ".join(f"{share:7.0f}" for share in shares)
        + f" {100 * held:6.1f}% {np.median(told[:, 1]) / 1e3:7.0f} {gaps:5d}",
        flush=True,
    )


def matched(heard_ns: Numbers, started: list[SoundEvent]) -> Numbers:
    """The recorded onset of each reported one, NaN where none is within 40 ms."""
    out = np.full(len(started), np.nan)
    for i, event in enumerate(started):
        if len(heard_ns):
            near = heard_ns[np.argmin(np.abs(heard_ns - event.host_ns))]
            out[i] = near if abs(near - event.host_ns) < 40e6 else np.nan
    return out


def session(args: argparse.Namespace) -> None:
    """Cues that the board announces, tones that follow a decision, and cues called off, all from the journal."""
    sound = {"block_samples": args.block[0], "latency_ms": args.latency_ms}
    with NullSink() as sink, tempfile.TemporaryDirectory() as folder:
        rescan()
        recorder = Recorder(sink).start()
        with launched(intend(order(Path(folder), 3 * args.cues, **sound))) as running:
            summary = running.run()
        recording = recorder.stop()
        onsets = [note for note in notes(summary.session, "sound") if note["what"] == "onset"]
        card = [note["what"] for note in notes(summary.session, "sound_card")]
    heard_ns = recording.host_ns(rises(recording))
    print(f"block {args.block[0]}: {len(onsets)} onsets on record, {len(heard_ns)} recorded; {summary.sound}")
    print(f"the card's own events: { {what: card.count(what) for what in card} }")
    for scheduled, name in ((True, "due at a time"), (False, "to follow at once")):
        mine = [note for note in onsets if note["scheduled"] is scheduled]
        for key, said in (("board_us", "record"), ("due_us", "due")):
            told_ns = np.array([wall_ns(running, note[key]) for note in mine], dtype=np.float64)
            off_us = np.array([heard_ns[np.argmin(np.abs(heard_ns - at))] - at for at in told_ns]) / 1e3
            print(
                f"{name}: {len(mine)}; recorded minus {said}, us: median {np.median(off_us):.0f},"
                f" SD {off_us.std():.0f}; absolute: median {np.median(np.abs(off_us)):.0f},"
                f" 99 % {np.percentile(np.abs(off_us), 99):.0f}, worst {np.abs(off_us).max():.0f}"
            )


def counting_sound() -> Sound:
    """A minute in which every sample has its own value."""
    count = LOOP_S * RATE_HZ
    return Sound(((1 + np.arange(count)) / STEPS).astype(np.float32), RATE_HZ)


def gaps(args: argparse.Namespace) -> None:
    settings = SoundSettings(device="pulse", block_samples=args.block[0], latency_ms=args.latency_ms, sync_ms=0)
    events: list[SoundEvent] = []
    with NullSink() as sink:
        recorder = Recorder(sink).start()
        with SoundEngine({"count": counting_sound()}, settings) as engine, busy(args.busy, args.nice):
            sounding, end = engine.play("count"), time.monotonic() + 60 * args.minutes
            while time.monotonic() < end:
                time.sleep(0.01)
                new = engine.drain_events()
                events += new
                # The next begins when the last has ended, so that no two ever add up.
                if any(e.token == sounding and e.kind in (Kind.ENDED, Kind.UNSOUNDED) for e in new):
                    sounding = engine.play("count")
        recording = recorder.stop()
    report_gaps(recording, events, args)


def report_gaps(recording: Recording, events: list[SoundEvent], args: argparse.Namespace) -> None:
    index = np.round(recording.samples[:, 0].astype(np.float64) * STEPS).astype(np.int64)
    first, last = np.flatnonzero(index)[[0, -1]]
    index = index[first : last + 1]
    # A break is where the next sample heard is not the one that follows; silence between two belongs to it.
    at = np.flatnonzero(index)
    step = np.diff(index[at])
    silent = np.diff(at) - 1
    joint = (index[at[:-1]] == LOOP_S * RATE_HZ) | (index[at[1:]] == 1)
    broken = np.flatnonzero(((step != 1) | (silent > 0)) & ~joint)
    at_ns = recording.host_ns(first + at[broken])
    told_ns = np.array([e.host_ns for e in events if e.kind in GAP_KINDS] or [0], dtype=np.float64)
    near_ms = np.array([np.min(np.abs(told_ns - t)) / 1e6 for t in at_ns])
    kinds = {str(k): sum(e.kind == k for e in events) for k in sorted(GAP_KINDS)}
    unrecorded = int(np.sum(near_ms > NEAR_MS))
    print(
        f"{args.minutes:g} min, block {args.block[0]}, {args.busy} busy processes, {len(index) / RATE_HZ:.0f} s heard"
    )
    print(f"events: {kinds}")
    lost = int(np.sum(step[broken] - 1))
    print(f"breaks in the recording: {len(at_ns)}, {int(silent[broken].sum())} samples of silence, {lost} samples lost")
    alone = [
        f"{s}/{n - 1}" for s, n in zip(silent[broken][near_ms > NEAR_MS], step[broken][near_ms > NEAR_MS], strict=True)
    ]
    print(
        f"breaks with no event within {NEAR_MS} ms: {unrecorded}; their silence/loss, samples: {' '.join(alone) or '-'}"
    )
    if len(near_ms):
        print(
            f"distance of a break from its nearest event: median {np.median(near_ms):.1f} ms, worst {near_ms.max():.1f}"
        )


def cost() -> None:
    """The mixer's part of the callback with 0, 1 and 4 sounds, in µs and as a part of the block."""
    sound = with_sync(Sound(np.full(RATE_HZ * 60, 0.1, dtype=np.float32), RATE_HZ), 2, 5.0)
    for block in (64, 128, 256):
        for sounding in (0, 1, 4):
            mixer = Mixer([sound], block, 2, 240)
            for token in range(sounding):
                mixer.arm(token + 1, 0, 0)
            times_ns = []
            for k in range(2000):
                before = time.perf_counter_ns()
                mixer.fill(1e9 + k * block * 1e9 / RATE_HZ, 1e9 / RATE_HZ, 0)
                times_ns.append(time.perf_counter_ns() - before)
            us = float(np.median(times_ns)) / 1e3
            print(f"block {block:3d}, {sounding} sounding: {us:6.1f} µs = {100 * us * RATE_HZ / 1e6 / block:5.2f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", default="onset", choices=("onset", "session", "gaps", "cost"))
    parser.add_argument("--block", type=int, nargs="+", default=None)
    parser.add_argument("--latency-ms", type=float, default=None, help="default: the least the device gives")
    parser.add_argument("--cues", type=int, default=200, help="of each sort")
    parser.add_argument("--busy", type=int, default=None, help="processes beside that want a core")
    parser.add_argument("--nice", type=int, default=0, help="how much these give way")
    parser.add_argument("--minutes", type=float, default=10.0)
    args = parser.parse_args()
    gc.disable()  # as in a session
    if args.what == "cost":
        cost()
        return
    if args.what == "session":
        args.block = args.block or [128]
        session(args)
        return
    if args.what == "gaps":
        args.block, args.busy = args.block or [128], 2 if args.busy is None else args.busy
        gaps(args)
        return
    args.busy = args.busy or 0
    print(" " * 30 + "play, ms" + " " * 16 + "to a time, |µs|" + " " * 9 + "told, µs")
    head = "block  latency  rt    heard    median   99 %  worst   median    99 %   worst"
    print(head + "  median      SD   held   bound  gaps")
    for block in args.block or (64, 128, 256):
        onset(block, args)


if __name__ == "__main__":
    main()
