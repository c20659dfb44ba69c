"""Both numberings: whatever arrives, in whatever order, however often, is handed up once and in order."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig import wire
from rig.numbering import COMMANDS_IN_FLIGHT, LEAST_NS, MOST_NS, Inbox, Outbox, Patience

MS = 1_000_000


def told(n: int) -> bytes:
    """An event of number n."""
    return wire.encode_event("input", n, 1000 * n, {"levels": n & 0xFF, "changed": 1})


def lost(first: int, last: int) -> bytes:
    """The event that stands for numbers first to last, and bears the next one."""
    return wire.encode_event("lost", last + 1, 0, {"from_event": first, "to_event": last})


def boot(count: int) -> bytes:
    return wire.encode_event("boot", 0, 0, {"boot": count, "reason": 0})


def taken_in(inbox: Inbox, payloads: list[bytes]) -> list[bytes]:
    events: list[bytes] = []
    for payload in payloads:
        inbox.take(payload, events)
    return events


@given(st.integers(0, 1 << 31), st.randoms(use_true_random=False), st.booleans())
def test_any_order_and_any_repeats_come_up_once_in_order(first: int, rng: random.Random, with_loss: bool) -> None:
    sent = [told(first + i) for i in range(12)]
    if with_loss:  # numbers 4..7 found no room; event 8 says so
        sent[4:9] = [lost(first + 4, first + 7)]
    arriving = [*sent, *rng.choices(sent, k=20)]
    rng.shuffle(arriving)
    inbox = Inbox(1, first)
    assert taken_in(inbox, arriving) == sent
    assert inbox.next_event == first + 12
    assert not inbox.gap
    assert taken_in(inbox, arriving) == []
    assert inbox.duplicates >= len(arriving)


def test_a_gap_shows_until_it_is_filled() -> None:
    inbox = Inbox(1, 0)
    assert taken_in(inbox, [told(1), told(2)]) == []
    assert inbox.gap
    assert taken_in(inbox, [told(0)]) == [told(0), told(1), told(2)]
    assert not inbox.gap


def test_a_gap_of_any_length_needs_no_memory_without_end() -> None:
    inbox = Inbox(1, 0)
    assert taken_in(inbox, [told(n) for n in range(1, 5000)]) == []
    assert len(inbox._ahead) <= 1024
    assert len(taken_in(inbox, [told(n) for n in range(5000)])) == 5000


def test_another_life_is_noticed_and_nothing_of_it_taken() -> None:
    inbox = Inbox(7, 0)
    assert taken_in(inbox, [boot(7)]) == [boot(7)]
    assert not inbox.stranger
    assert taken_in(inbox, [boot(8)]) == []
    assert inbox.stranger


def test_a_loss_that_contradicts_itself_is_no_event() -> None:
    inbox = Inbox(1, 0)
    wrong = wire.encode_event("lost", 9, 0, {"from_event": 0, "to_event": 3})
    assert taken_in(inbox, [wrong]) == []
    assert inbox.next_event == 0


# --- commands ---------------------------------------------------------------------------------------------------------


def sent(outbox: Outbox, now_ns: int) -> list[int]:
    return [payload[1] for payload in outbox.due(now_ns)]


def test_a_window_of_commands_is_in_flight() -> None:
    outbox = Outbox(250)
    for _ in range(20):
        outbox.number("lock", {})
    first = sent(outbox, 0)
    assert first == [(250 + i) & 0xFF for i in range(COMMANDS_IN_FLIGHT)]
    assert sent(outbox, 1) == []
    outbox.taken(253, 2)
    assert sent(outbox, 3) == [2, 3, 4]
    assert not outbox.idle


def test_what_is_not_taken_is_sent_again_later_and_later() -> None:
    outbox = Outbox(0)
    outbox.number("lock", {})
    times = [ms for ms in range(4000) if sent(outbox, ms * MS)]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[0] == 100
    assert gaps == sorted(gaps)
    assert gaps[-1] == MOST_NS // MS
    assert outbox.stuck_ns(4000 * MS) == 4000 * MS
    outbox.taken(1, 4001 * MS)
    assert outbox.idle
    assert outbox.stuck_ns(5000 * MS) == 0


@given(st.integers(0, 255), st.integers(0, 255))
def test_an_acknowledgement_of_what_was_never_sent_changes_nothing(start: int, wrong: int) -> None:
    outbox = Outbox(start)
    for _ in range(3):
        outbox.number("lock", {})
    list(outbox.due(0))
    steps = (wrong - start) & 0xFF
    outbox.taken(wrong, 1)
    assert len(outbox._in_flight) == (3 - steps if steps <= 3 else 3)


def test_commands_of_an_earlier_process_go_on_where_the_board_is() -> None:
    before = Outbox(0)
    payloads = [before.number("lock", {}) for _ in range(12)]
    outbox = Outbox(2)  # the record says that two were applied
    outbox.recall(payloads[2:])
    assert outbox.agrees(5)
    assert outbox.agrees(12)
    assert not outbox.agrees(13)
    assert not outbox.agrees(1)
    outbox.taken(5, 0)
    assert list(outbox.due(0)) == payloads[5:12]
    outbox.number("arm", {})
    assert sent(outbox, 1) == [12]


@given(st.lists(st.integers(1000, 10**10), min_size=1), st.integers(0, 20))
def test_patience_stays_within_its_bounds(trips: list[int], vain: int) -> None:
    patience = Patience()
    for trip in trips:
        patience.answered(trip)
    for _ in range(vain):
        patience.vain()
    assert LEAST_NS <= patience.wait_ns <= MOST_NS


@pytest.mark.parametrize("trip_ms", [1, 50, 300])
def test_patience_learns_how_long_an_answer_takes(trip_ms: int) -> None:
    patience = Patience()
    for _ in range(50):
        patience.answered(trip_ms * MS)
    assert patience.wait_ns == pytest.approx(max(20, trip_ms) * MS, rel=0.05)
    patience.vain()
    doubled = patience.wait_ns
    patience.progress()
    assert patience.wait_ns < doubled
