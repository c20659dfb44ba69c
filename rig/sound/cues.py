"""A session's sounds: told to the card when the board announces them, called off when it takes them back, and when each
was really heard.

Floor 2. The board says ahead of time when a cue is due; its first sample is to leave then. What became of it is noted:
onset with its error and how it is known, cancelled, unsounded. Where the card is lost, what the configuration says
stands in. May not: speak to the board, or know how a sound is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rig import wire
from rig.clock import HALF_WRAP, WRAP, Clock
from rig.experiment.table import Row
from rig.session.watcher import Staged, Watcher
from rig.sound.book import SoundBook
from rig.sound.events import Body, Card, Kind, SoundEvent
from rig.sound.onset import Method, Onset, OnsetTruth, Outcome, SyncMissed, SyncStray

SYNC_WAIT_NS = 50_000_000  # so far from the card's own word the sync edge may come; later is a fault
_SYNC = 1 << wire.INPUTS.index("sound_sync")
_LOSSES = (Kind.NO_DEVICE, Kind.DEVICE_LOST)
_GAPS = (Kind.UNDERRUN, Kind.CLOCK_STEP)


@dataclass
class _Order:
    """A sound that was told to the card and has not ended."""

    number: int
    trial: int
    due_us: int
    prompt: bool
    begun: bool = False


@dataclass
class _Pin:
    """A tone that the board makes itself, still in its delay."""

    onset_us: int
    sound: str
    trial: int


@dataclass
class SoundSum:
    """The sounds of a session, for its summary."""

    by: str
    files: Mapping[str, str]
    counts: Counter[str] = field(default_factory=Counter)

    def plain(self, report: dict[str, int | float]) -> dict[str, Any]:
        """As JSON can hold it, with what is known of the onsets."""
        rounded = {name: round(value, 1) for name, value in report.items()}
        files = {"files": dict(self.files)} if self.files else {}
        return {"by": self.by, "events": dict(sorted(self.counts.items())), "onsets": rounded, **files}


class SoundWatcher(Watcher):
    """Goes along with a session.

    Args:
        card: what plays the numbered sounds; None: nothing does.
        book: what the numbers mean, and whether tones are the tone pin's.
        clock: board time against the link's clock.
        now_ns: the link's clock.
        synced: the card's second channel is wired to the input sound_sync.
        pin: how a tone of the tone pin counts: NONE where nothing is connected to it.
        given: what the card's own word for an onset is.
        files: SHA-256 of each recording that was read, by name; it grows as trials ask for more.
    """

    name = "sound"
    hears = ("trial_begin", "generator", "sound_due", "sound_off", "input")
    acts = True

    def __init__(
        self,
        card: Card | None,
        book: SoundBook,
        clock: Clock,
        now_ns: Callable[[], int],
        *,
        synced: bool = False,
        pin: Method = Method.PIN,
        given: Method = Method.DAC,
        files: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._card, self._book, self._clock, self._now_ns, self._pin = card, book, clock, now_ns, pin
        self._truth = OnsetTruth(SYNC_WAIT_NS if synced else 0, given)
        self._synced = synced
        without = Body.TONE_PIN if pin == Method.PIN else Body.SILENT
        by = given if given == Method.SIMULATED else card.body if card else without
        self.sum = SoundSum(by.value, files or {})
        self._tones_to_pin = book.pin  # as the session began
        self._orders: dict[int, _Order] = {}
        self._told: dict[int, _Order] = {}  # every one whose onset is not settled
        self._pins: dict[int, _Pin] = {}
        self._silent: dict[int, int] = {}  # by number: when a sound is due that nothing can play
        self._trial = 0
        self._tokens = 0  # of what no card plays

    @property
    def warning(self) -> str:
        """One line as long as something is wrong."""
        return self._card.warning if self._card else ""

    def event(self, name: str, board_us: int, body: tuple[int, ...], staged: Staged | None) -> None:
        """One event of a session."""
        if name == "trial_begin":
            self._trial = body[0]
            self._pins.clear()
        elif name == "sound_due":
            self._due(board_us, *body)
        elif name == "sound_off":
            self._off(body[0])
        elif name == "generator" and staged:
            self._tone(board_us, body, staged.table.generators[body[0]], staged.table.generator_names[body[0]])
        elif name == "input" and self._synced and body[0] & body[1] & _SYNC:
            self._truth.edge(board_us, self._clock.host_ns(board_us), self._doubt_ns(board_us))

    def passed(self, board_us: int, host_ns: int) -> None:
        """So late is it: what was heard by now is noted."""
        for event in self._card.drain_events() if self._card else ():
            self._heard(event)
        for index, pin in list(self._pins.items()):
            if pin.onset_us <= board_us:
                del self._pins[index]
                self._pinned(pin)
        for number, due_us in list(self._silent.items()):
            if due_us <= board_us:
                del self._silent[number]
                self._tokens += 1
                self._truth.unsounded(self._tokens, str(number), self._clock.host_ns(due_us))
        for outcome in self._truth.settle(host_ns):
            self._settled(outcome)

    def recall(self, said: dict[str, Any]) -> None:
        """The card was lost, or back, in an earlier process: trials were made for what stood in."""
        if said["note"] == "sound_card" and said["what"] in (*_LOSSES, Kind.DEVICE_BACK):
            self._book.pin = self._tones_to_pin or said["by"] == Body.TONE_PIN

    def finish(self) -> dict[str, Any]:
        """The session is over: the sum of its sounds."""
        self.passed(0, self._now_ns())
        self.passed(0, self._now_ns() + 10 * SYNC_WAIT_NS)
        self.close()
        return self.sum.plain(self._truth.report())

    def close(self) -> None:
        """Let go of the card."""
        if self._card:
            self._card.close()

    # --- what the board says ------------------------------------------------------------------------------------------

    def _due(self, board_us: int, number: int, due_u32: int) -> None:
        due_us = board_us + (due_u32 - board_us + HALF_WRAP) % WRAP - HALF_WRAP
        at_ns = self._clock.host_ns(due_us)
        if self._card is None:
            self._silent[number] = due_us
            return
        for token, order in self._orders.items():  # it begins anew: what still sounds of it ends then
            if order.number == number and order.begun:
                self._card.stop(token, at_ns)
        prompt = at_ns - self._now_ns() < self._card.lead_ns
        token = self._card.schedule(str(number), at_ns)
        self._orders[token] = self._told[token] = _Order(number, self._trial, due_us, prompt)

    def _off(self, number: int) -> None:
        """The one to come is called off, else the one that sounds is stopped."""
        self._silent.pop(number, None)
        mine = [token for token, order in self._orders.items() if order.number == number]
        if self._card is None or not mine:
            return
        waiting = [token for token in mine if not self._orders[token].begun]
        self._card.stop(waiting[-1] if waiting else mine[-1])
        for token in mine if waiting else ():
            if self._orders[token].begun:
                self._card.stop(token, 0)  # it was to end for the sake of the one that is called off

    def _tone(self, board_us: int, body: tuple[int, ...], row: Row, sound: str) -> None:
        """The board's own tone: it begins after its delay, if it is not stopped before."""
        index, mark = body[:2]
        if row["kind"] != wire.Generator.TONE or not row["tone_hz"]:
            return
        self._pins.pop(index, None)
        if mark == wire.GeneratorMark.START:
            self._pins[index] = _Pin(board_us + row["delay_us"], sound, self._trial)

    def _pinned(self, pin: _Pin) -> None:
        """The board's own event is the record; here it is counted."""
        self._tokens += 1
        if self._pin == Method.PIN:
            self._truth.pin(self._tokens, pin.sound, pin.onset_us, self._clock.host_ns(pin.onset_us), 0)
        else:
            self._truth.unsounded(self._tokens, pin.sound, self._clock.host_ns(pin.onset_us))

    # --- what the card says -------------------------------------------------------------------------------------------

    def _heard(self, event: SoundEvent) -> None:
        self.sum.counts[event.kind.value] += 1
        order = self._orders.get(event.token) or self._told.get(event.token)
        if event.kind == Kind.STARTED and order:
            order.begun = True
            asked_ns = self._clock.host_ns(order.due_us)  # by the clocks as they are known now, as the onset will be
            self._truth.started(event.token, event.sound, event.host_ns, event.error_ns, asked_ns, prompt=order.prompt)
        elif event.kind == Kind.UNSOUNDED and order:
            self._truth.unsounded(event.token, event.sound, event.host_ns)
        if event.kind in (Kind.ENDED, Kind.CANCELLED, Kind.UNSOUNDED):
            self._orders.pop(event.token, None)
            if order:
                self._note_sound(event.kind.value, event.token, order, event.host_ns, event.error_ns, why=event.note)
        elif event.kind in _GAPS:
            assert self._card is not None
            self._truth.underrun(event.host_ns, self._card.lead_ns)
            self._say(event)
        elif event.kind != Kind.STARTED:
            self._say(event)
            self._change_body(event)
        if event.kind in (Kind.CANCELLED, Kind.UNSOUNDED):
            self._told.pop(event.token, None)

    def _say(self, event: SoundEvent) -> None:
        """Something of the card itself."""
        by = self._card.body.value if self._card else ""
        self.note(
            "sound_card",
            what=event.kind.value,
            board_us=self._board_us(event.host_ns),
            value=event.value,
            by=by,
            why=event.note,
        )

    def _change_body(self, event: SoundEvent) -> None:
        """The card is lost, or back: what stands in makes the trials to come."""
        assert self._card is not None
        if event.kind not in (*_LOSSES, Kind.DEVICE_BACK):
            return
        self.sum.by = self._card.body.value if event.kind == Kind.NO_DEVICE else self.sum.by
        pin = self._tones_to_pin or self._card.body == Body.TONE_PIN
        self.outdated = self.outdated or pin != self._book.pin
        self._book.pin = pin
        if self._card.body == Body.STOP:
            self.stop = f"no sound: {event.note}"

    def _settled(self, outcome: Outcome) -> None:
        match outcome:
            case Onset():
                order = self._told.pop(outcome.token, None)
                if order:
                    self._note_onset(outcome, order)
            case SyncMissed():
                self._fault("its sync edge did not come", self._name(int(outcome.sound)), outcome.dac_host_ns)
            case SyncStray():
                self._fault("a sync edge that belongs to no sound", "", outcome.host_ns)

    def _fault(self, what: str, sound: str, host_ns: int) -> None:
        self.note("sound_fault", what=what, sound=sound, trial=self._trial, board_us=self._board_us(host_ns))

    def _note_onset(self, onset: Onset, order: _Order) -> None:
        board_us = onset.board_us if onset.board_us is not None else self._board_us(onset.host_ns)
        self._note_sound(
            "onset",
            onset.token,
            order,
            onset.host_ns,
            onset.error_ns,
            method=onset.method.value,
            board_us=board_us,
            late_us=board_us - order.due_us,
            scheduled=not order.prompt,
        )

    def _note_sound(self, what: str, token: int, order: _Order, host_ns: int, error_ns: int, **more: Any) -> None:
        """One thing that became of a sound. The error includes that of the clocks, where they came into it."""
        board_us = more.pop("board_us", self._board_us(host_ns))
        # An edge has the board's own stamp, good to its microsecond.
        error_ns = 1000 if more.get("method") == Method.SYNC else error_ns + self._doubt_ns(board_us)
        self.note(
            "sound",
            what=what,
            token=token,
            number=order.number,
            sound=self._name(order.number),
            trial=order.trial,
            due_us=order.due_us,
            board_us=board_us,
            error_us=round(error_ns / 1000, 1),
            **more,
        )

    def _name(self, number: int) -> str:
        return str(self._book.sounds[number]) if number < len(self._book.sounds) else str(number)

    def _board_us(self, host_ns: int) -> int:
        return round(self._clock.board_us(host_ns)) if self._clock.samples else 0

    def _doubt_ns(self, board_us: float) -> int:
        return round(1000 * self._clock.error_us(board_us)) if self._clock.samples else 0
