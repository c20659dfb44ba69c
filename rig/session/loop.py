"""The session: pump the link, write the journal, hand the board its next trial while this one runs.

Data flows one way: board → link → events → journal → (acknowledge) → stream and view; the protocol makes a trial, the
table compiles it, the board gets it. Nothing here waits for a listener, a plot or a person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import msgspec

from rig import events, wire
from rig.board import Board
from rig.errors import BoardError, LinkError, RecordError
from rig.events import Kind
from rig.record.journal import Record
from rig.session.recall import live_through
from rig.session.recovery import Recovery
from rig.session.summary import Rules, Summary
from rig.session.trials import Trials
from rig.session.watcher import Watcher
from rig.subject.water import WaterCount

POLL_NS = 100_000_000
ACK_EVENTS = 32  # acknowledge at once after so many, else with the next ping
FINISH_NS = 3_000_000_000
CLOCK_NOTE_NS = 1_000_000_000
_HEADER = wire.EVENT_HEADER
_EVENT, _ARM = int(Kind.EVENT), wire.BY_NAME["arm"].number


class Recorder(Protocol):
    """What the session asks of a journal."""

    def append(self, kind: int, host_ns: int, payload: bytes) -> None:
        """Keep a record."""

    def append_batch(self, kind: int, host_ns: int, payloads: Sequence[bytes]) -> None:
        """Keep records of one kind that came at one time."""

    def commit(self) -> None:
        """Everything kept so far survives the end of this process once this returns."""


class Publisher(Protocol):
    """What the session asks of a stream. It must never block."""

    def coming(self) -> None:
        """Something came, and will be in the journal in a moment."""

    def committed(self, host_ns: int) -> None:
        """The journal has new records; ``host_ns`` is the link's clock now."""


