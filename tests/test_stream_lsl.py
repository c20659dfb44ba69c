"""The stream as LSL: a real inlet, whose stamps are held against the journal's."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pylsl
import pytest
from stream_peers import Listening, until
from stream_rig import StreamRig

from rig.stream.lsl import EVENTS, LEVER, Outlets, clock_offset_s
from rig.stream.schema import Message


def inlets(session: str) -> dict[str, pylsl.StreamInlet]:
    """Both streams, found on the network as any program finds them."""
    found = {}
    for name in (EVENTS, LEVER):
        infos = pylsl.resolve_byprop("source_id", f"{name} {session}", timeout=60)
        assert infos, f"no stream {name}"
        found[name] = pylsl.StreamInlet(infos[0])
        found[name].open_stream(timeout=60)
    return found


READINGS_APART_S = 1e-4  # between two findings of LSL's clock beside the monotonic one, each by its closest reading
NEAR_US = 800.0


def test_an_inlet_has_each_event_at_the_journals_time(tmp_path: Path) -> None:
    outlets, heard, bounds_us = Outlets(), list[tuple[Message, int]](), list[float]()

    def take(message: Message, here_ns: int | None) -> None:
        outlets.take(message, here_ns)
        line = listening.listener.here.line
        if here_ns is not None and line is not None and message.at_ns is not None:
            heard.append((message, here_ns))
            bounds_us.append(line.place(message.at_ns)[1])

    session = f"M{os.getpid()}/2026-03-02_1"  # LSL finds the streams of others on this network as well
    rig = StreamRig(tmp_path / "data", session=session)
    with Listening(rig.address, tmp_path / "out", heard=take) as listening:
        until(lambda: rig.pace(500, 0.1) and heard)
        streams = inlets(session)
        until(lambda: rig.pace(500, 0.5) and max(bounds_us[-100:]) < NEAR_US)  # the clocks are known to each other
        begin = len(heard)
        rig.pace(500, 2)
        rig.end()
        until(lambda: listening.proofs)
        offset_s = clock_offset_s()
        here_s = {message.number: here_ns / 1e9 + offset_s for message, here_ns in heard}
        received, stamps = drain(streams[EVENTS], max(here_s[one.number] for one, _ in heard if one.name != "lever"))
        counts, counted_at = drain(streams[LEVER], max(here_s[one.number] for one, _ in heard if one.name == "lever"))
    # Rig and listener are on one computer, and no clock line is in this journal: an event's true time is its host_ns.
    off_us = [abs(here_ns - message.host_ns) / 1000 for message, here_ns in heard]
    assert all(off < bound for off, bound in zip(off_us, bounds_us, strict=True)), "the bound is kept at any time"
    said = [json.loads(one[0]) for one in received]
    numbers = [one["number"] for one in said]
    assert numbers[-100:] == [one.number for one, _ in heard[begin:] if one.name != "lever"][-100:]
    off_s = [abs(stamp - here_s[number]) for number, stamp in zip(numbers, stamps, strict=True)]
    assert max(off_s) < READINGS_APART_S
    journal_s = {message.number: message.host_ns / 1e9 + offset_s for message, _ in heard}
    within_s = {
        one.number: max(NEAR_US, bound_us) / 1e6 + READINGS_APART_S
        for (one, _), bound_us in zip(heard, bounds_us, strict=True)
    }
    assert all(abs(stamp - journal_s[n]) < within_s[n] for n, stamp in zip(numbers, stamps, strict=True))
    lever = [one for one, _ in heard if one.name == "lever"][-20:]
    last = [(one.fields["first_counts"] + one.fields["offsets"][-1], here_s[one.number]) for one in lever]
    found = list(zip(counts[9::10][-20:], counted_at[9::10][-20:], strict=True))
    assert [count for (count,), _ in found] == [count for count, _ in last]
    assert [stamp for _, stamp in found] == pytest.approx([stamp for _, stamp in last], abs=READINGS_APART_S)
    steps = [b - a for a, b in zip(counted_at[-10:-1], counted_at[-9:], strict=True)]
    assert steps == pytest.approx([0.001] * 9, abs=1e-6), "samples of a batch lie a period apart"


def drain(inlet: pylsl.StreamInlet, last_s: float) -> tuple[list[list[Any]], list[float]]:
    """All that is to come: up to the stamp of the last one, and until nothing more does for half a second."""
    samples: list[list[Any]] = []
    stamps: list[float] = []
    quiet_s = end_s = time.monotonic()
    while time.monotonic() < quiet_s + 0.5 or not (stamps and stamps[-1] > last_s - READINGS_APART_S):
        assert time.monotonic() < end_s + 100, "the last one did not come"
        some, when = inlet.pull_chunk(timeout=0.05, max_samples=1000)
        if when:
            samples += some
            stamps += when
            quiet_s = time.monotonic()
    return samples, stamps
