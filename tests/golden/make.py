"""Makes the golden vectors of the trial machine: ``python tests/golden/make.py``.

What happens is written here; what must be told is what the reference tells (tests/reference.py). Where the core tells
something else, test_golden.py says so: a vector is only made anew when the page (docs/trial-machine.md) has changed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from bodies import Command, command
from scenarios import Maker, Table, generator, on_input, on_rule, rule, state
from story import READY_US, Story
from vector_bodies import run_vector_on_reference
from vectors import GOLDEN, Vector, text

from rig import wire
from rig.wire import ON_GENERATOR, ON_HOST, Decision, Generator, InputEdge, Rule

VALVE, LASER, MASK, SYNC = range(4)


# --- the trials -------------------------------------------------------------------------------------------------------

PRESS = rule(Rule.PRESS, 20, 40, hysteresis_counts=3, time_us=200_000, refractory_us=300_000)
HOLD = rule(Rule.WINDOW, -10, 10, hysteresis_counts=4, time_us=50_000)
DROP = generator(Generator.PULSE, output=VALVE, width_us=40_000)
CUE = generator(Generator.TONE, width_us=60_000, tone_hz=6000)


def lever_task() -> Table:
    """Cue, response window, drop, pause."""
    states = [
        state([(on_rule(0, Decision.PRESS), 1)], outputs=1 << SYNC, start=1, rules=1, after_us=700_000, after_to=2),
        state(start=2, stop=1, rules=1, after_us=150_000, after_to=2),
        state(rules=1, after_us=100_000),
    ]
    return Table(1, states, [PRESS], [CUE, DROP])


def press() -> Vector:
    """A push from rest to the threshold in time opens the valve; the trial goes on to its pause and its end."""
    story = Story()
    story.setup(valve=(200_000, 0, 0), laser=(1_000_000, 0, 0))
    story.trial(lever_task(), READY_US)
    story.lever(200_500, 50, 2000)
    story.lever(400_500, -50, 500)
    story.beat(700_000)
    return story.vector("press", press.__doc__ or "", 700_000)


def refused() -> Vector:
    """Pushes that are no presses: too slow, within the refractory time, without touch. One that is, between them."""
    story = Story()
    story.setup()
    slow = PRESS | {"time_us": 50_000, "gate": wire.INPUTS.index("touch")}
    told = [(on_rule(0, Decision.PRESS), 1)]
    story.trial(Table(1, [state(told, rules=1), state(told, rules=1)], [slow]), READY_US)
    touch = 1 << wire.INPUTS.index("touch")
    story.input(100_250, touch)
    story.lever(120_500, 45, 4000)  # too slow
    story.lever(320_500, -45, 500)
    story.lever(400_500, 45, 500)  # a press
    story.lever(450_500, -45, 500)
    story.lever(500_500, 45, 500)  # in the refractory time
    story.lever(550_500, -45, 500)
    story.input(730_250, 0)
    story.lever(800_500, 45, 500)  # nobody touches it
    story.beat(900_000)
    return story.vector("refused", refused.__doc__ or "", 900_000)


def hold() -> Vector:
    """Held in a window for its dwell, jitter within the hysteresis and all; before that left too early, twice."""
    story = Story()
    story.setup()
    leave, held = on_rule(0, Decision.LEAVE), on_rule(0, Decision.HELD)
    enter = on_rule(0, Decision.ENTER)
    states = [state([(enter, 1)], rules=1), state([(leave, 0), (held, 2)], rules=1), state(start=1, after_us=60_000)]
    story.lever(2500, 30)
    story.trial(Table(1, states, [HOLD], [DROP]), READY_US)
    for t_us, counts in ((80_500, -22), (110_500, 6), (140_500, -8), (155_500, 4), (165_500, -3), (175_500, 4)):
        story.lever(t_us, counts, 500)
    story.beat(400_000)
    return story.vector("hold", hold.__doc__ or "", 400_000)


def downward() -> Vector:
    """A press downwards, and the lever zeroed by a state and by the host with samples in between."""
    story = Story()
    story.setup()
    row = rule(Rule.PRESS, -5, -15, hysteresis_counts=2, time_us=100_000)
    states = [state([(on_rule(0, Decision.PRESS), 1)], rules=1, flags=1), state(flags=1, rules=1, after_us=80_000)]
    story.lever(2500, 37)
    story.trial(Table(1, states, [row]), READY_US)
    story.lever(90_500, -30)
    story.say(135_300, "zero_lever")
    story.lever(145_500, 11)
    story.beat(300_000)
    return story.vector("downward", downward.__doc__ or "", 300_000)


def wrap() -> Vector:
    """Everything of `press`, with the board's clock coming round in the middle of the push."""
    story = Story(start_us=(1 << 32) - 260_000)
    story.setup(valve=(200_000, 0, 0), laser=(1_000_000, 0, 0))
    story.trial(lever_task(), READY_US)
    story.lever(200_500, 50, 2000)
    story.lever(400_500, -50, 500)
    story.beat(700_000)
    return story.vector("wrap", wrap.__doc__ or "", 700_000)


