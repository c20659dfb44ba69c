"""Generators: each sentence of docs/trial-machine.md, on the core and the reference."""

from __future__ import annotations

from bodies import Told, brief, command, play
from scenarios import Row, Table, generator, ready, state

from rig.wire import ON_GENERATOR, ON_HOST, Generator, GeneratorMark

START, END, STOPPED, RAMP = GeneratorMark.START, GeneratorMark.END, GeneratorMark.STOPPED, GeneratorMark.RAMP
PULSE = generator(Generator.PULSE, output=2, width_us=400)
TRAIN = generator(Generator.TRAIN, output=2, width_us=400, period_us=1000, count=3)


def start(*rows: Row, stop_us: int | None = None, end_us: int = 50_000, again: bool = False) -> Told:
    """A trial that starts these generators at 10 us and stops (or starts) them ``again`` at ``stop_us``."""
    every = (1 << len(rows)) - 1
    states = [state([(ON_HOST, 1)], start=every), state(start=every) if again else state(stop=every)]
    words = [*ready(), *Table(1, states, [], list(rows)).commands(10)]
    if stop_us:
        words.append(command(stop_us, "host_event", code=0))
    return play(words, end_us)


def marks(told: Told, g: int = 0) -> list[tuple[int, ...]]:
    """``(board_us, mark, count)`` of one generator."""
    return [(t, mark, count) for t, number, mark, count in brief(told, "generator") if number == g]


def switched(told: Told) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in brief(told, "output")]


def levels(told: Told, output: int = 2) -> list[tuple[int, int]]:
    return [(t, pins[2 + output]) for t, pins in told.pins.items()]


def test_a_pulse_is_on_for_its_width_after_its_delay() -> None:
    told = start(PULSE | {"delay_us": 100})
    assert marks(told) == [(10, START, 0), (510, END, 1)]
    assert switched(told) == [(110, 4), (510, 0)]


def test_a_train_is_on_for_its_width_every_period_so_many_times() -> None:
    told = start(TRAIN)
    assert marks(told) == [(10, START, 0), (2410, END, 3)]
    assert switched(told) == [(10, 4), (410, 0), (1010, 4), (1410, 0), (2010, 4), (2410, 0)]


def test_a_train_of_count_0_goes_on_until_stopped() -> None:
    told = start(TRAIN | {"count": 0}, stop_us=30_200)
    assert marks(told) == [(10, START, 0), (30_200, STOPPED, 31)]
    assert len(switched(told)) == 62


def test_a_ramp_follows_the_last_pulse_in_32_equal_steps() -> None:
    told = start(PULSE | {"ramp_us": 3231, "level": 64})
    assert marks(told) == [(10, START, 0), (410, RAMP, 1), (3610, END, 1)]
    assert switched(told) == [(10, 4), (3610, 0)]
    assert levels(told) == [(10, 64), *[(410 + 100 * k, 64 - 2 * k) for k in range(1, 32)], (3610, 255)]


def test_light_stopped_while_on_or_between_pulses_ramps_down() -> None:
    for stop_us in (1200, 1600):
        told = start(TRAIN | {"ramp_us": 3200}, stop_us=stop_us)
        assert marks(told) == [(10, START, 0), (stop_us, RAMP, 2), (stop_us + 3200, END, 2)]
        assert switched(told)[-1] == (stop_us + 3200, 0)
        assert told.pins[max(t for t in told.pins if t <= stop_us)][0] == 4


def test_light_stopped_in_its_delay_or_without_a_ramp_is_off_at_once() -> None:
    assert marks(start(PULSE | {"delay_us": 900, "ramp_us": 3200}, stop_us=500))[-1] == (500, STOPPED, 0)
    assert marks(start(PULSE, stop_us=300))[-1] == (300, STOPPED, 1)
    assert switched(start(PULSE, stop_us=300))[-1] == (300, 0)


def test_stopping_one_that_ramps_changes_nothing_and_starting_it_begins_anew() -> None:
    light = PULSE | {"ramp_us": 3200}
    assert marks(start(light, stop_us=1000)) == [(10, START, 0), (410, RAMP, 1), (3610, END, 1)]
    assert marks(start(light, stop_us=1000, again=True))[2:4] == [(1000, STOPPED, 1), (1000, START, 0)]


def test_what_is_both_stopped_and_started_is_started_anew_without_a_ramp() -> None:
    states = [state(start=1, after_us=100, after_to=1), state(start=1, stop=1)]
    told = play([*ready(), *Table(1, states, [], [PULSE | {"ramp_us": 3200}]).commands(10)], 400)
    assert marks(told) == [(10, START, 0), (110, STOPPED, 1), (110, START, 0)]


