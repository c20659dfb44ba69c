"""Cued lever press with inactivation. The task of `cued_lever`: after an inter-trial interval a head-fixed mouse hears
a 6 kHz tone and has 10 s to push a lever from beyond a rest threshold to beyond a press threshold within 200 ms; a push
is rewarded with a drop of water and a 12 kHz tone, its absence ends in white noise and a time-out. On the trials that
the light plan names, a laser is switched on at the cue, at the first movement after it, or some time after the cue,
for a given time or until the interval begins, and fades in a ramp. Masking light comes on every trial at the moment at
which the laser would.

Sources: task as in cued_lever; light on interleaved trials by a flag, read back [AP]; masking light; a ramp-down
against rebound (Li 2019). Power, pattern and timing are nowhere verified: recalled defaults, to be set for each study.
"""

from rig import *

PARAMS = Params(
    light=Param(False, "laser in this trial: the light plan says", given=True),
    mask=Param(True, "masking light on every trial (a plan says so itself)"),
    onset=Param("cue", "the laser begins at", choices=("cue", "movement", "delay")),
    onset_delay=Param(0 * ms, "with onset delay: so long after the cue", 0 * ms, 10 * s),
    until=Param("time", "the laser ends after light_time, or as the interval begins", choices=("time", "interval")),
    light_time=Param(2 * s, "how long it is on", 1 * ms, 12 * s, recalled=True),
    light_power=Param(10 * mw, "at the calibrated place", 0.1 * mw, 100 * mw, recalled=True),
    ramp=Param(100 * ms, "it fades so long; 0: at once", 0 * ms, 1 * s, recalled=True),
    site=Param("", "where the light goes: energy is summed by site"),
    rest=Param(1.5 * mm, "a push leaves rest here", 0.2 * mm, 10 * mm, recalled=True),
    press=Param(3 * mm, "and counts from here", 0.4 * mm, 20 * mm, recalled=True),
    within=Param(200 * ms, "time from rest to press", 10 * ms, 2 * s),
    refractory=Param(1 * s, "after a press, none counts for", 0 * s, 10 * s),
    touch_gate=Param(False, "a press counts only while the paw touches the lever"),
    response_window=Param(10 * s, "time to answer the cue", 0.5 * s, 60 * s),
    cue=Param(6 * khz, "cue tone", 1 * khz, 40 * khz, recalled=True),
    level=Param(70 * db, "level of all sounds", 30 * db, 90 * db, recalled=True),
    drop=Param(8 * ul, "water a reward", 1 * ul, 20 * ul, recalled=True),
    reward_tone=Param(12 * khz, "tone with the water", 1 * khz, 40 * khz, recalled=True),
    reward_time=Param(500 * ms, "its length", 50 * ms, 5 * s, recalled=True),
    noise_time=Param(500 * ms, "white noise on failure", 50 * ms, 5 * s, recalled=True),
    timeout=Param(2 * s, "time-out after a failure", 100 * ms, 60 * s, recalled=True),
    iti_min=Param(8 * s, "shortest interval after a trial", 0.5 * s, 60 * s, recalled=True),
    iti_max=Param(12 * s, "longest", 0.5 * s, 60 * s, recalled=True),
    moves=Param(0.3 * mm, "movement is beyond this", 0.05 * mm, 10 * mm),
)


def trial(p, past, rng):
    """One trial: bit code, cue, light at its moment, press or miss, interval."""
    press = Press(p.rest, p.press, p.within, p.refractory, while_high=TOUCH if p.touch_gate else None)
    still, deadline = Window(-p.moves, p.moves), Deadline(p.response_window)
    late = p.onset_delay if p.onset == "delay" else 0 * ms
    time = p.light_time if p.until == "time" else p.response_window + p.timeout - late - p.ramp - 1 * ms
    laser = Pulse(LASER, time, late, power=p.light_power, ramp=p.ramp)
    light = [*([laser] if p.light else []), *([Pulse(MASK, time, late)] if p.mask else [])]
    stop = light if p.until == "interval" else []
    cue = Tone(p.cue, p.response_window, p.level)
    reward = (Drop(p.drop), Tone(p.reward_tone, p.reward_time, p.level))
    ends, moved = {press.pressed: "reward", deadline.ended: "miss"}, p.onset == "movement"
    iti = p.iti_min + (max(p.iti_max, p.iti_min) - p.iti_min) * rng.random()
    begin = [deadline, cue, *([] if moved else light)]
    states = [
        State("bitcode", start=Code(SYNC, (past.n + 1) % 4096), after=(130 * ms, "cue"), watch=press),
        State("cue", start=begin, when={**ends, **({still.left: "moved"} if moved else {})}),
        *([State("moved", start=light, when=ends)] if moved else []),
        State(
            "reward", start=reward, stop=(cue, deadline), after=(p.reward_time, "iti"), watch=press, outcome="rewarded"
        ),
        State("miss", start=Noise(p.noise_time, p.level), after=(p.timeout, "iti"), watch=press, outcome="missed"),
        State("iti", stop=stop, after=(iti, END), watch=press),
    ]
    return Trial(*states, light=p.light)
