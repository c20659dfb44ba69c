"""Safety, inputs and answers: each sentence of docs/trial-machine.md, on the core and the reference."""

from __future__ import annotations

import pytest
from bodies import Command, Heard, Input, Told, brief, command, play
from late import Late
from scenarios import Row, Table, generator, on_input, ready, state

from rig import wire
from rig.wire import ON_HOST, EndReason, Fault, Generator, InputEdge, Status

LONG = Table(1, [state(outputs=1)])


def answers(told: Told) -> list[int]:
    return [row[3] for row in brief(told, "applied")]


def on_times(told: Told) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in brief(told, "output")]


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_ceiling_ends_the_trial_and_everything_is_off_in_the_same_step() -> None:
    told = play([*ready(max_on_us=700), *LONG.commands(10), *LONG.commands(50)], 5000)
    at = [e.name for e in told.events if e.board_us == 710]
    assert at == ["fault", "trial_end", "output"]
    assert brief(told, "fault") == [(710, Fault.CEILING, 0)]
    assert brief(told, "trial_end") == [(710, 1, EndReason.FAULT)]
    assert told.pins[710][0] == 0
    assert len(brief(told, "trial_begin")) == 1  # the committed one is forgotten


def test_a_ceiling_counts_across_states_and_begins_anew_when_off() -> None:
    through = Table(1, [state(outputs=1, after_us=400, after_to=1), state(outputs=1)])
    assert brief(play([*ready(max_on_us=700), *through.commands(10)], 5000), "fault") == [(710, Fault.CEILING, 0)]
    broken = Table(1, [state(outputs=1, after_us=400, after_to=1), state(after_us=1, after_to=0)])
    assert not brief(play([*ready(max_on_us=700), *broken.commands(10)], 5000), "fault")


def test_only_arm_brings_outputs_back_and_a_table_has_to_come_again() -> None:
    words = [*LONG.commands(2000), command(3000, "arm"), *LONG.commands(4000)]
    told = play([*ready(max_on_us=700), *LONG.commands(10), *words], 4100)
    assert on_times(told) == [(10, 1), (710, 0), (4000, 1)]
    assert Status.FAULTED in answers(told)


@pytest.mark.parametrize(("silent_us", "faults"), [(2000, 0), (2001, 1)])
def test_any_frame_puts_the_dead_man_off_but_not_one_that_comes_too_late(silent_us: int, faults: int) -> None:
    quick = [Heard(1999 + 1000 * i) for i in range(3)]
    told = play([*ready(deadman_us=2000), *LONG.commands(0), *quick], 3999 + silent_us)
    assert len(brief(told, "fault")) == faults or silent_us == 2000
    told = play([*ready(deadman_us=2000), *LONG.commands(0), Heard(silent_us)], 3000)
    assert [row[0] for row in brief(told, "fault")] == [2000]


def test_a_frame_that_a_late_step_finds_after_the_dead_man_s_time_is_too_late() -> None:
    late = Late(0)
    for told in [*ready(deadman_us=2000), Heard(1999), Heard(4000), Heard(4001)]:
        late.take(told)
    late.step(4500)
    faults = [(e.board_us, e.fields["fault"]) for e in late.events if e.name == "fault"]
    assert faults == [(3999, Fault.DEADMAN)]


def test_the_dead_man_sleeps_while_the_board_is_not_armed() -> None:
    assert not brief(play(ready(deadman_us=2000)[:4], 50_000), "fault")


@pytest.mark.parametrize("code", [InputEdge.FALL, InputEdge.LOW])
def test_an_interlock_that_opens_is_a_fault_and_moves_no_trial(code: InputEdge) -> None:
    table = Table(1, [state([(on_input(3, code), 1)], outputs=1), state(outputs=1)])
    words = [Input(1, 8), *ready(2, interlock=3), *table.commands(10), Input(100, 0)]
    told = play(words, 5000)
    assert [e.name for e in told.events if e.board_us == 100] == ["input", "fault", "trial_end", "output"]
    assert brief(told, "fault") == [(100, Fault.INTERLOCK, 3)]


def test_an_open_interlock_refuses_arming() -> None:
    told = play([*ready(interlock=3), Input(100, 8), command(200, "arm")], 5000)
    assert answers(told)[4:] == [Status.FAULTED, Status.OK]


