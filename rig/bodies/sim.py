"""The simulated rig: a link to the trial machine in virtual time, and the world it acts on.

Virtual time is the master. It moves only inside :meth:`SimLink.read`, from event to event; pacing merely sleeps until
the wall clock has caught up, so a session is the same at any pace and after a pause. The host takes no virtual time.
May not: know tables or sessions.
"""

from __future__ import annotations

import operator
import random
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig import wire
from rig.bodies import core
from rig.bodies.animals import Animal
from rig.bodies.pty import PtyBody

WRAP = 1 << 32
START_US = WRAP - 10_000_000  # ten seconds before the clock wraps: every session meets it
HORIZON_US = 1_000_000
OUT_BYTES = 1 << 16
_OUTPUT = 1  # HOST_OUTPUT of firmware/boards/host/host.h
_VALVE = 1 << wire.OUTPUTS.index("valve")
_LASER = 1 << wire.OUTPUTS.index("laser")
_LICK, _FRAME, _BACK, _CLOSED, _TOUCH, _SOUND = (
    1 << wire.INPUTS.index(name) for name in ("lick", "frame", "laser_back", "interlock", "touch", "sound_sync")
)
FAULTS = ("laser_dead", "laser_stuck", "read_back_unplugged", "sync_unplugged")
LICK_US = 50_000
_TIME = operator.itemgetter(0)
FRAME_US = 5_000
TOUCH_US = 200_000  # the paw stays on the lever for so long after it moved it last


@dataclass(frozen=True)
class SimSettings:
    """What is simulated. ``pace``: virtual seconds a wall second, or None for as fast as it goes.

    ``fault``: one of FAULTS, or nothing; it begins ``fault_after_us`` after the board was switched on.
    """

    seed: int = 0
    pace: float | None = None
    link_latency_us: int = 500
    drift_ppm: float = 20.0
    sound_latency_us: int = 5_000
    laser_latency_us: int = 20
    frame_hz: float | None = 30.0
    boot: int = 1
    fault: str = ""
    fault_after_us: int = 0