class Session:
    """One session on a connected board. :meth:`run` is the whole of it.

    Args:
        trials: makes them.
        setup: commands that configure the board, ceilings first (see :func:`rig.session.setup.board_setup`).
        watchers: go along with it, each with its own part: light, sound, frames.
        look: called now and then with the session, for a live view; it must return at once.
    """

    def __init__(
        self,
        board: Board,
        journal: Recorder,
        trials: Trials,
        *,
        setup: list[tuple[str, dict[str, int]]],
        rules: Rules,
        watchers: Sequence[Watcher] = (),
        publisher: Publisher | None = None,
        look: Callable[[Session], None] | None = None,
    ) -> None:
        self.board, self.journal, self.publisher, self.look = board, journal, publisher, look
        self.trials, self.rules = trials, rules
        self.warnings: list[str] = []
        self.summary = Summary()
        self.watchers: list[Watcher] = [WaterCount(self.summary, trials.bench), *watchers]
        self.board_us = 0
        self.last_lever: bytes | None = None
        self.finished = False
        self._setup = setup
        self._asked_to_stop = ""
        self._interrupted = ""
        self._began_us: int | None = None
        self._acknowledged = 0
        self._clock_due_ns = 0
        self._refused = ""
        self._unkept: RecordError | None = None
        self.recovery = Recovery(self)
        self.resumed = self._recalling = False
        self.recalled: list[bytes] = []
        handlers: dict[str, Callable[[int, tuple[int, ...]], None]] = {
            "trial_begin": self._on_trial_begin,
            "state": self._on_state,
            "trial_end": self._on_trial_end,
            "fault": self._on_fault,
            "lost": self._on_lost,
            "applied": self._on_applied,
        }
        heard = set(handlers).union(*(one.hears for one in self.watchers))
        self._hearers = {
            wire.BY_NAME[name].number: (name, wire.BY_NAME[name].body.unpack_from, self._of(name), handlers.get(name))
            for name in heard
        }
        self._lever = wire.BY_NAME["lever"].number

    # --- the whole of it ---------------------------------------------------------------------------------------------

    def run(self) -> Summary:
        """Run to the end and return the summary. The board is safe and the journal complete when this returns."""
        try:
            self._passed(0, self.board.link.now_ns())  # what a watcher has to say of all that follows comes first
            for name, values in self._setup:
                self.order(name, values)
            self._stage()
            while not self.finished:
                self._pump()
                self._check_rules()
                if self.look:
                    self.look(self)
        finally:
            self._close()
        return self.summary

    def recall(self, entries: Sequence[Record]) -> None:
        """Live through what a record holds, without a word to the board; :meth:`run` then goes on from there."""
        self.resumed = self._recalling = True
        missing = live_through(self, entries)
        self._recalling = False
        for payload in missing:
            self.journal.append(Kind.NOTE, self.board.link.now_ns(), payload)

    def end(self, reason: str) -> None:
        """It is over; what is still on the way is collected."""
        self._asked_to_stop = self._asked_to_stop or reason
        self.finished = True

    def stop(self, reason: str, *, at_once: bool = True) -> None:
        """End the session: this trial now, or after it."""
        if self._asked_to_stop:
            return
        self._asked_to_stop = reason
        if self.trials.running is None and self.trials.staged is None:
            self.finished = True
            return
        self.order("stop", {"at_end": 0 if at_once else 1})

    def interrupt(self, reason: str) -> None:
        """Ask for the end from a signal handler; the pump does the rest."""
        self._interrupted = reason

    def note(self, name: str, **fields: Any) -> None:
        """Keep something only the host knows."""
        self.journal.append(Kind.NOTE, self.board.link.now_ns(), events.note(name, **fields))

    # --- pump --------------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        self._commit()  # a command is in the record before the board can have it
        try:
            self._take(self.board.poll(POLL_NS))
            self.recovery.settle()
        except LinkError as error:
            self.recovery.come_back(error)
        if self._refused:
            raise BoardError(f"{self._refused}; the session was ended safely")

    def _take(self, payloads: list[bytes]) -> None:
        """Events go into the journal, then to whom they concern; once they are on the disk they are acknowledged."""
        host_ns = self.board.link.now_ns()
        if not payloads:
            self._publish(host_ns)
            return
        if self.publisher:
            self.publisher.coming()
        self.journal.append_batch(_EVENT, host_ns, payloads)
        for payload in payloads:
            self.hear(payload)
        # The newest event, whatever it is, says how late it is.
        self._passed(self.board.unwrap_us(wire.EVENT_HEADER.unpack_from(payloads[-1])[2]), host_ns)
        if host_ns >= self._clock_due_ns:
            self._note_clock(host_ns)
        self._publish(host_ns)
        many = self.board.next_event - self._acknowledged >= ACK_EVENTS
        if many:
            self._acknowledged = self.board.next_event
        self.board.acknowledge(at_once=many)

    def _commit(self) -> None:
        """A disk that is full ends the session: what cannot be recorded is neither acknowledged nor said."""
        try:
            self.journal.commit()
            self._unkept = None
        except RecordError as error:
            self._unkept = error
            self._asked_to_stop = self._asked_to_stop or str(error)
            raise

    def _publish(self, host_ns: int) -> None:
        self._commit()
        if self.publisher:
            self.publisher.committed(host_ns)

    def _note_clock(self, host_ns: int) -> None:
        """How board time reads on the host's clock: with it the record alone can place any event there."""
        clock = self.board.clock
        if not clock.samples or host_ns - self.board.sampled_ns > CLOCK_NOTE_NS:
            return  # a host that stood still has first to learn how late it is
        self._clock_due_ns = host_ns + CLOCK_NOTE_NS
        board_us = int(clock.board_us(host_ns))
        self.note(
            "clock",
            board_us=board_us,
            host_ns=clock.host_ns(board_us),
            ns_per_us=1000 / (1 + clock.drift_ppm / 1e6),
            error_us=round(clock.error_us(board_us), 3),
            drift_error_ppm=round(clock.drift_error_ppm, 3),
        )

    def hear(self, payload: bytes) -> None:
        """One event, to whom it concerns."""
        number = payload[0]
        self.summary.events += 1
        if number == self._lever:
            self.last_lever = payload
        if number in self._hearers:
            self._handle(number, payload)

    def _of(self, name: str) -> list[Watcher]:
        """The watchers that hear events of this name."""
        return [one for one in self.watchers if name in one.hears]

    def _handle(self, number: int, payload: bytes) -> None:
        self.board_us = self.board.unwrap_us(_HEADER.unpack_from(payload)[2])
        name, unpack_from, watchers, handler = self._hearers[number]
        body = unpack_from(payload, _HEADER.size)
        staged = self.trials.sent(body[0]) if name == "trial_begin" else self.trials.running
        for watcher in watchers:
            if self._recalling and watcher.acts:
                continue
            watcher.event(name, self.board_us, body, staged)
            self._heed(watcher)
        if handler:
            handler(self.board_us, body)

    def _passed(self, board_us: int, host_ns: int) -> None:
        for watcher in self.watchers:
            if self._recalling and watcher.acts:
                continue
            watcher.passed(board_us, host_ns)
            self._heed(watcher)

    def _heed(self, watcher: Watcher) -> None:
        """Keep what it notes, and do what it asks."""
        if watcher.has_notes:
            self._keep(watcher)
        if watcher.outdated:
            watcher.outdated = False
            self._stage_again()
        if watcher.stop and not self._recalling:
            self.stop(watcher.stop)

    def _keep(self, watcher: Watcher) -> None:
        for fields in watcher.notes():
            if self._recalling:
                self.recalled.append(events.note(**fields))
            else:
                self.note(**fields)

    # --- of an earlier process ---------------------------------------------------------------------------------------

    def passed(self, host_ns: int) -> None:
        """It was so late when the events so far had come."""
        self._passed(self.board_us, host_ns)

    def was_noted(self, said: dict[str, Any]) -> None:
        """A note that was kept: of a trial, which is made again, or another."""
        for watcher in self.watchers:
            watcher.recall(said)
        if said["note"] == "resumed":
            self.wake()
        elif said["note"] == "trial":
            self.trials.make_again(said["trial"], said["past"], said["last"])

    def was_ordered(self, payload: bytes) -> None:
        """A command that was sent."""
        self.board.was_sent(payload)
        if payload[0] == _ARM and self.recovery.was_ordered(payload):
            self.drop_staged()

    def wake(self) -> None:
        """Another process goes on here."""
        self.finished, self._asked_to_stop, self._refused = False, "", ""
        self.recovery.resumed()

    # --- commands ----------------------------------------------------------------------------------------------------

    def order(self, name: str, values: dict[str, int] | None = None) -> bytes:
        """Record and send a command; returns its payload."""
        payload = self.board.send(name, values)
        self.journal.append(Kind.COMMAND, self.board.link.now_ns(), payload)
        return payload

    # --- trials ------------------------------------------------------------------------------------------------------

    def _stage(self) -> None:
        """Make the next trial and hand it to the board."""
        trials, most = self.trials, self.rules.trials
        if self._asked_to_stop or trials.staged is not None or self._must_wait():
            return
        if most is not None and trials.begun >= most:
            return
        step = trials.next_step()
        for move in step.moves:
            self.note("stage", **asdict(move))
        staged = trials.make(step)
        self.note("trial", **trials.about(step, staged))
        for name, values in staged.table.commands(staged.number):
            self.order(name, values)

    def _stage_again(self) -> None:
        """Replace the trial to come, if there is one. It gets its own number: the old one may just be beginning."""
        if self.trials.staged is not None and not self._recalling:
            self.drop_staged()
            self._stage()

    def drop_staged(self) -> None:
        """The trial to come is none any more, though it may have begun."""
        self.trials.drop_staged()

    def _on_trial_begin(self, board_us: int, body: tuple[int, ...]) -> None:
        number, gap_us = body
        self.trials.begin(number)
        self.summary.gap_us_max = max(self.summary.gap_us_max, gap_us)
        if self._began_us is None:
            self._began_us = board_us
        running = self.trials.running
        if running and not any(running.table.outcomes):
            self._stage()

    def _on_state(self, board_us: int, body: tuple[int, ...]) -> None:
        if self.trials.enter(body[0]):
            self._stage()

    def _on_trial_end(self, board_us: int, body: tuple[int, ...]) -> None:
        _, reason = body
        if self.trials.running is None:
            return
        self._trial_over(done=reason == wire.EndReason.DONE)
        if self._asked_to_stop:
            self.finished = True
        elif reason == wire.EndReason.DONE:
            self._next()

    def _next(self) -> None:
        """Nothing runs: the next trial, if there is to be one."""
        self._stage()
        if self.trials.staged is None and self.trials.running is None and not self._must_wait():
            self.end("trials")

    def _must_wait(self) -> bool:
        """No trial can be given: the board is not armed again yet, or this is the past."""
        return self.recovery.under_way or self._recalling

    def _trial_over(self, *, done: bool) -> None:
        """A trial cut short counts where it had been decided; it is past in any case."""
        if self.trials.end(done=done, again=self.recovery.under_way):
            self.summary.count(self.trials.outcome)

    # --- everything else ---------------------------------------------------------------------------------------------

    def _on_fault(self, board_us: int, body: tuple[int, ...]) -> None:
        fault = wire.Fault(body[0]).name.lower() if body[0] in wire.Fault._value2member_map_ else str(body[0])
        if body[0] == wire.Fault.DEADMAN:
            self.recovery.upset("the board did not hear of the host for the dead-man time")
        else:
            self.end(f"fault: {fault}")

    def _on_lost(self, board_us: int, body: tuple[int, ...]) -> None:
        """Whatever runs now, it is not known what: states are nobody's until a trial begins."""
        self.summary.lost_events += body[1] - body[0] + 1
        self.recovery.upset(f"events {body[0]} to {body[1]} found no room on the board", lost=True)
        self._trial_over(done=False)

    def _on_applied(self, board_us: int, body: tuple[int, ...]) -> None:
        sequence, command, status, _ = body
        counts = self.recovery.applied(sequence, command)
        if status == wire.Status.OK or self.finished or not counts:
            if command == _ARM and not self.finished:
                self._next()
            return
        name = wire.BY_NUMBER[command].name if command in wire.BY_NUMBER else str(command)
        self._refused = f"the board refused {name}: {wire.Status(status).name.lower()}"
        self.end(self._refused)

    def _check_rules(self) -> None:
        if self._interrupted and not self._asked_to_stop:
            self.stop(self._interrupted)
        if self._asked_to_stop or self._began_us is None:
            return
        rules = self.rules
        if rules.minutes is not None and self.board_us - self._began_us >= rules.minutes * 60e6:
            self.stop("minutes", at_once=False)
        elif rules.water_ul is not None and self.summary.water_ul >= rules.water_ul:
            self.stop("water", at_once=False)

    def give_up(self) -> bool:
        """Does somebody want it to end?"""
        if self.look:
            self.look(self)
        self._asked_to_stop = self._asked_to_stop or self._interrupted
        return bool(self._asked_to_stop)

    @property
    def minutes(self) -> float:
        """Board time since the first trial began."""
        return 0.0 if self._began_us is None else (self.board_us - self._began_us) / 60e6

    def _close(self) -> None:
        """Collect what is still on the way, then say how it went."""
        self.finished = True
        try:
            if not self._unkept:
                self._collect()
        except (BoardError, RecordError) as error:
            self._asked_to_stop = self._asked_to_stop or str(error)
        if self._unkept:
            self.board.fall_silent()
        self.conclude()

    def conclude(self, reason: str = "error") -> None:
        """Say how it went."""
        board, summary = self.board, self.summary
        for watcher in self.watchers:
            part = watcher.finish()
            if watcher.name:
                setattr(summary, watcher.name, part)
            self._keep(watcher)
        summary.stage = self.trials.course.stage
        summary.ended = self._asked_to_stop or reason
        summary.minutes = round(self.minutes, 3)
        summary.clock_error_us = round(board.clock.error_us(), 1) if board.clock.samples else 0.0
        summary.resends, summary.damaged_frames = board.resends, board.damaged
        self.journal.append(Kind.SUMMARY, board.link.now_ns(), msgspec.json.encode(summary.plain()))
        try:
            self._publish(board.link.now_ns())
        except RecordError as error:
            said = f"{error}; the session was ended safely: make room, then `rig run --resume`"
            raise RecordError(said) from None

    def _collect(self) -> None:
        board, quiet = self.board, 0
        if self.trials.running is not None or self.recovery.unsure:
            self.order("stop", {"at_end": 0})
        deadline_ns = board.link.now_ns() + FINISH_NS
        while quiet < 2 and board.link.now_ns() < deadline_ns:
            before = self.summary.events
            self._pump()
            quiet = quiet + 1 if board.idle and self.trials.running is None and self.summary.events - before < 8 else 0
        board.acknowledge()