def test_between_trials_a_fault_still_takes_the_arming_away() -> None:
    told = play([*ready(deadman_us=2000), *LONG.commands(2000)], 5000)
    assert brief(told, "fault") == [(2000, Fault.DEADMAN, 0)]
    assert answers(told)[-1] == Status.FAULTED


# --- duty -------------------------------------------------------------------------------------------------------------


def blinking(on_us: int, off_us: int) -> Table:
    return Table(1, [state(outputs=1, after_us=on_us, after_to=1), state(after_us=off_us, after_to=0)])


def test_reaching_the_duty_within_the_window_is_a_fault() -> None:
    words = ready(window_us=8000, max_duty_us=1500)
    told = play([*words, *blinking(500, 500).commands(10)], 20_000)
    assert brief(told, "fault") == [(10 + 2500, Fault.DUTY, 0)]


def test_one_part_more_than_the_window_is_counted() -> None:
    words = ready(window_us=8000, max_duty_us=1500)
    told = play([*words, *blinking(1000, 7000).commands(10)], 50_000)
    assert brief(told, "fault") == [(8510, Fault.DUTY, 0)]  # 8.5 ms after the first: not one window, but its nine parts
    assert not brief(play([*words, *blinking(1000, 8000).commands(10)], 50_000), "fault")


def test_eighths_are_rounded_up() -> None:
    words = ready(window_us=8007, max_duty_us=1003)  # nine times 1001 us
    assert brief(play([*words, *blinking(1000, 8004).commands(10)], 20_000), "fault") == [(9017, Fault.DUTY, 0)]


def test_staying_on_reaches_the_duty_too_and_a_tie_is_the_ceiling() -> None:
    for max_on_us, fault in ((1501, Fault.DUTY), (1500, Fault.CEILING)):
        words = ready(max_on_us=max_on_us, window_us=8000, max_duty_us=1500)
        assert brief(play([*words, *LONG.commands(10)], 5000), "fault") == [(1510, fault, 0)]


def test_with_its_duty_spent_an_output_does_not_come_on_at_all() -> None:
    both = Table(2, [state(outputs=0b11)])
    words = [*ready(max_on_us=1500, window_us=8000, max_duty_us=1500), *LONG.commands(10), command(2000, "arm")]
    told = play([*words, *both.commands(2500)], 5000)
    assert brief(told, "fault") == [(1510, Fault.CEILING, 0), (2500, Fault.DUTY, 0)]
    assert on_times(told) == [(10, 1), (1510, 0)]  # the other output of that state never came on either


def test_a_use_of_71_minutes_ago_is_forgotten() -> None:
    turn_us = 1 << 32
    heard = [Heard(t) for t in range(0, turn_us + 10_000, 4_900_000)]
    once = Table(1, [state(outputs=1, after_us=1400)])
    words = [*ready(window_us=8_000_000, max_duty_us=1500), *once.commands(10), *once.commands(turn_us + 2000)]
    told = play([*words, *heard], turn_us + 10_000)
    assert not brief(told, "fault")
    assert len(on_times(told)) == 4


def test_the_cap_holds_where_nothing_was_said() -> None:
    pulse = generator(Generator.PULSE, output=1, width_us=1 << 30)
    words = [command(0, "set_safety", deadman_us=5_000_000, interlock=255), command(0, "lock"), command(0, "arm")]
    heard = [Heard(t) for t in range(0, 31_000_000, 4_000_000)]
    told = play([*words, *Table(1, [state(start=1)], [], [pulse]).commands(10), *heard], 31_000_000)
    assert brief(told, "fault") == [(30_000_010, Fault.CEILING, 1)]


# --- what may be set, and when ----------------------------------------------------------------------------------------


def limit(**wrong: int) -> Command:
    base = {"output": 0, "safe": 0, "max_on_us": 1000, "window_us": 0, "max_duty_us": 0}
    return command(5, "set_output", **base | wrong)