class World:
    """Lever, spout, microscope and laser: what lies ahead for the board's pins, until something changes it."""

    def __init__(self, animal: Animal, settings: SimSettings) -> None:
        self.animal = animal
        self._settings = settings
        self._outputs = 0
        self._tone_hz = 0
        self._pending: list[tuple[int, int, bool]] = []  # (time, input bit, level) to come
        self._level = _CLOSED
        self._frame = 0
        self._edge_us = np.empty(0, np.int64)  # lever edges as planned last
        self._moved_us = START_US - TOUCH_US - 1  # the last of them that has come true
        self._sounds: dict[int, tuple[int, int, int]] = {}  # to come, by token: time, tone, length of the sync pulse
        self._fault_us = START_US + settings.fault_after_us
        if settings.fault in ("laser_stuck", "read_back_unplugged"):
            self.will(self._fault_us + 1, _BACK, settings.fault == "laser_stuck")

    def edges(self, start_us: int, end_us: int) -> tuple[NDArray[np.uint32], NDArray[np.int8]]:
        """Lever edges ahead, as the core takes them."""
        t_us, steps = self.animal.edges(start_us, end_us)
        if true := int(np.searchsorted(self._edge_us, start_us, "right")):
            self._moved_us = max(self._moved_us, int(self._edge_us[true - 1]))
        self._edge_us = t_us
        if len(steps) and np.abs(steps).max() > 127:  # a glitch of a recording: the same jump in several parts
            parts = np.abs(steps) // 128 + 1
            which = np.repeat(np.arange(len(steps)), parts)
            nth = np.arange(len(which)) - np.repeat(np.cumsum(parts) - parts, parts)
            t_us, steps = t_us[which], (steps[which] * (nth + 1)) // parts[which] - (steps[which] * nth) // parts[which]
        return (t_us & (WRAP - 1)).astype(np.uint32), steps.astype(np.int8)

    def inputs(self, start_us: int, end_us: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        """Input levels ahead of the edges asked for last: ``(times, levels)``, in order of time."""
        for lick_us in self.animal.licks_us(start_us, end_us):
            self._pending += [(lick_us, _LICK, True), (lick_us + LICK_US, _LICK, False)]
        self._pending = [change for change in self._pending if change[0] > start_us]
        # Some dozens in a second: plain numbers are quicker here than arrays.
        changes = [*self._frames(start_us, end_us), *self._touches(), *self._pending]
        changes = [change for change in changes if start_us < change[0] <= end_us]
        changes.sort(key=_TIME)
        level, levels = self._level, bytearray()
        for _, bit, on in changes:
            level = level | bit if on else level & ~bit
            levels.append(level)
        t_us = [change[0] & (WRAP - 1) for change in changes]
        return np.array(t_us, np.uint32), np.frombuffer(levels, np.uint8)

    def _frames(self, start_us: int, end_us: int) -> list[tuple[int, int, bool]]:
        """Edges of the microscope's frame clock, those that may lie ahead."""
        if not self._settings.frame_hz:
            return []
        period_us = 1e6 / self._settings.frame_hz
        first, last = int((start_us - START_US) / period_us), int((end_us - START_US) / period_us)
        rise_us = [START_US + round(n * period_us) for n in range(max(first, 1), last + 2)]
        return [edge for t in rise_us for edge in ((t, _FRAME, True), (t + FRAME_US, _FRAME, False))]

    def _touches(self) -> list[tuple[int, int, bool]]:
        """Edges of the touch sensor: the paw is on the lever while it moves it, and a little longer."""
        if not len(self._edge_us):
            return [(self._moved_us + TOUCH_US, _TOUCH, False)]
        moved_us = np.concatenate([[self._moved_us], self._edge_us])
        apart = np.flatnonzero(moved_us[1:] - moved_us[:-1] > TOUCH_US)
        rises = [(t, _TOUCH, True) for t in moved_us[apart + 1].tolist()]
        falls = [(t + TOUCH_US, _TOUCH, False) for t in [*moved_us[apart].tolist(), int(moved_us[-1])]]
        return rises + falls

    @property
    def level(self) -> int:
        """The inputs as the board saw them last."""
        return self._level

    def passed(self, level: int) -> None:
        """The board has seen this input level last."""
        self._level = level

    def will(self, t_us: int, bit: int, on: bool) -> None:
        """An input will change then; takes effect when what lies ahead is planned anew."""
        self._pending.append((t_us, bit, on))

    def will_sound(self, token: int, t_us: int, tone_hz: int, sync_us: int) -> None:
        """A card will sound then, with a sync pulse of ``sync_us`` (0: none). ``tone_hz`` 0: nothing to answer to."""
        self._sounds[token] = (t_us, tone_hz, sync_us)

    def unsound(self, token: int) -> bool:
        """Take it back; False: it has sounded already."""
        return self._sounds.pop(token, None) is not None

    @property
    def expects_sound(self) -> bool:
        """Something is to sound yet."""
        return bool(self._sounds)

    @property
    def next_sound_us(self) -> int | None:
        """When the next of them sounds."""
        return min(t_us for t_us, _, _ in self._sounds.values()) if self._sounds else None

    def sounds(self, t_us: int) -> bool:
        """It is this late: what sounds by now is heard. Returns whether what lies ahead changed."""
        again = False
        for token, (at_us, tone_hz, sync_us) in list(self._sounds.items()):
            if at_us > t_us:
                continue
            del self._sounds[token]
            if sync_us and not (self._settings.fault == "sync_unplugged" and at_us > self._fault_us):
                self.will(t_us + 1, _SOUND, True)
                self.will(t_us + 1 + sync_us, _SOUND, False)
                again = True
            if tone_hz:
                again |= self.animal.hears(t_us, tone_hz)
        return again

    def outputs(self, t_us: int, outputs: int, tone_hz: int) -> bool:
        """Outputs are so from now on. Returns whether what lies ahead changed."""
        changed = self._outputs ^ outputs
        self._outputs = outputs
        again = False
        if changed & _LASER:
            again = self._laser(t_us, bool(outputs & _LASER))
        if changed & outputs & _VALVE:
            again |= self.animal.tastes(t_us)
        if tone_hz != self._tone_hz:
            self._tone_hz = tone_hz
            if tone_hz:
                again |= self.animal.hears(t_us + self._settings.sound_latency_us, tone_hz)
        return again

    def _laser(self, t_us: int, on: bool) -> bool:
        """The laser was switched: the animal feels it and the read-back follows, where nothing is broken."""
        back_us = t_us + self._settings.laser_latency_us
        fault = self._settings.fault if back_us > self._fault_us else ""
        shines = fault == "laser_stuck" or (on and fault != "laser_dead")
        again = self.animal.feels_light(t_us, shines)
        if fault != "laser_stuck" and not (fault and on):
            self.will(back_us, _BACK, on)
            again = True
        return again


class SimLink:
    """A :class:`rig.link.Link` to the simulated rig. ``body``: where its machine runs, if not in this process."""

    def __init__(self, animal: Animal, settings: SimSettings, body: PtyBody | None = None) -> None:
        self._ffi, self._lib = core.load()
        self._memory = self._ffi.new("uint64_t[]", self._lib.host_size() // 8 + 1)
        self._host = self._ffi.cast("host_t *", self._memory)
        self._out = self._ffi.new("uint8_t[]", OUT_BYTES)
        self._body = body
        self._lib = body or self._lib
        self.world = World(animal, settings)
        self._settings = settings
        self._rng = random.Random(settings.seed)
        self.t_us = START_US
        self._planned_us = START_US
        self._arrivals: list[tuple[int, bytes]] = []
        self._kept: tuple[Any, ...] = ()
        self._wall_ns: int | None = None
        self._anchor_us = START_US
        self._ns_per_us = 1000 - settings.drift_ppm / 1000
        self._epoch_us = START_US - settings.link_latency_us  # when the host's clock begins, as it sees the board's
        kind = int(wire.BoardKind.PTY if body else wire.BoardKind.SIMULATOR)
        self._lib.host_start(self._host, START_US & (WRAP - 1), settings.boot, 0, kind, 0)
        self._lib.host_input_now(self._host, _CLOSED)

    # --- Link --------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """See :class:`rig.link.Link`. The bytes arrive after the link's latency and a random delay."""
        latency_us = 2 * self._settings.link_latency_us + int(self._rng.expovariate(1 / 200))
        arrive_us = max(self.t_us + latency_us, self._arrivals[-1][0] if self._arrivals else 0)
        self._arrivals.append((arrive_us, data))

    def read(self, timeout_ns: int) -> bytes:
        """See :class:`rig.link.Link`. Virtual time moves on until there is news, or for the time-out."""
        # In board time, and rounded up: whoever waits until a ping is due should not wake a microsecond before it is.
        target_us = self.t_us + int(timeout_ns / self._ns_per_us) + 1
        lib, host = self._lib, self._host
        while True:
            if self.world.expects_sound:
                self._sound()
            if self._planned_us <= self.t_us:
                self._plan()
            until_us = min(target_us, self._planned_us)
            if self._arrivals and self._arrivals[0][0] < until_us:
                until_us = self._arrivals[0][0]
            if self.world.expects_sound:
                until_us = min(until_us, self.world.next_sound_us or until_us)
            reason = lib.host_run(host, until_us & (WRAP - 1), 1)
            self.t_us += (lib.host_now(host) - self.t_us) & (WRAP - 1)
            if reason == _OUTPUT:
                self._act()
            answered = self._arrive()
            if reason or answered or self.t_us >= target_us:
                break
        if self._settings.pace is not None:
            self._pace(self._settings.pace)
        n = lib.host_send(host, self._out, OUT_BYTES)
        return bytes(self._ffi.buffer(self._out, n)) if n else b""

    def reopen(self, timeout_ns: int) -> bool:
        """See :class:`rig.link.Link`: it was never gone."""
        return True

    def now_ns(self) -> int:
        """The simulated host's clock: it drifts against the board's, and bytes take their time to reach it."""
        return 1_000_000_000 + int((self.t_us - self._epoch_us) * self._ns_per_us)

    def close(self) -> None:
        """A machine in another process ends."""
        if self._body:
            self._body.close()

    # --- for a sound card ---------------------------------------------------------------------------------------------

    def host_ns(self, t_us: float) -> int:
        """The simulated host's clock at a true time."""
        return 1_000_000_000 + round((t_us - START_US) * self._ns_per_us)

    def true_us(self, host_ns: float) -> float:
        """The true time, which is the board's, at a time of the simulated host's clock."""
        return START_US + (host_ns - 1_000_000_000) / self._ns_per_us

    def wall_ns(self, host_ns: float) -> int:
        """This computer's own clock when the simulated host's reads so; for a session at pace 1."""
        assert self._wall_ns is not None, "nothing was read yet"
        return self._wall_ns + round((self.true_us(host_ns) - self._anchor_us) * 1000)

    def host_of_wall_ns(self, wall_ns: int) -> int:
        """The other way round."""
        assert self._wall_ns is not None, "nothing was read yet"
        return self.host_ns(self._anchor_us + (wall_ns - self._wall_ns) / 1000)

    @property
    def pace(self) -> float | None:
        """Virtual seconds a wall second; None: as fast as it goes."""
        return self._settings.pace

    @property
    def sound_latency_us(self) -> int:
        """What a simulated card needs to start a sound."""
        return self._settings.sound_latency_us

    # --- the world ---------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Hand the board what lies ahead of now."""
        self._planned_us = self.t_us + HORIZON_US
        edge_us, deltas = self.world.edges(self.t_us, self._planned_us)
        input_us, levels = self.world.inputs(self.t_us, self._planned_us)
        self._kept = (edge_us, deltas, input_us, levels)
        buffer = self._ffi.from_buffer
        self._lib.host_plan_lever(self._host, buffer("uint32_t[]", edge_us), buffer("int8_t[]", deltas), len(edge_us))
        self._lib.host_plan_inputs(
            self._host, buffer("uint32_t[]", input_us), buffer("uint8_t[]", levels), len(input_us)
        )

    def _level_now(self) -> int | None:
        """The last input level of the plan that the board has taken."""
        levels = self._kept[3]
        taken = len(levels) - self._lib.host_inputs_left(self._host)
        return int(levels[taken - 1]) if taken else None

    def _act(self) -> None:
        again = self.world.outputs(self.t_us, self._lib.host_outputs(self._host), self._lib.host_tone_hz(self._host))
        if again:
            self._planned_us = self.t_us
        self._note_level()

    def _sound(self) -> None:
        if self.world.sounds(self.t_us):
            self._planned_us = self.t_us
            self._note_level()

    def _note_level(self) -> None:
        if self._planned_us <= self.t_us:
            level = self._level_now()
            if level is not None:
                self.world.passed(level)

    def _arrive(self) -> bool:
        if self._planned_us <= self.t_us:
            self._note_level()
        answered = False
        while self._arrivals and self._arrivals[0][0] <= self.t_us:
            _, data = self._arrivals.pop(0)
            self._lib.host_receive(self._host, data, len(data))
            answered = bool(self._lib.host_owes(self._host))
        return answered

    def _pace(self, pace: float) -> None:
        now_ns = time.monotonic_ns()
        if self._wall_ns is None:
            self._wall_ns, self._anchor_us = now_ns, self.t_us
        due_ns = self._wall_ns + int((self.t_us - self._anchor_us) * 1000 / pace)
        if due_ns > now_ns:
            time.sleep((due_ns - now_ns) / 1e9)
        elif now_ns - due_ns > 200_000_000:  # we were paused: go on from here, do not race to catch up
            self._wall_ns, self._anchor_us = now_ns, self.t_us
