"""Golden vectors of the trial machine: the reference and the core both tell what stands in the files."""

from __future__ import annotations

import pytest
from reference import Event
from vector_bodies import run_vector_on_host, run_vector_on_reference
from vectors import GOLDEN, Vector, load, parse, text

from rig import wire

VECTORS = list(load())
NAMES = [vector.name for vector in VECTORS]
LATER_US = (100, 437, 800)  # a frame may take effect so much later on a board that is busy


def first_difference(expected: list[Event], found: list[Event]) -> str:
    for i, (a, b) in enumerate(zip(expected, found, strict=False)):
        if a != b:
            return f"event {i}: expected {a}, found {b}"
    return f"{len(expected)} events expected, {len(found)} found" if len(expected) != len(found) else ""


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_the_reference_tells_what_the_file_says(vector: Vector) -> None:
    assert not first_difference(vector.expected, run_vector_on_reference(vector))


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_the_core_tells_what_the_file_says_through_its_link(vector: Vector) -> None:
    assert not first_difference(vector.expected, run_vector_on_host(vector))


def decisions(events: list[Event]) -> list[tuple[object, ...]]:
    """What happened and in which order, times and samples apart, and answers to commands apart."""
    kept: list[tuple[object, ...]] = []
    for event in events:
        if event.name not in ("lever", "applied"):
            loose = {"since_us", "due_us", "peak_counts", "gap_us", "late_us"}
            kept.append((event.name, *(value for key, value in event.fields.items() if key not in loose)))
    return kept


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.loose], ids=[v.name for v in VECTORS if v.loose])
def test_loose_vectors_hold_where_commands_take_effect_later(vector: Vector) -> None:
    for later_us in LATER_US:
        assert decisions(run_vector_on_reference(vector, later_us)) == decisions(vector.expected)


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_a_vector_s_text_comes_back(vector: Vector) -> None:
    written = (GOLDEN / f"{vector.name}.trial").read_text(encoding="utf-8")
    assert text(vector) == written
    assert parse(vector.name, written) == vector


def test_the_vectors_hold_together_what_they_are_for() -> None:
    seen = {(event.name, *_kinds(event)) for vector in VECTORS for event in vector.expected}
    for decision in wire.Decision:
        assert ("rule", decision) in seen, decision
    for fault in wire.Fault:
        assert ("fault", fault) in seen or fault == wire.Fault.NOT_ARMED, fault
    for mark in wire.GeneratorMark:
        assert ("generator", mark) in seen, mark
    for status in wire.Status:
        assert ("applied", status) in seen, status
    assert any(v.start_us < 1 << 32 < v.start_us + v.end_us and v.loose for v in VECTORS)


def _kinds(event: Event) -> tuple[object, ...]:
    key = {"rule": "decision", "fault": "fault", "generator": "mark", "applied": "status"}.get(event.name)
    return (event.fields[key],) if key else ()


def test_a_line_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'hello 1' is no line of a vector"):
        parse("x", "start_us 0\nhello 1\n")
