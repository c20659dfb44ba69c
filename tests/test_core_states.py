"""States, transitions and trials end to end: each sentence of docs/trial-machine.md, on the core and the reference."""

from __future__ import annotations

from bodies import Edge, Happening, Heard, Input, Told, brief, command, play
from scenarios import Row, Table, generator, on_input, on_rule, push, ready, rule, state

from rig.wire import (
    ON_GENERATOR,
    ON_HOST,
    Cause,
    Decision,
    EndReason,
    Fault,
    Generator,
    GeneratorMark,
    InputEdge,
    Rule,
    Status,
)

START, TIMER = Cause.START, Cause.TIMER
HIGH = on_input(0, InputEdge.HIGH)
WINDOW = rule(Rule.WINDOW, -5, 5)


def names(told: Told, after_us: int = 0) -> list[str]:
    """The names of what was told from ``after_us`` on, but answers to commands."""
    return [e.name for e in told.events if e.board_us >= after_us and e.name != "applied"]


def run(states: list[Row], end_us: int = 10_000, *also: Happening, **parts: list[Row]) -> Told:
    """One trial on an armed board, its table committed at 10 us."""
    table = Table(1, states, **parts).commands(10)
    return play([*ready(), *table, *also], end_us)


# --- order ------------------------------------------------------------------------------------------------------------


def test_a_state_is_left_by_its_timer_counted_from_its_nominal_entry() -> None:
    told = run([state(after_us=100, after_to=1), state(after_us=50)])
    assert brief(told, "state") == [(10, 0, START, 0), (110, 1, TIMER, 0)]
    assert brief(told, "trial_end") == [(160, 1, EndReason.DONE)]


def test_an_edge_comes_before_an_input_and_both_before_a_timer_of_the_same_microsecond() -> None:
    window = rule(Rule.WINDOW, -5, 1)
    code, high = on_rule(0, Decision.LEAVE), on_input(1, InputEdge.HIGH)
    first = state([(code, 1), (high, 2)], rules=1, after_us=90, after_to=3)
    rest = [state(after_us=500) for _ in range(3)]
    both = (Edge(100, 1), Input(100, 2))
    assert brief(run([first, *rest], 400, *both, rules=[window]), "state")[1] == (100, 1, code, 0)
    assert brief(run([first, *rest], 400, Input(100, 2), rules=[window]), "state")[1] == (100, 2, high, 0)
    assert brief(run([first, *rest], 400, rules=[window]), "state")[1] == (100, 3, TIMER, 0)


def test_timers_of_one_microsecond_come_by_rule_generator_state_and_sample() -> None:
    held = rule(Rule.WINDOW, -5, 5, time_us=1000)
    pulse = generator(Generator.PULSE, output=3, width_us=1000)
    sampled = command(10, "set_lever", source=0, period_us=1000, batch=1)
    told = run([state(rules=1, start=1, after_us=1000)], 1500, sampled, rules=[held], generators=[pulse])
    assert names(told, 1000) == ["rule", "generator", "output", "trial_end", "lever"]


def test_the_dead_man_comes_before_a_limit_and_a_limit_before_a_rule() -> None:
    table = Table(1, [state(outputs=1, rules=1)], rules=[rule(Rule.WINDOW, -5, 5, time_us=1000)])
    for deadman_us, fault in ((1000, Fault.DEADMAN), (5000, Fault.CEILING)):
        told = play([*ready(10, deadman_us, max_on_us=1000), *table.commands(10)], 2000)
        assert brief(told, "fault") == [(1010, fault, 0)]
        assert names(told, 1000) == ["fault", "trial_end", "output"]


def test_a_command_takes_effect_after_everything_due_by_then() -> None:
    told = run([state([(ON_HOST, 1)], after_us=90, after_to=1), state()], 400, command(100, "host_event", code=0))
    assert brief(told, "state")[1] == (100, 1, TIMER, 0)


# --- entering a state -------------------------------------------------------------------------------------------------