def test_a_tone_sounds_for_its_width_and_the_last_begun_of_several() -> None:
    cue = generator(Generator.TONE, width_us=1000, tone_hz=6000)
    reward = generator(Generator.TONE, width_us=1000, tone_hz=12_000, delay_us=500)
    told = start(cue, reward)
    assert [(t, pins[1]) for t, pins in told.pins.items()] == [(10, 6000), (510, 12_000), (1510, 0)]
    assert [marks(told, g)[-1] for g in (0, 1)] == [(1010, END, 1), (1510, END, 1)]
    stopped = start(cue, reward, stop_us=300)
    assert [(t, pins[1]) for t, pins in stopped.pins.items()] == [(10, 6000), (300, 0)]


def test_a_tone_stopped_in_its_delay_leaves_the_one_that_sounds() -> None:
    cue = generator(Generator.TONE, width_us=1000, tone_hz=6000)
    late = generator(Generator.TONE, width_us=1000, tone_hz=12_000, delay_us=800)
    states = [state(start=3, after_us=100, after_to=1), state(stop=2)]
    told = play([*ready(), *Table(1, states, [], [cue, late]).commands(10)], 5000)
    assert [(t, pins[1]) for t, pins in told.pins.items()] == [(10, 6000), (1010, 0)]


def test_a_code_is_a_sync_then_gaps_and_bits_most_significant_first() -> None:
    told = start(generator(Generator.CODE, output=3, width_us=100, count=4, ramp_us=0b1011))
    on = [(t, active) for t, active in switched(told)]
    assert on == [(10, 8), (110, 0), (210, 8), (310, 0), (610, 8), (710, 0), (810, 8), (910, 0)]
    assert marks(told) == [(10, START, 0), (910, END, 9)]


def test_a_code_of_32_bits_keeps_them_all() -> None:
    told = start(generator(Generator.CODE, output=3, width_us=100, count=32, ramp_us=0x8000_0001))
    assert [t for t, active in switched(told) if active] == [10, 210, 6410]


def test_a_sound_is_due_after_its_delay_and_ends_after_its_width() -> None:
    told = start(generator(Generator.SOUND, sound=5, delay_us=300, width_us=1000))
    assert brief(told, "sound_due") == [(10, 5, 310)]
    assert marks(told) == [(10, START, 0), (1310, END, 1)]
    assert not brief(told, "sound_off")


def test_a_sound_that_is_stopped_is_told_off_first() -> None:
    told = start(generator(Generator.SOUND, sound=5, width_us=1000), stop_us=300)
    assert [e.name for e in told.events if e.board_us == 300 and e.name != "applied"] == [
        "state", "sound_off", "generator"]  # fmt: skip


def test_a_sound_is_announced_with_the_timer_that_leads_to_it_and_told_once() -> None:
    sound = generator(Generator.SOUND, sound=5, delay_us=50)
    states = [state(after_us=1000, after_to=1), state(start=1)]
    told = play([*ready(), *Table(1, states, [], [sound]).commands(10)], 5000)
    assert brief(told, "sound_due") == [(10, 5, 1060)]
    assert not brief(told, "sound_off")


def test_an_announced_sound_is_taken_back_when_something_else_leads_on() -> None:
    sound = generator(Generator.SOUND, sound=5)
    states = [state([(ON_HOST, 1)], after_us=1000, after_to=1), state(start=1)]
    words = [*Table(1, states, [], [sound]).commands(10), command(500, "host_event", code=0)]
    told = play([*ready(), *words], 5000)
    assert brief(told, "sound_due") == [(10, 5, 1010), (500, 5, 500)]
    assert brief(told, "sound_off") == [(500, 5)]


def test_a_sound_started_anew_is_told_off_unless_it_was_announced() -> None:
    sound = generator(Generator.SOUND, sound=5, width_us=10_000)
    told = start(sound, stop_us=500, again=True)
    assert (brief(told, "sound_off"), brief(told, "sound_due")) == ([(500, 5)], [(10, 5, 10), (500, 5, 500)])
    states = [state(start=1, after_us=1000, after_to=1), state(start=1)]
    told = play([*ready(), *Table(1, states, [], [sound]).commands(10)], 5000)
    assert (brief(told, "sound_off"), brief(told, "sound_due")) == ([], [(10, 5, 10), (10, 5, 1010)])


def test_a_generator_started_again_is_stopped_first() -> None:
    assert marks(start(PULSE, stop_us=300, again=True)) == [
        (10, START, 0),
        (300, STOPPED, 1),
        (300, START, 0),
        (700, END, 1),
    ]


def test_light_on_one_output_never_makes_another_s_brighter() -> None:
    dim, bright = PULSE | {"level": 40, "width_us": 1000}, PULSE | {"level": 200}
    told = start(dim, bright)
    assert levels(told) == [(10, 40), (1010, 255)]


def test_an_end_moves_the_trial_also_after_a_ramp_and_a_stop_does_not() -> None:
    light = PULSE | {"ramp_us": 3200}
    states = [state(start=1, after_us=100, after_to=1), state([(ON_GENERATOR, 2)], stop=1), state()]
    told = play([*ready(), *Table(1, states, [], [light]).commands(10)], 5000)
    assert brief(told, "state")[2:] == [(3310, 2, ON_GENERATOR, 0)]