def ties() -> Vector:
    """An edge, an input, a dwell, a generator's end and a state's timer on one microsecond; and with fewer of them."""
    story = Story(loose=False)
    story.setup()
    window = rule(Rule.WINDOW, -5, 1, time_us=9000)
    pulse = generator(Generator.PULSE, output=SYNC, width_us=9000)
    leave, held = on_rule(0, Decision.LEAVE), on_rule(0, Decision.HELD)
    codes = [(ON_GENERATOR, 1), (held, 2), (on_input(1, InputEdge.HIGH), 3), (leave, 4)]
    each = [state(after_us=1000 * (i + 1), after_to=0) for i in range(5)]
    first = state(codes, rules=1, start=1, flags=1, after_us=9000, after_to=5)
    story.trial(Table(1, [first, *each], [window], [pulse]), READY_US)
    entry_us = READY_US
    for edge, level in ((True, True), (False, True), (False, False), (True, False)):
        if edge:
            story.lever(entry_us + 9000, 1)
        if level:
            story.input(entry_us + 9000, 2)
            story.input(entry_us + 9500, 0)
        entry_us += 9000 + (4000 if edge else 3000 if level else 2000)
    story.beat(entry_us)
    return story.vector("ties", ties.__doc__ or "", entry_us)


def light() -> Vector:
    """A train of light that ends with its ramp, and an endless one that is stopped between pulses and ramps down."""
    story = Story()
    story.setup(laser=(1_000_000, 0, 0), mask=(1_000_000, 0, 0))
    train = generator(
        Generator.TRAIN, output=LASER, level=200, width_us=5000, period_us=25_000, count=3, ramp_us=32_000
    )
    endless = train | {"output": MASK, "count": 0, "level": 90, "delay_us": 4000}
    states = [state([(ON_GENERATOR, 1)], start=3), state(stop=2, after_us=50_000)]
    story.trial(Table(1, states, [], [train, endless]), READY_US)
    story.beat(300_000)
    return story.vector("light", light.__doc__ or "", 300_000)


def code() -> Vector:
    """A trial number of twelve bits: 5 ms of sync, then gap and bit of 5 ms each, most significant first."""
    story = Story()
    story.setup()
    number = generator(Generator.CODE, output=SYNC, width_us=5000, count=12, ramp_us=0b1010_0111_0001)
    story.trial(Table(1, [state([(ON_GENERATOR, 255)], start=1)], [], [number]), READY_US)
    story.beat(300_000)
    return story.vector("code", code.__doc__ or "", 250_000)


def sounds() -> Vector:
    """A sound announced with the timer that leads to it, one taken back, one started unannounced, one stopped."""
    story = Story()
    story.setup()
    cue = generator(Generator.SOUND, sound=1, delay_us=10_000, width_us=100_000)
    reward = generator(Generator.SOUND, sound=2, width_us=50_000)
    states = [
        state(after_us=50_000, after_to=1),
        state([(ON_HOST, 2)], start=1, after_us=90_000, after_to=3),
        state(start=2, stop=1, after_us=80_000, after_to=0),
        state(start=2, after_us=20_000),
    ]
    story.trial(Table(1, states, [], [cue, reward]), READY_US)
    story.say(150_500, "host_event", code=0)
    story.beat(500_000)
    return story.vector("sounds", sounds.__doc__ or "", 450_000)


def upload() -> Vector:
    """The next table comes while a trial runs and begins where it ends; a push goes on across, its rule being the same;
    for a rule that is not the same it is a push begun before."""
    story = Story()
    story.setup()
    cross = PRESS | {"refractory_us": 0}
    first = Table(1, [state(outputs=1 << SYNC, rules=1, after_us=200_000)], [cross, HOLD])
    second = Table(
        2,
        [state([(on_rule(0, Decision.PRESS), 1)], rules=7), state(start=1, after_us=60_000)],
        [cross, HOLD | {"time_us": 20_000}, cross | {"time_us": 100_000}],
        [DROP],
    )
    story.trial(first, READY_US)
    story.t_us = 100_000
    story.trial(second)
    story.lever(200_500, 25)
    story.lever(290_500, 20)
    story.beat(400_000)
    return story.vector("upload", upload.__doc__ or "", 400_000)


def fault(name: str, about: str, story: Story, table: Table, beat_us: int) -> Vector:
    """A table that runs into a fault, a commit that is refused, and life after `arm`."""
    story.trial(table, READY_US)
    story.t_us = 400_000
    story.trial(table, 420_000)
    story.t_us = 430_000
    story.host(command(0, "arm"))
    story.trial(table, 450_000)
    story.beat(beat_us)
    if beat_us < 500_000:
        story.beat(500_000, 400_000)
    return story.vector(name, about, 480_000)


