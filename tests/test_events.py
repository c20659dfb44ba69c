"""Events with names instead of numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig import events, wire
from rig.errors import BoardError, RecordError
from rig.events import EventReader, Kind, read_events, roles

NOTE = {
    **{"note": "trial", "trial": 4, "states": ["cue", "pay"], "rules": ["press"], "generators": ["water"]},
    **{"outcomes": [None, "rewarded"], "info": {"catch": False}},
}


def event(name: str, number: int, board_us: int, **fields: int) -> bytes:
    return wire.encode_event(name, number, board_us, fields)


def test_numbers_become_the_names_of_the_trial() -> None:
    records = [
        (Kind.NOTE, 0, events.note(**{k: v for k, v in NOTE.items() if k != "note"}, name="trial")),
        (Kind.EVENT, 5, event("trial_begin", 0, 10, trial=4, gap_us=0)),
        (Kind.EVENT, 5, event("state", 1, 10, state=0, cause=wire.Cause.START, late_us=0)),
        (Kind.EVENT, 6, event("rule", 2, 20, rule=0, decision=3, counts=300, since_us=15, peak_counts=9)),
        (Kind.EVENT, 6, event("state", 3, 20, state=1, cause=wire.ON_RULE + 3, late_us=0)),
        (Kind.EVENT, 6, event("generator", 4, 20, generator=0, mark=0, count=0)),
        (Kind.EVENT, 6, event("output", 5, 20, active=3, late_us=0)),
        (Kind.COMMAND, 6, b"anything"),
    ]
    found = list(read_events(records))
    assert [one.name for one in found] == ["trial_begin", "state", "rule", "state", "generator", "output"]
    assert found[1].fields == {"state": "cue", "cause": "start", "late_us": 0, "outcome": None}
    assert found[2].fields["rule"] == "press"
    assert found[2].fields["decision"] == "press"
    assert found[3].fields == {"state": "pay", "cause": "press press", "late_us": 0, "outcome": "rewarded"}
    assert found[4].fields["generator"] == "water"
    assert found[5].fields["active"] == ("valve", "laser")
    assert found[5].host_ns == 6


def test_stamps_never_wrap() -> None:
    reader = EventReader()
    stamps = [(1 << 32) - 5, 3, 8]
    found = [reader.read(0, event("armed", n, stamp)).board_us for n, stamp in enumerate(stamps)]
    assert found == [(1 << 32) - 5, (1 << 32) + 3, (1 << 32) + 8]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (wire.Cause.TIMER, "timer"),
        (wire.ON_RULE + 4, "1 enter"),
        (wire.ON_INPUT + 4 * wire.INPUTS.index("touch") + 2, "touch high"),
        (wire.ON_HOST + 3, "host event 3"),
        (wire.ON_GENERATOR, "water ended"),
    ],
)
def test_every_cause_has_words(code: int, says: str) -> None:
    names = events.TrialNames(["cue"], ["press"], ["water"], [None], {})
    assert events.cause_name(code, names) == says


@given(st.binary(max_size=70))
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    reader = EventReader()
    try:
        found = reader.read(0, payload)
    except BoardError:
        return
    assert found.name in wire.BY_NAME


def test_masks_have_names() -> None:
    assert roles(0b10010, wire.INPUTS) == ("frame", "interlock")


@pytest.mark.parametrize("payload", [b"{", b"3", b"\xff"])
def test_a_note_that_is_none_is_a_record_error(payload: bytes) -> None:
    with pytest.raises(RecordError, match="run `rig verify`"):
        events.read_json(payload)
