"""Sound at a simulated rig: a card in virtual time, and a real card beside a simulated board.

Floor 1. In virtual time nothing can really sound: the card says when its sounds begin and raises the sync input, as a
real one's second channel does. At pace 1 a real card plays, and the simulated animal hears it. Both are told times of
the simulated host's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rig.bodies.sim import SimLink
from rig.sound import Sound
from rig.sound.events import Body, Kind, SoundEvent, SoundSettings
from rig.soundcard import SoundEngine


@dataclass
class _Order:
    sound: str
    asked_ns: int
    onset_us: int
    end_us: int
    started: bool = False


class SimCard:
    """A card that needs ``sound_latency_us`` to start a sound, and keeps every time it is told that long ahead."""

    body = Body.DEVICE
    warning = ""

    def __init__(self, sounds: Mapping[str, Sound], settings: SoundSettings, link: SimLink) -> None:
        self._sounds, self._settings, self._link = dict(sounds), settings, link
        self._orders: dict[int, _Order] = {}
        self._tokens = 0
        self._events: list[SoundEvent] = []

    @property
    def lead_ns(self) -> int:
        """How far ahead a cue must be told."""
        return 1000 * self._link.sound_latency_us

    def add(self, name: str, sound: Sound) -> None:
        """One more sound."""
        self._sounds[name] = sound

    def schedule(self, sound: str, at_host_ns: int) -> int:
        """See :meth:`rig.soundcard.SoundEngine.schedule`."""
        self._tokens += 1
        link, made = self._link, self._sounds[sound]
        soonest_us = link.true_us(link.now_ns()) + link.sound_latency_us
        onset_us = round(max(link.true_us(at_host_ns), soonest_us))
        end_us = onset_us + round(1000 * made.length_ms)
        self._orders[self._tokens] = _Order(sound, at_host_ns, onset_us, end_us)
        sync_us = round(1000 * self._settings.sync_ms)
        link.world.will_sound(self._tokens, onset_us, round(made.tone_hz or 0), sync_us)
        return self._tokens

    def stop(self, token: int, at_host_ns: int = 1) -> None:
        """See :meth:`rig.soundcard.SoundEngine.stop`; there is no fading."""
        order = self._orders.get(token)
        if order is None:
            return
        if at_host_ns == 1 and self._link.world.unsound(token):
            del self._orders[token]
            now_ns = self._link.now_ns()
            self._events.append(SoundEvent(Kind.CANCELLED, now_ns, token, order.sound, asked_ns=order.asked_ns))
            return
        whole_us = round(1000 * self._sounds[order.sound].length_ms)
        at_us = round(self._link.true_us(max(at_host_ns, self._link.now_ns())))
        order.end_us = order.onset_us + whole_us if at_host_ns == 0 else min(order.end_us, at_us)

    def drain_events(self) -> list[SoundEvent]:
        """What has happened since the last call."""
        now_us = self._link.t_us
        for token, order in list(self._orders.items()):
            if not order.started and order.onset_us <= now_us:
                order.started = True
                self._tell(Kind.STARTED, token, order, order.onset_us)
            if order.started and order.end_us <= now_us:
                del self._orders[token]
                rate_hz = self._settings.rate_hz
                self._tell(Kind.ENDED, token, order, order.end_us, (order.end_us - order.onset_us) * rate_hz // 10**6)
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Nothing to let go of."""

    def _tell(self, kind: Kind, token: int, order: _Order, t_us: int, value: int = 0) -> None:
        host_ns = self._link.host_ns(t_us)
        self._events.append(SoundEvent(kind, host_ns, token, order.sound, 0, order.asked_ns, value, scheduled=True))


class BesideSim:
    """A real card beside a simulated board at pace 1."""

    def __init__(self, engine: SoundEngine, link: SimLink) -> None:
        self._engine, self._link = engine, link

    @property
    def body(self) -> Body:
        """See :class:`rig.soundcard.SoundEngine`."""
        return self._engine.body

    @property
    def warning(self) -> str:
        """See :class:`rig.soundcard.SoundEngine`."""
        return self._engine.warning

    @property
    def lead_ns(self) -> int:
        """See :class:`rig.soundcard.SoundEngine`."""
        return self._engine.lead_ns

    def add(self, name: str, sound: Sound) -> None:
        """See :class:`rig.soundcard.SoundEngine`."""
        self._engine.add(name, sound)

    def schedule(self, sound: str, at_host_ns: int) -> int:
        """See :class:`rig.soundcard.SoundEngine`. The animal hears it when it is due, or as soon as it can sound."""
        link, engine = self._link, self._engine
        token = engine.schedule(sound, link.wall_ns(at_host_ns))
        if engine.body == Body.DEVICE:
            onset_us = round(link.true_us(max(at_host_ns, link.now_ns() + engine.latency_ns)))
            link.world.will_sound(token, onset_us, round(engine.tone_hz(sound) or 0), 0)
        return token

    def stop(self, token: int, at_host_ns: int = 1) -> None:
        """See :class:`rig.soundcard.SoundEngine`."""
        self._engine.stop(token, self._link.wall_ns(at_host_ns) if at_host_ns > 1 else at_host_ns)
        if at_host_ns == 1:
            self._link.world.unsound(token)

    def drain_events(self) -> list[SoundEvent]:
        """See :class:`rig.soundcard.SoundEngine`."""
        to_host = self._link.host_of_wall_ns
        return [
            event._replace(host_ns=to_host(event.host_ns), asked_ns=to_host(event.asked_ns) if event.asked_ns else 0)
            for event in self._engine.drain_events()
        ]

    def close(self) -> None:
        """See :class:`rig.soundcard.SoundEngine`."""
        self._engine.close()