def test_entry_tells_everything_in_the_order_of_the_page() -> None:
    sounds = [generator(Generator.SOUND, sound=7), generator(Generator.SOUND, sound=8, delay_us=30)]
    pulses = [generator(Generator.PULSE, output=1, width_us=5000), generator(Generator.PULSE, output=2)]
    first = state([(ON_HOST, 1)], start=4, after_us=1000, after_to=2)
    entered = state(rules=3, start=8, stop=4, flags=1, after_us=200, after_to=2)
    sounding = state(start=3)
    away = [Edge(20, 1), command(50, "host_event", code=0)]
    told = run([first, entered, sounding], 400, *away, rules=[WINDOW, WINDOW], generators=[*sounds, *pulses])
    at = [e for e in told.events if e.board_us == 50 and e.name != "applied"]
    order = ["sound_off", "sound_off", "state", "zeroed", "generator", "generator", "rule", "rule"]
    assert [e.name for e in at] == [*order, "sound_due", "sound_due", "output"]
    assert at[4].fields["mark"] == GeneratorMark.STOPPED
    assert at[5].fields["mark"] == GeneratorMark.START
    assert [e.fields for e in at[8:10]] == [{"sound": 7, "due_us": 250}, {"sound": 8, "due_us": 280}]
    assert [e.name for e in told.events if e.board_us == 250] == ["state", "generator", "generator"]


def test_a_state_entered_from_itself_is_entered_again() -> None:
    told = run([state(flags=1, after_us=100, after_to=0)], 350, Edge(120, 1))
    assert brief(told, "state") == [(10, 0, START, 0)] + [(t, 0, TIMER, 0) for t in (110, 210, 310)]
    assert brief(told, "zeroed") == [(10, 0), (110, 0), (210, 1), (310, 0)]


def test_a_state_shows_its_outputs_and_those_of_running_generators() -> None:
    pulse = generator(Generator.PULSE, output=2, width_us=100)
    told = run([state(outputs=0b1010, start=1, after_us=300)], 500, generators=[pulse])
    assert [(t, pins[0]) for t, pins in told.pins.items()] == [(10, 0b1110), (110, 0b1010), (310, 0)]


# --- transitions ------------------------------------------------------------------------------------------------------


def test_the_first_transition_asked_for_is_taken_by_rule_index_not_by_the_list() -> None:
    windows = [rule(Rule.WINDOW, -5, 1), rule(Rule.WINDOW, -5, 1)]
    by_list = [(on_rule(1, Decision.LEAVE), 1), (on_rule(0, Decision.LEAVE), 2)]
    told = run([state(by_list, rules=3), state(), state()], 400, Edge(100, 1), rules=windows)
    assert brief(told, "rule")[-2:] == [(100, 0, Decision.LEAVE, 1, 10, 0), (100, 1, Decision.LEAVE, 1, 10, 0)]
    assert brief(told, "state")[1:] == [(100, 2, on_rule(0, Decision.LEAVE), 0)]


def test_what_the_first_thing_does_not_list_is_open_to_the_next() -> None:
    windows = [rule(Rule.WINDOW, -5, 1), rule(Rule.WINDOW, -5, 1)]
    told = run([state([(on_rule(1, Decision.LEAVE), 1)], rules=3), state()], 400, Edge(100, 1), rules=windows)
    assert brief(told, "state")[1:] == [(100, 1, on_rule(1, Decision.LEAVE), 0)]


def test_a_list_is_searched_in_order() -> None:
    told = run([state([(ON_HOST, 1), (ON_HOST, 2)]), state(), state()], 400, command(100, "host_event", code=0))
    assert brief(told, "state")[1:] == [(100, 1, ON_HOST, 0)]


def test_an_empty_slot_hides_nothing_behind_it() -> None:
    gap = state() | {"on2": ON_HOST, "to2": 1, "on4": HIGH, "to4": 1, "to0": 99}
    assert brief(run([gap, state()], 400, command(100, "host_event", code=0)), "state")[1:] == [(100, 1, ON_HOST, 0)]
    assert brief(run([gap, state()], 400, Input(5, 1)), "state")[1:] == [(10, 1, HIGH, 0)]


