"""The judges: each knows one promise, and nothing of the code that keeps it. What they find, they say in one sentence.

Events: each in the journal once, in order, as the machine told it, or covered by a `lost` event. Time: never back.
Samples: without a gap that is not stated. Acks: none before the journal has it (tap on the wire).
"""

from __future__ import annotations

from collections.abc import Iterator

from rig import wire
from sim.play import CLEAN, Played
from sim.records import NUMBER, Session
from sim.tap import Life

LEVER, LOST, THINNED = NUMBER["lever"], NUMBER["lost"], NUMBER["thinned"]
LEVER_BODY = wire.BY_NAME["lever"].body


def events(session: Session) -> Iterator[str]:
    """From pin to journal every event arrives once, in order, or its loss is stated."""
    life = session.life
    if life is None:
        if session.told:
            yield f"{len(session.told)} events of a life that never was"
        return
    due = 0
    for told in session.told:
        if told.message == LOST:
            first, last = wire.BY_NAME["lost"].body.unpack_from(told.payload, 9)
            if first != due or told.number != last + 1:
                yield f"lost {first}..{last} is event {told.number}, {due} was due"
            yield from _kept_after_all(life, first, last)
        elif told.number != due:
            yield f"event {told.number} follows, {due} was due"
        elif life.events.get(told.number) != told.payload:
            was = life.events.get(told.number)
            yield f"event {told.number} is {told.payload.hex()}, the machine told {was.hex() if was else 'nothing'}"
        due = told.number + 1


def _kept_after_all(life: Life, first: int, last: int) -> Iterator[str]:
    """What is called lost must have been lost."""
    wrong = [n for n in range(first, last + 1) if n not in life.dropped]
    if wrong:
        yield f"lost {first}..{last}: event {wrong[0]} had found room"


def complete(session: Session, played: Played) -> Iterator[str]:
    """A session that ended as it should holds all decisions of its board; one that did not says so."""
    life, summary = session.life, session.summary
    if life is None or not life.events:
        return
    if summary is None:
        yield "there is no summary"
        return
    last = session.told[-1].number if session.told else -1
    missing = [life.events[n] for n in range(last + 1, max(life.events) + 1) if n in life.events]
    wanted = {NUMBER[name] for name in ("trial_begin", "state", "trial_end", "rule", "output", "fault", "generator")}
    decisions = [payload for payload in missing if payload[0] in wanted]
    if summary["ended"] in CLEAN and decisions:
        yield f"ended by {summary['ended']}, but {len(decisions)} decisions after event {last} are missing"


def time(session: Session) -> Iterator[str]:
    """Board time does not run backwards. Samples bear the time of the last of them, so at most one period."""
    newest_us = session.told[0].t_us if session.told else 0
    for told in session.told:
        slack_us = 0
        if told.message in (LEVER, THINNED):
            slack_us = LEVER_BODY.unpack_from(told.payload, 9)[0] if told.message == LEVER else 1_000_000
        if told.t_us < newest_us - slack_us:
            yield f"event {told.number} is {newest_us - told.t_us} us before the one before it"
        newest_us = max(newest_us, told.t_us)


def clock(session: Session, played: Played) -> Iterator[str]:
    """How board time reads on the host's clock is right within the error that is stated with it.

    The link knows both; only where the host's clock has just jumped may the program not know yet.
    """
    for note in session.notes("clock"):
        off_us = played.clock_error_us(note["board_us"], note["host_ns"])
        if off_us is not None and off_us > note["error_us"]:
            yield f"board {note['board_us']} us is {off_us:.0f} us off on the host's clock, not {note['error_us']}"


def samples(session: Session) -> Iterator[str]:
    """The lever's samples follow each other at their period; where some are missing, it is said how many."""
    due_us: int | None = None
    thinned = 0
    for told in session.told:
        if told.message == LOST:
            due_us = None
        elif told.message == THINNED:
            (n,) = wire.BY_NAME["thinned"].body.unpack_from(told.payload, 9)
            thinned += n
        elif told.message == NUMBER["applied"] and told.payload[10] == NUMBER["set_lever"]:
            due_us = None
        elif told.message == LEVER:
            period_us, _ = LEVER_BODY.unpack_from(told.payload, 9)
            n = (len(told.payload) - 9 - LEVER_BODY.size) // 2
            first_us = told.t_us - (n - 1) * period_us
            if due_us is not None and first_us != due_us + thinned * period_us:
                yield f"event {told.number} begins at {first_us} us, due was {due_us} us and {thinned} thinned"
            due_us, thinned = told.t_us + period_us, 0


def damage(session: Session) -> Iterator[str]:
    """A journal is whole once its session is over."""
    if session.skipped:
        yield f"{session.skipped} bytes of the journal are no record"
