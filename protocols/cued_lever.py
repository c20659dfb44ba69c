"""Cued lever press. After an inter-trial interval a head-fixed mouse hears a 6 kHz tone and has 10 s to push a lever
from beyond a rest threshold to beyond a press threshold within 200 ms; a push within this window ends the tone and is
rewarded with a drop of water and a 12 kHz tone. Without a push the trial ends in white noise and a time-out. Pushes
in the inter-trial interval are neither rewarded nor punished; where a still time is asked for, one of them in the last
part of the interval starts that part again. The trial's number goes out as a bit code.

Sources: press rule [AP], response window and trial counts [CR], states [AP, CR, WR]; the rest is recalled (TASK.md 1).
"""

from rig import (
    END,
    SYNC,
    TOUCH,
    Code,
    Drop,
    Noise,
    Param,
    Params,
    Press,
    State,
    Tone,
    Trial,
    Window,
    db,
    khz,
    mm,
    ms,
    s,
    ul,
)

PARAMS = Params(
    rest=Param(1.5 * mm, "a push leaves rest here", 0.2 * mm, 10 * mm, recalled=True),
    press=Param(3 * mm, "and counts from here", 0.4 * mm, 20 * mm, recalled=True),
    within=Param(200 * ms, "time from rest to press", 10 * ms, 2 * s),
    refractory=Param(1 * s, "after a press, none counts for", 0 * s, 10 * s),
    touch_gate=Param(False, "a press counts only while the paw touches the lever"),
    response_window=Param(10 * s, "time to answer the cue", 0.5 * s, 60 * s),
    cue=Param(6 * khz, "cue tone", 1 * khz, 40 * khz, recalled=True),
    level=Param(70 * db, "level of all sounds", 30 * db, 90 * db, recalled=True),
    drop=Param(8 * ul, "water a reward", 1 * ul, 20 * ul, recalled=True),
    reward_delay=Param(0 * ms, "from press to water", 0 * ms, 5 * s),
    reward_tone=Param(12 * khz, "tone with the water", 1 * khz, 40 * khz, recalled=True),
    reward_time=Param(500 * ms, "its length", 50 * ms, 5 * s, recalled=True),
    noise_time=Param(500 * ms, "white noise on failure", 50 * ms, 5 * s, recalled=True),
    timeout=Param(2 * s, "time-out after a failure", 100 * ms, 60 * s, recalled=True),
    iti_min=Param(8 * s, "shortest interval after a trial", 0.5 * s, 60 * s, recalled=True),
    iti_max=Param(12 * s, "longest", 0.5 * s, 60 * s, recalled=True),
    still=Param(0 * s, "the last part of the interval must be without movement", 0 * s, 10 * s),
    still_within=Param(1 * mm, "movement is beyond this", 0.1 * mm, 10 * mm),
    catch=Param(0.0, "share of trials without a cue", 0.0, 0.5),
)


def trial(p, past, rng):
    """One trial: bit code, cue, press or miss, interval."""
    press = Press(p.rest, p.press, p.within, p.refractory, while_high=TOUCH if p.touch_gate else None)
    quiet = Window(-p.still_within, p.still_within)
    cue = Tone(p.cue, p.response_window, p.level)
    water, good = Drop(p.drop), Tone(p.reward_tone, p.reward_time, p.level)
    catch = rng.random() < p.catch
    iti = p.iti_min + (max(p.iti_max, p.iti_min) - p.iti_min) * rng.random()
    waiting = "delay" if p.reward_delay else "reward"
    states = [
        State("bitcode", start=Code(SYNC, (past.n + 1) % 4096), after=(130 * ms, "cue"), watch=press),
        State("cue", start=None if catch else cue, after=(p.response_window, "miss"), when={press.pressed: waiting}),
        State("delay", stop=cue, after=(p.reward_delay, "reward"), watch=press),
        State("reward", start=(water, good), stop=cue, after=(p.reward_time, "iti"), watch=press, outcome="rewarded"),
        State("miss", start=Noise(p.noise_time, p.level), after=(p.timeout, "iti"), watch=press, outcome="missed"),
        State("iti", after=(max(iti - p.still, 100 * ms), "still" if p.still else END), watch=press),
        State("still", after=(p.still, END), when={quiet.left: "iti_again"}, watch=press),
        State("iti_again", when={quiet.entered: "still"}, watch=press),
    ]
    used = {"delay": bool(p.reward_delay), "still": bool(p.still), "iti_again": bool(p.still)}
    return Trial(*(state for state in states if used.get(state.name, True)), catch=catch)