def test_an_edge_asks_before_its_level_and_inputs_by_index() -> None:
    codes = [(HIGH, 1), (on_input(0, InputEdge.RISE), 2)]
    told = run([state(codes), state(), state()], 400, Input(100, 1))
    assert brief(told, "state")[1:] == [(100, 2, on_input(0, InputEdge.RISE), 0)]
    codes = [(on_input(2, InputEdge.RISE), 1), (on_input(1, InputEdge.FALL), 2)]
    told = run([state(codes), state(), state()], 400, Input(5, 2), Input(100, 4))
    assert brief(told, "state")[1:] == [(100, 2, on_input(1, InputEdge.FALL), 0)]


def test_levels_that_hold_are_found_on_entry_first_listed_first() -> None:
    low = on_input(1, InputEdge.LOW)
    told = run([state([(low, 1), (HIGH, 2)]), state(), state()], 400, Input(5, 1))
    assert brief(told, "state") == [(10, 0, START, 0), (10, 1, low, 0)]


def test_rise_and_fall_are_edges_only() -> None:
    codes = [(on_input(0, InputEdge.RISE), 1), (on_input(1, InputEdge.FALL), 1)]
    told = run([state(codes), state()], 400, Input(5, 1))
    assert brief(told, "state") == [(10, 0, START, 0)]


def test_levels_of_a_window_are_enter_leave_and_held() -> None:
    held = rule(Rule.WINDOW, -5, 5, time_us=100)
    for decision, moves in ((Decision.ENTER, True), (Decision.HELD, True), (Decision.LEAVE, False)):
        states = [state(rules=1, after_us=200, after_to=1), state([(on_rule(0, decision), 2)], rules=1), state()]
        told = run(states, 400, rules=[held])
        assert (len(brief(told, "state")) == 3) == moves, decision
    states = [state(rules=1, after_us=90, after_to=1), state([(on_rule(0, Decision.HELD), 2)], rules=1), state()]
    assert brief(run(states, 400, rules=[held]), "state")[2] == (110, 2, on_rule(0, Decision.HELD), 0)


def test_a_rule_that_is_not_armed_has_no_level() -> None:
    states = [state(rules=1, after_us=200, after_to=1), state([(on_rule(0, Decision.ENTER), 2)]), state()]
    assert len(brief(run(states, 400, rules=[WINDOW]), "state")) == 2


def test_arming_asks_before_the_level_tests() -> None:
    listed = [(HIGH, 1), (on_rule(0, Decision.ENTER), 2)]
    told = run([state(listed, rules=1), state(), state()], 400, Input(5, 1), rules=[WINDOW])
    assert brief(told, "state")[1] == (10, 2, on_rule(0, Decision.ENTER), 0)


def test_more_transitions_in_a_microsecond_than_twice_the_states_are_a_fault() -> None:
    loop = [state([(HIGH, 1)]), state([(HIGH, 0)])]
    told = run(loop, 400, Input(100, 1))
    assert len(brief(told, "state")) == 1 + 64
    assert brief(told, "fault") == [(100, Fault.FIRMWARE, 0)]
    assert brief(told, "trial_end") == [(100, 1, EndReason.FAULT)]


def test_a_loop_with_time_in_it_is_none() -> None:
    loop = [state([(HIGH, 1)]), state(after_us=1, after_to=0)]
    assert not brief(run(loop, 400, Input(100, 1)), "fault")


# --- trials end to end ------------------------------------------------------------------------------------------------


def test_the_end_takes_sounds_back_stops_generators_and_tells_in_this_order() -> None:
    sound = generator(Generator.SOUND, sound=7)
    light = generator(Generator.PULSE, output=2, width_us=5000, ramp_us=3200)
    told = run(
        [state([(ON_HOST, 255)], start=2, after_us=1000, after_to=1), state(start=1)],
        2000,
        command(100, "host_event", code=0),
        generators=[sound, light],
    )
    assert names(told, 100) == ["sound_off", "generator", "trial_end", "output"]
    assert brief(told, "generator")[-1] == (100, 1, GeneratorMark.STOPPED, 1)
    assert told.pins[100] == (0, 0, *[255] * 8)


