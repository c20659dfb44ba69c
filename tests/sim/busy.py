"""Much of what a trial can do, in little time: for the fault simulator, and for no animal. A bit code, then a tone with
light and mask until a push, a lever held still, a lick or the time ends it; a push or a still lever is rewarded.
"""

import random

from rig import (
    END,
    LASER,
    LICK,
    MASK,
    SPARE,
    SYNC,
    VALVE,
    Code,
    Drop,
    Param,
    Params,
    Past,
    Press,
    Pulse,
    State,
    Tone,
    Train,
    Trial,
    Values,
    Window,
    khz,
    mm,
    ms,
    mw,
    s,
    ul,
)

PARAMS = Params(
    drop=Param(5 * ul, "water", 1 * ul, 20 * ul),
    wait=Param(1500 * ms, "time to answer", 50 * ms, 20 * s),
    iti=Param(700 * ms, "time between", 1 * ms, 20 * s),
    light=Param(400 * ms, "length of the light", 10 * ms, 12 * s),
    held=Param(20 * ms, "an output held by a state", 1 * ms, 20 * s),
    holds=Param("spare", "the output held", choices=("spare", "valve")),
    still=Param(600 * ms, "a still lever counts after", 10 * ms, 5 * s),
)


def trial(p: Values, past: Past, rng: random.Random) -> Trial:
    """One trial."""
    press = Press(1.5 * mm, 3 * mm, 200 * ms, 500 * ms, hysteresis=0.1 * mm)
    near = Window(-0.5 * mm, 0.5 * mm, hold=p.still, hysteresis=0.1 * mm)
    tone = Tone(6 * khz, p.wait)
    steady = Pulse(LASER, p.light, power=5 * mw, ramp=100 * ms)
    pulses = Train(LASER, 5 * ms, 25 * ms, 1 + int(p.light.us // 25_000), power=10 * mw, ramp=50 * ms)
    light = rng.choice((steady, pulses, None))
    mask = Pulse(MASK, p.light, delay=10 * ms)
    held = VALVE if p.holds == "valve" else SPARE
    lit = (light, mask) if light else (mask,)
    states = [
        State("code", start=Code(SYNC, (past.n + 1) % 4096), after=(70 * ms, "wait"), zero_lever=rng.random() < 0.1),
        State(
            "wait",
            start=(tone, *lit),
            when={press.pressed: "reward", near.held: "reward", LICK.rises: "lick", mask.ended: "held"},
            after=(p.wait, "miss"),
        ),
        State("held", on=held, when={press.pressed: "reward"}, after=(p.held, "wait2")),
        State("wait2", when={press.pressed: "reward", near.held: "reward"}, after=(p.wait, "miss")),
        State("lick", on=held, after=(p.held, "miss"), watch=press),
        State("reward", start=Drop(p.drop), stop=(tone, *lit), after=(100 * ms, "iti"), outcome="rewarded"),
        State("miss", stop=(tone, *lit), after=(50 * ms, "iti"), outcome="missed", watch=(press, near)),
        State("iti", after=(p.iti, END), watch=press),
    ]
    return Trial(*states, lit=light is not None)
