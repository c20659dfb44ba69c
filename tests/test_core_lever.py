"""Lever rules and samples: each sentence of docs/trial-machine.md, on the core and the reference."""

from __future__ import annotations

import pytest
from bodies import Edge, Happening, Input, Told, brief, command, play
from scenarios import Row, Table, push, ready, rule, state

from rig import wire
from rig.wire import Decision, Rule, Status

ENTER, LEAVE, HELD, PRESS = Decision.ENTER, Decision.LEAVE, Decision.HELD, Decision.PRESS
LEFT_REST, REFUSED, AT_REST, AWAY = Decision.LEFT_REST, Decision.REFUSED, Decision.AT_REST, Decision.AWAY
PUSH = rule(Rule.PRESS, 2, 5, time_us=1000)


def watch(row: Row, *happenings: Happening, end_us: int = 100_000) -> Told:
    """One state that arms the rule for ever, from 10 us on."""
    table = Table(1, [state(rules=1)], [row])
    return play([*ready(), *table.commands(10), *happenings], end_us)


def decisions(told: Told) -> list[tuple[int, ...]]:
    """``(board_us, decision, counts, since_us)`` of each."""
    return [(t, decision, counts, since) for t, _, decision, counts, since, _ in brief(told, "rule")]


# --- window -----------------------------------------------------------------------------------------------------------


def test_inside_is_strictly_between_and_hysteresis_holds_only_inside() -> None:
    row = rule(Rule.WINDOW, -1, 2, hysteresis_counts=2)
    told = watch(row, *push(100, 5), *push(1000, -8), *push(3000, 3))
    assert decisions(told) == [
        (10, ENTER, 0, 10),
        (400, LEAVE, 4, 10),  # hi + hysteresis
        (1300, ENTER, 1, 400),  # below hi, not below hi + hysteresis
        (1700, LEAVE, -3, 1300),  # lo - hysteresis
        (3200, ENTER, 0, 1700),  # above lo again
    ]


def test_held_is_told_after_the_dwell_counted_from_the_entry_or_the_arming() -> None:
    row = rule(Rule.WINDOW, -1, 2, time_us=500)
    told = watch(row, *push(1000, 2), *push(1500, -1), Edge(1900, -1), Edge(2000, -1))
    assert decisions(told) == [
        (10, ENTER, 0, 10),
        (510, HELD, 0, 10),
        (1100, LEAVE, 2, 10),
        (1500, ENTER, 1, 1100),
        (2000, LEAVE, -1, 1500),  # at the dwell's very end: the edge comes before the timer
    ]


def test_armed_outside_a_window_tells_leave() -> None:
    assert decisions(watch(rule(Rule.WINDOW, 3, 9))) == [(10, LEAVE, 0, 10)]


def test_a_jump_across_a_window_is_no_entry() -> None:
    assert decisions(watch(rule(Rule.WINDOW, 3, 9), Edge(100, 20), Edge(200, -15))) == [
        (10, LEAVE, 0, 10),
        (200, ENTER, 5, 10),
    ]


# --- press ------------------------------------------------------------------------------------------------------------


def test_a_press_leaves_rest_and_reaches_the_threshold_in_time() -> None:
    assert decisions(watch(PUSH, *push(100, 7))) == [
        (10, AT_REST, 0, 10),
        (300, LEFT_REST, 3, 300),
        (500, PRESS, 5, 300),
    ]


@pytest.mark.parametrize(("gap_us", "decision"), [(500, PRESS), (501, REFUSED)])
def test_too_late_is_after_the_time_not_at_it(gap_us: int, decision: Decision) -> None:
    told = watch(PUSH, *push(100, 2, 1), *push(1000, 3, gap_us))
    assert decisions(told)[1:] == [(1000, LEFT_REST, 3, 1000), (1000 + 2 * gap_us, decision, 5, 1000)]


def test_one_answer_to_each_push_and_rest_must_be_regained_with_hysteresis() -> None:
    row = PUSH | {"hysteresis_counts": 1, "time_us": 50_000}
    told = watch(row, *push(100, 6), *push(1000, -4), *push(2000, 5), *push(3000, -6), *push(4000, 5))
    assert [row[:2] for row in decisions(told)[1:]] == [
        (300, LEFT_REST),
        (500, PRESS),  # down to 2 is not rest regained (<= 1)
        (4100, LEFT_REST),
        (4300, PRESS),
    ]