def test_the_next_trial_begins_on_the_microsecond_this_one_ends() -> None:
    one, two = Table(1, [state(outputs=1, after_us=500)]), Table(2, [state(outputs=1, after_us=500)])
    told = play([*ready(), *one.commands(10), *two.commands(200)], 2000)
    assert brief(told, "trial_begin") == [(10, 1, 0), (510, 2, 0)]
    assert brief(told, "output") == [(10, 1, 0), (1010, 0, 0)]


def test_the_gap_between_trials_is_told() -> None:
    one, two = Table(1, [state(after_us=500)]), Table(2, [state(after_us=500)])
    told = play([*ready(), *one.commands(10), *two.commands(800)], 2000)
    assert brief(told, "trial_begin") == [(10, 1, 0), (800, 2, 290)]


def test_the_same_rule_keeps_its_state_across_trials_and_a_different_one_does_not() -> None:
    press = rule(Rule.PRESS, 0, 3, time_us=10_000)
    for other, decisions in ((press, [Decision.PRESS]), (press | {"time_us": 9999}, [Decision.AWAY])):
        one = Table(1, [state(rules=1, after_us=500)], [press])
        two = Table(2, [state(rules=1, after_us=500)], [other])
        told = play([*ready(), *one.commands(10), *two.commands(20), Edge(400, 1), *push(600, 2)], 1200)
        assert [row[2] for row in brief(told, "rule") if row[0] > 400] == decisions


def test_without_a_next_trial_rules_are_disarmed_and_outputs_off() -> None:
    told = run([state(outputs=1, rules=1, after_us=500)], 2000, *push(600, 9), rules=[WINDOW])
    assert [row[0] for row in brief(told, "rule")] == [10]
    assert told.pins[510][0] == 0


# --- stop and restart -------------------------------------------------------------------------------------------------


def test_stop_ends_the_trial_now_and_forgets_the_next() -> None:
    one = Table(1, [state(after_us=500)])
    told = play([*ready(), *one.commands(10), *one.commands(20), command(100, "stop", at_end=0)], 2000)
    assert brief(told, "trial_end") == [(100, 1, EndReason.STOPPED)]
    assert len(brief(told, "trial_begin")) == 1


def test_stop_at_end_lets_the_trial_end_and_no_other_begin_until_arm() -> None:
    one = Table(1, [state(after_us=500)])
    words = [*one.commands(10), *one.commands(20), command(100, "stop", at_end=1)]
    told = play([*ready(), *words, *one.commands(600), command(700, "arm"), *one.commands(800)], 2000)
    assert brief(told, "trial_end") == [(510, 1, EndReason.DONE), (1300, 1, EndReason.DONE)]
    assert [row[0] for row in brief(told, "trial_begin")] == [10, 800]


def test_restart_ends_the_trial_and_takes_the_arming_away() -> None:
    told = run([state(outputs=1, after_us=500)], 2000, command(100, "restart"), Heard(200))
    assert brief(told, "trial_end") == [(100, 1, EndReason.STOPPED)]
    assert told.pins[100][0] == 0
    assert not brief(told, "fault")


# --- tables -----------------------------------------------------------------------------------------------------------


def answers(told: Told) -> list[int]:
    return [row[3] for row in brief(told, "applied")]


def test_a_table_may_come_in_any_order_and_rows_twice() -> None:
    begin, *rows, commit = Table(1, [state(after_us=7), state()], [WINDOW], [generator(Generator.PULSE)]).commands(10)
    told = play([*ready(), begin, *reversed(rows), *rows, commit], 100)
    assert brief(told, "trial_end") == [(17, 1, EndReason.DONE)]


def test_a_table_lacking_a_state_a_rule_or_a_generator_is_refused() -> None:
    whole = Table(1, [state(after_us=7), state()], [WINDOW], [generator(Generator.PULSE)]).commands(10)
    for missing in range(1, 5):
        told = play([*ready(), *whole[:missing], *whole[missing + 1 :]], 100)
        assert answers(told)[-1] == Status.BAD_TABLE, missing