def ceiling() -> Vector:
    """An output that stays on for its ceiling: everything off, nothing back without `arm`."""
    story = Story()
    story.setup(valve=(15_000, 0, 0))
    table = Table(1, [state(outputs=1 << VALVE | 1 << SYNC, after_us=200_000)])
    return fault("ceiling", ceiling.__doc__ or "", story, table, 500_000)


def duty() -> Vector:
    """Pulses, each shorter than the ceiling, whose sum within the window reaches the duty."""
    story = Story()
    story.setup(laser=(30_000, 160_000, 50_000))
    train = generator(Generator.TRAIN, output=LASER, level=255, width_us=8000, period_us=20_000)
    return fault("duty", duty.__doc__ or "", story, Table(1, [state(start=1)], [], [train]), 500_000)


def deadman() -> Vector:
    """A host that falls silent: outputs off after the dead-man time; frames that come later do not undo it."""
    story = Story()
    story.setup(deadman_us=150_000)
    return fault("deadman", deadman.__doc__ or "", story, Table(1, [state(outputs=1 << MASK)]), 180_000)


def interlock() -> Vector:
    """An interlock that opens during a trial; arming refused while it is open."""
    story = Story()
    closed = wire.INPUTS.index("interlock")
    story.input(500, 1 << closed)
    story.setup(interlock=closed)
    story.input(150_500, 1)
    story.say(200_500, "arm")
    story.input(300_500, 1 << closed)
    return fault("interlock", interlock.__doc__ or "", story, Table(1, [state(outputs=1 << MASK)]), 500_000)


def loop() -> Vector:
    """Two states that send each other on without time: a fault of the table, found within the microsecond."""
    story = Story()
    story.setup()
    high = on_input(0, InputEdge.HIGH)
    story.input(120_500, 1)
    table = Table(1, [state([(high, 1)], outputs=1 << MASK), state([(high, 0)])])
    return fault("loop", loop.__doc__ or "", story, table, 500_000)


def stops() -> Vector:
    """A trial stopped at once, one let to its end; no other begins until `arm`."""
    story = Story()
    story.setup()
    table = Table(1, [state(outputs=1 << SYNC, after_us=100_000)])
    story.trial(table, READY_US)
    story.say(90_500, "stop", at_end=0)
    story.t_us = 100_000
    story.trial(table)
    story.host(command(0, "arm"))
    story.trial(table)
    story.trial(table)
    story.host(command(0, "stop", at_end=1))
    story.beat(400_000)
    return story.vector("stops", stops.__doc__ or "", 400_000)


def refusals() -> Vector:
    """What no board should take, and its answer to each; damaged frames and repeated commands change nothing."""
    story = Story()
    story.host(command(0, "arm"), command(0, "set_safety", deadman_us=0, interlock=255))
    story.host(command(0, "set_output", output=8, safe=0, max_on_us=1, window_us=0, max_duty_us=0))
    story.host(command(0, "set_output", output=0, safe=0, max_on_us=3_000_000, window_us=0, max_duty_us=0))
    story.host(command(0, "table_commit"), command(0, "host_event", code=16), Command(0, 0x14, b"\1"))
    bad = Table(1, [state(after_us=10, after_to=9)])
    story.host(*bad.commands(0), command(0, "lock"), *Table(1, [state()]).commands(0))
    story.host(command(0, "set_safety", deadman_us=1000, interlock=255))
    vector = story.vector("refusals", refusals.__doc__ or "", 40_000)
    frames = [value for _, kind, value in vector.happenings if kind == "rx" and isinstance(value, bytes)]
    spoilt = bytes((frames[3][0], frames[3][1] ^ 1)) + frames[3][2:]
    vector.happenings += [(39_000 + i, "rx", data) for i, data in enumerate((spoilt, frames[1], b"\xff\x00noise\x00"))]
    vector.expected = run_vector_on_reference(vector)
    return vector


def drawn(seed: int) -> Callable[[], Vector]:
    def vector() -> Vector:
        scenario = Maker(random.Random(seed), 50).scenario(pushes=12, changes=8, talk=5)
        about = f"Drawn by chance (seed {seed}): everything at once."
        return Story.of(scenario).vector(f"drawn_{seed}", about, scenario.end_us - scenario.start_us)

    return vector


STORIES: list[Callable[[], Vector]] = [
    press, refused, hold, downward, wrap, ties, light, code, sounds, upload, ceiling, duty, deadman, interlock,
    loop, stops, refusals, *(drawn(seed) for seed in (3, 8, 40)),
]  # fmt: skip


def main() -> None:
    """Write every vector below tests/golden."""
    for make in STORIES:
        vector = make()
        (GOLDEN / f"{vector.name}.trial").write_text(text(vector), encoding="utf-8", newline="\n")
        print(f"{vector.name}: {len(vector.happenings)} happenings, {len(vector.expected)} events")


if __name__ == "__main__":
    main()