def test_turning_back_before_rest_does_not_restart_the_clock() -> None:
    row = PUSH | {"hysteresis_counts": 1, "time_us": 400}
    told = watch(row, *push(100, 3), *push(400, -1), *push(500, 1), *push(700, 2, 1))
    assert decisions(told)[1:] == [(300, LEFT_REST, 3, 300), (701, REFUSED, 5, 300)]


def test_a_jump_from_rest_beyond_the_threshold_is_a_press_in_no_time() -> None:
    assert decisions(watch(PUSH, Edge(100, 9)))[1:] == [(100, LEFT_REST, 9, 100), (100, PRESS, 9, 100)]


@pytest.mark.parametrize(("again_us", "decision"), [(2500, REFUSED), (2501, PRESS)])
def test_the_refractory_time_includes_its_last_microsecond(again_us: int, decision: Decision) -> None:
    told = watch(PUSH | {"refractory_us": 2000}, *push(100, 5), *push(1000, -5), *push(again_us - 400, 5))
    assert decisions(told)[2][:2] == (500, PRESS)
    assert decisions(told)[-1][:2] == (again_us, decision)


def test_a_refusal_does_not_lengthen_the_refractory_time() -> None:
    row = PUSH | {"refractory_us": 2000}
    told = watch(row, *push(100, 5), *push(600, -5), *push(1600, 5), *push(2100, -5), *push(2700, 5))
    assert [row[1] for row in decisions(told) if row[1] in (PRESS, REFUSED)] == [PRESS, REFUSED, PRESS]


@pytest.mark.parametrize(("levels", "decision"), [(0, REFUSED), (4, PRESS)])
def test_a_press_counts_only_while_its_gate_is_high(levels: int, decision: Decision) -> None:
    told = watch(PUSH | {"gate": 2}, Input(450, levels), *push(100, 5))
    assert decisions(told)[-1][:2] == (500, decision)


def test_hi_below_lo_is_the_mirror_image() -> None:
    row = rule(Rule.PRESS, -2, -5, time_us=1000, hysteresis_counts=1)
    told = watch(row, *push(100, -7), *push(1000, 6), *push(3000, -9))
    assert [row[:3] for row in decisions(told)] == [
        (10, AT_REST, 0),
        (300, LEFT_REST, -3),
        (500, PRESS, -5),
        (3100, LEFT_REST, -3),
        (3300, PRESS, -5),
    ]


def test_a_push_begun_before_arming_is_no_press() -> None:
    told = watch(PUSH, Edge(5, 3), *push(100, 5), *push(1000, -8), *push(3000, 6))
    assert [row[:2] for row in decisions(told)] == [(10, AWAY), (3200, LEFT_REST), (3400, PRESS)]


def test_the_refractory_time_goes_on_while_the_rule_is_not_armed_and_between_trials() -> None:
    row = PUSH | {"refractory_us": 5000}
    states = [state([(wire.ON_RULE + PRESS, 1)], rules=1), state(after_us=100)]
    one, two = Table(1, states, [row]), Table(2, [state(rules=1)], [row])
    lever = [*push(100, 5), *push(600, -5), *push(2000, 5), *push(2700, -5), *push(6000, 5)]
    told = play([*ready(), *one.commands(10), *two.commands(1500), *lever], 20_000)
    assert [row[:2] for row in decisions(told)] == [
        (10, AT_REST), (300, LEFT_REST), (500, PRESS),
        (1500, AT_REST), (2200, LEFT_REST), (2400, REFUSED), (6200, LEFT_REST), (6400, PRESS),
    ]  # fmt: skip


def test_another_rule_at_the_same_place_knows_no_refractory_time() -> None:
    row = PUSH | {"refractory_us": 50_000}
    one, two = Table(1, [state(rules=1, after_us=1000)], [row]), Table(2, [state(rules=1)], [row | {"time_us": 999}])
    told = play([*ready(), *one.commands(10), *two.commands(20), *push(100, 5), *push(1100, -5), *push(2000, 5)], 9000)
    assert [row[1] for row in decisions(told) if row[1] in (PRESS, REFUSED)] == [PRESS, PRESS]


# --- zero, samples, peaks ---------------------------------------------------------------------------------------------