def test_begin_forgets_what_was_committed() -> None:
    one = Table(1, [state(after_us=500)]).commands(10)
    told = play([*ready(), *one, *Table(2, [state()]).commands(20), *Table(3, [state()]).commands(30)[:1]], 2000)
    assert len(brief(told, "trial_begin")) == 1


def test_rows_without_a_begin_and_beyond_the_table_are_refused() -> None:
    one = Table(1, [state()], [WINDOW], [generator(Generator.PULSE)])
    begin, *rows, commit = one.commands(10)
    assert answers(play([*ready(), *rows, commit], 100))[5:] == [Status.BAD_TABLE] * 4
    beyond = [
        command(10, f"table_{kind}", index=1, **row)
        for kind, row in (("state", state()), ("rule", WINDOW), ("generator", generator(Generator.PULSE)))
    ]
    assert answers(play([*ready(), begin, *beyond], 100))[6:] == [Status.BAD_INDEX] * 3


def test_a_good_table_waits_for_arming_and_a_bad_one_has_to_come_again() -> None:
    commit = command(30, "table_commit")
    told = play([*ready()[:4], *Table(1, [state(after_us=7)]).commands(10), command(20, "arm"), commit], 100)
    assert answers(told)[6:] == [Status.NOT_ARMED, Status.OK, Status.OK]
    told = play([*ready(), *Table(1, [state(after_us=7, after_to=1)]).commands(10), commit], 100)
    assert answers(told)[7:] == [Status.BAD_TABLE, Status.BAD_TABLE]


def test_what_no_table_may_hold() -> None:
    light = generator(Generator.PULSE)
    bad: list[Table] = [
        Table(1, [state() | wrong])
        for wrong in (
            {"after_us": 1, "after_to": 1},
            {"after_us": (1 << 30) + 1},
            {"outputs": 256},
            {"start": 1},
            {"stop": 1},
            {"rules": 1},
            {"on0": 0x0F},
            {"on0": 0x10},
            {"on0": 0x58},
            {"on0": ON_HOST, "to0": 1},
        )
    ]
    bad += [
        Table(1, [state()], [rule(Rule.WINDOW, 0, 9) | wrong])
        for wrong in (
            {"kind": 0},
            {"kind": 3},
            {"lo_counts": 9},
            {"hi_counts": 500_000_001},
            {"lo_counts": -500_000_001},
            {"gate": 8},
            {"time_us": (1 << 30) + 1},
            {"refractory_us": (1 << 30) + 1},
            {"kind": 2, "time_us": 0},
            {"kind": 2, "time_us": 1, "lo_counts": 9},
        )
    ]
    bad += [
        Table(1, [state()], [], [light | wrong])
        for wrong in (
            {"kind": 0},
            {"kind": 6},
            {"output": 8},
            {"width_us": 49},
            {"width_us": (1 << 30) + 1},
            {"delay_us": (1 << 30) + 1},
            {"ramp_us": 3199},
            {"ramp_us": (1 << 30) + 1},
            {"kind": 2, "period_us": 1049},
            {"kind": 2, "period_us": (1 << 30) + 1},
            {"kind": 4, "count": 0},
            {"kind": 4, "count": 33},
        )
    ]
    bad.append(Table(1, []))
    for table in bad:
        assert answers(play([*ready(), *table.commands(10)], 100))[-1] == Status.BAD_TABLE, table


def test_a_generator_s_end_moves_the_trial_and_its_stop_does_not() -> None:
    pulse = generator(Generator.PULSE, output=2, width_us=100)
    codes = [(ON_GENERATOR, 1)]
    told = run([state(codes, start=1), state()], 400, generators=[pulse])
    assert brief(told, "state")[1:] == [(110, 1, ON_GENERATOR, 0)]
    told = run([state(start=1, after_us=50, after_to=1), state(codes, stop=1)], 400, generators=[pulse])
    assert brief(told, "state")[1:] == [(60, 1, TIMER, 0)]