def test_limits_beyond_the_board_s_caps_are_refused() -> None:
    good = [{}, {"max_on_us": 2_000_000}, {"output": 1, "max_on_us": 30_000_000}, {"output": 2, "max_on_us": 1 << 30}]
    good += [{"window_us": 8000, "max_duty_us": 8000}, {"window_us": 1 << 30, "max_duty_us": 1}]
    bad: list[Row] = [{"max_on_us": 0}, {"max_on_us": 2_000_001}, {"output": 1, "max_on_us": 30_000_001}]
    bad += [{"output": 2, "max_on_us": (1 << 30) + 1}, {"window_us": 7999, "max_duty_us": 1}]
    bad += [
        {"window_us": 8000},
        {"window_us": 8000, "max_duty_us": 8001},
        {"window_us": (1 << 30) + 1, "max_duty_us": 1},
    ]
    assert answers(play([limit(**row) for row in good], 10)) == [Status.OK] * len(good)
    assert answers(play([limit(**row) for row in bad], 10)) == [Status.BAD_VALUE] * len(bad)
    assert answers(play([limit(output=8)], 10)) == [Status.BAD_INDEX]


def test_the_dead_man_and_the_interlock_have_bounds() -> None:
    rows = [(1000, 255), (5_000_000, 7), (999, 255), (5_000_001, 255), (1000, 8), (0, 0)]
    told = play([command(5, "set_safety", deadman_us=us, interlock=i) for us, i in rows], 10)
    assert answers(told) == [Status.OK] * 2 + [Status.BAD_VALUE] * 4


def test_after_lock_limits_and_the_interlock_s_wiring_cannot_change() -> None:
    words = [command(6, "set_safety", deadman_us=1000, interlock=255), limit(), command(6, "lock")]
    inputs = [(0xFF, 0), (0xF7, 0), (0xFF, 8), (0xFE, 1)]
    words += [command(7, "set_inputs", enabled=enabled, invert=invert) for enabled, invert in inputs]
    told = play([*ready(interlock=3), *words], 10)
    assert answers(told)[5:] == [Status.LOCKED] * 2 + [Status.OK, Status.OK, Status.LOCKED, Status.LOCKED, Status.OK]


def test_arming_needs_the_lock() -> None:
    assert answers(play([command(5, "arm"), command(6, "lock"), command(7, "arm")], 10)) == [
        Status.NOT_LOCKED, Status.OK, Status.OK]  # fmt: skip


def test_commands_of_a_wrong_length_or_number_are_unknown() -> None:
    wrong = [Command(5, m.number, bytes(m.body.size + 1)) for m in wire.MESSAGES if m.kind is wire.Kind.COMMAND]
    wrong += [Command(5, number, b"") for number in (0, 0x0F, 0x1F, 0x80, 0xFF)]
    assert set(answers(play(wrong, 10))) == {Status.UNKNOWN}


def test_a_host_event_beyond_the_sixteen_is_refused() -> None:
    assert answers(play([command(5, "host_event", code=15), command(5, "host_event", code=16)], 10)) == [
        Status.OK, Status.BAD_INDEX]  # fmt: skip


def test_a_host_event_moves_a_trial_that_listens() -> None:
    table = Table(1, [state([(ON_HOST + 15, 1)]), state()])
    told = play([*ready(), *table.commands(10), command(20, "host_event", code=15)], 100)
    assert brief(told, "state")[1:] == [(20, 1, ON_HOST + 15, 0)]


# --- inputs -----------------------------------------------------------------------------------------------------------


def wired(t_us: int, enabled: int, invert: int = 0) -> Command:
    return command(t_us, "set_inputs", enabled=enabled, invert=invert)


def test_inputs_are_told_as_wired_and_only_when_they_change() -> None:
    told = play([wired(1, 0b0111, 0b0100), Input(10, 0b0100), Input(20, 0b1100), Input(30, 0b1001)], 100)
    assert brief(told, "input") == [(1, 0b100, 0b100), (10, 0, 0b100), (30, 0b101, 0b101)]


def test_wiring_looks_at_the_present_levels_anew() -> None:
    told = play([Input(1, 0b0011), wired(10, 0b0001), wired(20, 0b0011), wired(30, 0b0011, 0b0001), wired(40, 0)], 100)
    assert brief(told, "input") == [(10, 1, 1), (20, 3, 2), (30, 2, 1), (40, 0, 2)]


def test_wiring_may_open_the_interlock_of_an_armed_board_where_it_is_not_locked_out() -> None:
    words = [Input(1, 8), wired(2, 8), command(2, "set_safety", deadman_us=5_000_000, interlock=3)]
    words += [command(3, "lock"), command(4, "arm"), wired(5, 0)]
    told = play(words, 10)
    assert answers(told)[-1] == Status.LOCKED
    assert not brief(told, "fault")