def test_zeroing_is_told_where_it_was_and_rules_see_the_new_position() -> None:
    told = watch(rule(Rule.WINDOW, -3, 3), *push(100, 4), command(1000, "zero_lever"), *push(2000, -1))
    assert brief(told, "zeroed") == [(1000, 4)]
    assert decisions(told) == [(10, ENTER, 0, 10), (300, LEAVE, 3, 10), (1000, ENTER, 0, 300)]


def sampling(period_us: int = 1000, batch: int = 3, t_us: int = 5) -> Happening:
    return command(t_us, "set_lever", source=0, period_us=period_us, batch=batch)


def lever(told: Told) -> list[tuple[int, int, object]]:
    return [(e.board_us, e.fields["first_counts"], e.fields["offsets"]) for e in told.events if e.name == "lever"]  # type: ignore[misc]


def test_samples_come_every_period_and_a_batch_makes_an_event_stamped_with_its_last() -> None:
    told = watch(PUSH, sampling(), *push(1500, 4, 400), end_us=6100)
    assert lever(told) == [(3005, 0, (0, 2, 4)), (6005, 4, (0, 0, 0))]


def test_a_sample_counts_what_happened_at_its_very_microsecond() -> None:
    assert lever(watch(PUSH, sampling(batch=1), Edge(1005, 1), end_us=1100)) == [(1005, 1, (0,))]


def test_zeroing_takes_the_samples_of_the_batch_along() -> None:
    told = watch(PUSH, sampling(), *push(1500, 4), command(2500, "zero_lever"), end_us=3100)
    assert lever(told) == [(3005, -4, (0, 4, 4))]


def test_a_jump_too_far_for_an_offset_begins_a_new_event() -> None:
    jumps = [Edge(1100 + i, 127) for i in range(300)]
    told = watch(PUSH, sampling(), *jumps, end_us=4100)
    assert lever(told)[:2] == [(1005, 0, (0,)), (4005, 38_100, (0, 0, 0))]


def test_setting_the_lever_again_tells_the_samples_so_far() -> None:
    told = watch(PUSH, sampling(), sampling(500, 1, 2500), end_us=3100)
    assert lever(told) == [(2005, 0, (0, 0)), (3000, 0, (0,))]


@pytest.mark.parametrize(("period_us", "batch"), [(99, 1), (1_000_001, 1), (1000, 0), (1000, 21)])
def test_sampling_out_of_range_is_refused(period_us: int, batch: int) -> None:
    told = play([command(5, "set_lever", source=0, period_us=period_us, batch=batch)], 2_000_000)
    assert brief(told, "applied")[0][3] == Status.BAD_VALUE
    assert not lever(told)


def test_the_peak_is_the_largest_change_between_samples_since_rest_was_left() -> None:
    row = rule(Rule.PRESS, 2, 20, time_us=50_000)
    moves = [*push(1100, 3, 10), *push(2100, 9, 10), *push(3100, 4, 10), *push(4100, 4, 10)]
    told = watch(row, sampling(), *moves)
    peaks = {decision: peak for _, _, decision, _, _, peak in brief(told, "rule")}
    assert peaks == {AT_REST: 0, LEFT_REST: 0, PRESS: 9}


def test_a_window_s_peak_begins_anew_with_each_change() -> None:
    row = rule(Rule.WINDOW, -9, 9)
    moves = [*push(1100, 6, 10), *push(2100, 4, 10), *push(3100, 2, 10), *push(4100, -4, 10)]
    told = watch(row, sampling(), *moves)
    assert [(row[2], row[5]) for row in brief(told, "rule")] == [(ENTER, 0), (LEAVE, 6), (ENTER, 4)]


def test_everything_is_the_same_at_every_place_of_the_clock() -> None:
    base = (1 << 32) - 2500
    words = [*ready(), sampling(), *Table(1, [state(rules=1)], [PUSH | {"refractory_us": 3000}]).commands(10)]
    moves = [*push(2300, 5), *push(3000, -5), *push(5000, 5), *push(6000, -5), *push(7000, 5)]
    shifted = [type(h)(h.t_us + base, *list(vars(h).values())[1:]) for h in [*words, *moves]]
    here, there = play([*words, *moves], 20_000), play(shifted, base + 20_000, base)
    assert [e.name for e in here.events] == [e.name for e in there.events]
    assert [(t + base) % (1 << 32) for t, *_ in decisions(here)] == [t for t, *_ in decisions(there)]
