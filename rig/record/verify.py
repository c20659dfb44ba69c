"""Is a record whole, and does re-executing it give the same decisions? Says at which place it does not.

The trial machine gets what the board got – commands at the times they were applied, lever positions, input changes –
and must tell the same events, field for field. Lever positions come from the samples and from the decisions' own
counts: between two of them nothing can have crossed a threshold, for that would have been told.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from rig import events, wire
from rig.bodies.machine import Machine
from rig.clock import Unwrapper
from rig.errors import BoardError
from rig.events import Kind
from rig.record import seal
from rig.record.journal import Journal, Record
from rig.record.remake import remake

_NUMBER = {name: message.number for name, message in wire.BY_NAME.items()}
_LEVER, _RULE, _INPUT, _ZEROED = (_NUMBER[name] for name in ("lever", "rule", "input", "zeroed"))
_APPLIED, _FAULT, _LOST, _THINNED = (_NUMBER[name] for name in ("applied", "fault", "lost", "thinned"))
_NOT_DECIDED = {_LOST, _THINNED, _NUMBER["input_error"]}
# How late a step came is the board's own affair: it cannot be re-executed.
_LATE_BYTES = {_NUMBER["state"]: slice(11, 13), _NUMBER["output"]: slice(11, 13)}
_PEAK_BYTES = slice(19, 21)  # of a rule event: the largest change between two samples
# How long an event is, by its first byte, where every one of its kind is as long.
_SIZES = {
    bytes((message.number,)): wire.EVENT_HEADER.size + message.body.size
    for message in wire.MESSAGES
    if message.kind is wire.Kind.EVENT and not message.tail
}
SLICE_US = 100_000  # the queue holds the samples of so long
QUIET_US = 200_000


@dataclass
class Report:
    """What was found. ``faults`` empty: the record is whole and every decision re-executes."""

    events: int = 0
    decisions: int = 0
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    manifest: dict[str, Any] | None = None
    seal: str = ""  # what to write down elsewhere (rig.seal.mark)

    @property
    def good(self) -> bool:
        """Nothing is wrong."""
        return not self.faults


class _Told(NamedTuple):
    number: int
    board_us: int
    payload: bytes
    offset: int


def verify_journal(journal: Journal) -> Report:
    """Check a record with its bytes: that it is what was sealed as it was written, then all that `verify` does."""
    entries = list(journal)
    blocks = list(seal.blocks(journal, entries))
    report = verify(entries, [*map(str, journal.damage)])
    report.faults += seal.broken(blocks)
    report.seal = seal.mark(journal)
    if report.manifest is None:
        return report
    if not report.manifest.get("sealed"):
        report.remarks.append("this record has no seals: it was made by an older version")
    elif journal[-1].kind == Kind.SUMMARY and not (blocks and blocks[-1].end == journal.end):
        report.faults.append("the seal before the summary is missing: something was taken out of the record")
    return report


def verify(entries: Sequence[Record], damage: Sequence[str] = ()) -> Report:
    """Check records.

    Args:
        entries: every readable record, in order.
        damage: what the journal's reader found wrong, as sentences.
    """
    report = Report(faults=list(damage))
    manifest = next((events.read_json(e.payload) for e in entries if e.kind == Kind.MANIFEST), None)
    if manifest is None:
        report.faults.append("the manifest is missing: this is not a session's journal, or its first record is lost")
        return report
    report.manifest = manifest
    _check_manifest(manifest, report)
    told = _told(entries, report)
    report.events = len(told)
    if not any(e.kind == Kind.SUMMARY for e in entries):
        report.remarks.append("the session was interrupted: it has no summary")
    if told and not report.faults:
        _re_execute(entries, told, report)
        report.faults += remake(entries, manifest)
    return report


def _check_manifest(manifest: dict[str, Any], report: Report) -> None:
    protocol = manifest.get("protocol", {})
    digest = hashlib.sha256(str(protocol.get("source", "")).encode()).hexdigest()[:16]
    if digest != protocol.get("digest"):
        report.faults.append(
            f"manifest: the protocol's text ({digest}) is not the one the session began with ({protocol.get('digest')})"
        )


def _told(entries: Sequence[Record], report: Report) -> list[_Told]:
    """Events in order, their numbers checked: each once, none missing but those a `lost` event names."""
    unwrap, told, header = Unwrapper(), list[_Told](), wire.EVENT_HEADER.unpack_from
    expected: int | None = None
    for entry in entries:
        if entry.kind != Kind.EVENT:
            continue
        payload = entry.payload
        if len(payload) != _SIZES.get(payload[:1]):  # it has samples, or is none
            try:
                wire.decode(payload)
            except BoardError as error:
                report.faults.append(f"byte {entry.offset}: {error}")
                continue
        message, number, stamp_us = header(payload)
        if message == _LOST:
            first, last = wire.BY_NAME["lost"].body.unpack_from(payload, wire.EVENT_HEADER.size)
            report.remarks.append(f"events {first}..{last} were lost on the board (event {number} says so)")
            expected = number if expected == first and number == last + 1 else expected
        if expected is not None and number != expected:
            report.faults.append(f"byte {entry.offset}: event {number} follows, event {expected} was due")
        expected = number + 1
        told.append(_Told(number, unwrap.unwrap(stamp_us), payload, entry.offset))
    return told


# --- re-execution -----------------------------------------------------------------------------------------------------


class _Inputs:
    """What the board's pins saw, as far as it matters: gathered from the events."""

    def __init__(self) -> None:
        self.lever: list[tuple[int, int]] = []  # (time, position since power-on)
        self.levels: list[tuple[int, int]] = []
        self._zero = 0
        self._invert = 0
        self._rules: dict[int, dict[str, int]] = {}

    def command(self, payload: bytes) -> None:
        """A command that is about to be applied: some change how what follows is read."""
        found = wire.decode(payload)
        if found.name == "set_inputs":
            self._invert = int(found.fields["invert"])  # type: ignore[arg-type]

    def table_rules(self, rules: dict[int, dict[str, int]]) -> None:
        """The lever rules of the trial that begins."""
        self._rules = rules

    def event(self, told: _Told) -> None:
        """Learn from an event where the lever was, or how the inputs were."""
        message = told.payload[0]
        if message == _LEVER:
            self._samples(told)
        elif message == _RULE:
            rule, decision, counts = wire.BY_NAME["rule"].body.unpack_from(told.payload, 9)[:3]
            if decision == wire.Decision.LEFT_REST and rule in self._rules:
                self._at(told.board_us, self._rest_of(self._rules[rule]))
            self._at(told.board_us, counts)
        elif message == _ZEROED:
            (counts,) = wire.BY_NAME["zeroed"].body.unpack_from(told.payload, 9)
            self._at(told.board_us, counts)
            self._zero += counts
        elif message == _INPUT:
            (levels, _) = wire.BY_NAME["input"].body.unpack_from(told.payload, 9)
            self.levels.append((told.board_us, levels ^ self._invert))

    @staticmethod
    def _rest_of(rule: dict[str, int]) -> int:
        """Where a lever is at rest again: it was there before it left, however briefly."""
        slack = rule["hysteresis_counts"]
        down = rule["hi_counts"] < rule["lo_counts"]
        return rule["lo_counts"] + slack if down else rule["lo_counts"] - slack

    def _at(self, board_us: int, counts: int) -> None:
        self.lever.append((board_us, counts + self._zero))

    def _samples(self, told: _Told) -> None:
        fields = wire.decode(told.payload).fields
        period_us, first, offsets = fields["period_us"], fields["first_counts"], fields["offsets"]
        assert isinstance(period_us, int)
        assert isinstance(first, int)
        assert isinstance(offsets, tuple)
        begin_us = told.board_us - period_us * (len(offsets) - 1)
        for i, offset in enumerate(offsets):
            self._at(begin_us + i * period_us, first + offset)

    def edges(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Times and steps; a jump beyond ±127 is split."""
        order = sorted(range(len(self.lever)), key=lambda i: self.lever[i][0])
        times, steps, at = [], [], 0
        for i in order:
            board_us, counts = self.lever[i]
            while counts != at:
                step = max(-127, min(127, counts - at))
                times.append(board_us)
                steps.append(step)
                at += step
        return np.array(times, np.int64), np.array(steps, np.int64)


def _gather(entries: Sequence[Record], told: Sequence[_Told]) -> tuple[_Inputs, list[tuple[int, bytes]], list[int]]:
    """Pin inputs, commands with the time they were applied, and times of dead-man faults."""
    sent = deque(e.payload for e in entries if e.kind == Kind.COMMAND)
    inputs, applied, deadman_us = _Inputs(), list[tuple[int, bytes]](), list[int]()
    filling: dict[int, dict[str, int]] = {}
    # An input change that a set_inputs caused is told before that command's own `applied`.
    early = [i for i, one in enumerate(told) if one.payload[0] == _APPLIED]
    next_applied = 0
    for i, one in enumerate(told):
        while next_applied < len(early) and early[next_applied] < i:
            next_applied += 1
        message = one.payload[0]
        if message == _INPUT and next_applied < len(early) and sent and sent[0][0] == _NUMBER["set_inputs"]:
            inputs.command(sent[0])
        if message == _APPLIED and sent:
            payload = sent.popleft()
            applied.append((one.board_us, payload))
            inputs.command(payload)
            found = wire.decode(payload)
            if found.name == "table_begin":
                filling = {}
            elif found.name == "table_rule":
                filling[int(found.fields["index"])] = {k: int(v) for k, v in found.fields.items() if isinstance(v, int)}  # type: ignore[arg-type]
        if message == _NUMBER["trial_begin"]:
            inputs.table_rules(dict(filling))
        if message == _FAULT and one.payload[9] == wire.Fault.DEADMAN:
            deadman_us.append(one.board_us)
        inputs.event(one)
    return inputs, applied, deadman_us


def _re_execute(entries: Sequence[Record], told: Sequence[_Told], report: Report) -> None:
    if told[0].payload[0] != _NUMBER["boot"]:
        report.remarks.append("the record begins after the board did: its decisions cannot be re-executed")
        return
    if any(one.payload[0] == _LOST for one in told):
        report.remarks.append("events were lost: decisions cannot be re-executed")
        return
    inputs, applied, deadman_us = _gather(entries, told)
    boot, reason = wire.BY_NAME["boot"].body.unpack_from(told[0].payload, 9)
    machine = Machine(told[0].board_us, boot, reason)
    machine.plan_lever(*inputs.edges())
    times, levels = zip(*inputs.levels, strict=True) if inputs.levels else ((), ())
    machine.plan_inputs(np.array(times, np.int64), np.array(levels, np.int64))
    again = machine.run(machine.t_us)  # inputs as they were at boot: commands may follow at the same microsecond
    silence = _Silence(applied, deadman_us)
    for board_us, payload in [*applied, (told[-1].board_us, b"")]:
        _run_to(machine, board_us, silence, again)
        if payload:
            machine.keep_alive()
            machine.payload(payload)
            again += machine.take()
    _compare(told, again, report)


class _Silence:
    """When the host was heard: always, but for the dead-man time before a dead-man fault."""

    def __init__(self, applied: Sequence[tuple[int, bytes]], faults_us: Sequence[int]) -> None:
        number = _NUMBER["set_safety"]
        found = [wire.decode(p).fields["deadman_us"] for _, p in applied if p[0] == number]
        self.deadman_us = int(found[-1]) if found else 5_000_000  # type: ignore[arg-type]
        self._faults_us = list(faults_us)

    def next_stop(self, now_us: int, until_us: int) -> tuple[int, bool]:
        """``(run until, heard there)``."""
        step_us = min(SLICE_US, max(1, self.deadman_us // 2))
        stop_us = min(until_us, now_us + step_us)
        for fault_us in self._faults_us:
            last_us = fault_us - self.deadman_us
            if last_us < now_us <= fault_us or last_us < stop_us <= fault_us:
                return (last_us, True) if now_us < last_us else (min(until_us, now_us + step_us), False)
        return stop_us, True


def _run_to(machine: Machine, until_us: int, silence: _Silence, again: list[bytes]) -> None:
    while machine.t_us < until_us:
        stop_us, heard = silence.next_stop(machine.t_us, until_us)
        again += machine.run(stop_us)
        if heard:
            machine.keep_alive()


def _canonical(payload: bytes, *, sampled: bool) -> bytes:
    """A payload without its number and what is the board's own affair, or hangs on samples that are not there."""
    late = _LATE_BYTES.get(payload[0])
    body = bytearray(payload)
    body[1:5] = b"\0\0\0\0"
    if late:
        body[late] = b"\0\0"
    if not sampled and payload[0] == _RULE:
        body[_PEAK_BYTES] = b"\0\0"
    return bytes(body)


def _compare(told: Sequence[_Told], again: Sequence[bytes], report: Report) -> None:
    thinned = any(one.payload[0] == _THINNED for one in told)
    skip = _NOT_DECIDED | ({_LEVER} if thinned else set())
    # The board sends samples some at a time: of the last, where a record ends, it may have told nothing.
    sampled_us = max((one.board_us for one in told if one.payload[0] == _LEVER and not thinned), default=-1)
    left = [one for one in told if one.payload[0] not in skip]
    right = [payload for payload in again if payload[0] not in skip]
    report.decisions = len(left)
    for one, payload in zip(left, right, strict=False):
        if one.payload == payload:
            continue
        sampled = one.board_us <= sampled_us
        if _canonical(one.payload, sampled=sampled) != _canonical(payload, sampled=sampled):
            report.faults.append(
                f"event {one.number} at byte {one.offset}: the record says {_words(one.payload)},"
                f" re-execution gives {_words(payload)}"
            )
            return
    if len(left) > len(right):
        one = left[len(right)]
        report.faults.append(
            f"event {one.number} at byte {one.offset}: {_words(one.payload)} is not given by re-execution"
        )


def _words(payload: bytes) -> str:
    found = wire.decode(payload)
    fields = " ".join(f"{key}={value}" for key, value in found.fields.items())
    return f"{found.name} at {found.board_us} us ({fields})"
