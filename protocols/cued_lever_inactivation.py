"""Cued lever press with inactivation. The task of `cued_lever`: after an inter-trial interval a head-fixed mouse hears
a 6 kHz tone and has 10 s to push a lever from beyond a rest threshold to beyond a press threshold within 200 ms; a push
is rewarded with a drop of water and a 12 kHz tone, its absence ends in white noise and a time-out. On the trials that
the light plan names, a laser is switched on at the cue, at the first movement after it, or some time after the cue,
for a given time or until the interval begins, steady or in pulses, and fades in a ramp. Masking light comes on every
trial at the moment at which the laser would, in the same pattern.

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
    pulse_rate=Param(0 * hz, "pulses a second; 0: steady light", 0 * hz, 500 * hz),
    pulse_width=Param(5 * ms, "of a pulse, where there are pulses", 1 * ms, 1 * s, recalled=True),
    ramp=Param(100 * ms, "it fades so long, 32 ms or more; 0: at once", 0 * ms, 1 * s, recalled=True),
    site=Param("", "where the light goes: energy is summed by site"),
    mark=Param("code", "of the trial on the sync line: its number, or a pulse", choices=("code", "exact", "pulse")),
    scan=Param("none", "trigger out: scan from the first trial, a file a trial", choices=("none", "session", "trials")),
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
    moves=Param(0.3 * mm, "with onset movement: the first beyond this", 0.05 * mm, 10 * mm),
    catch=Param(0.0, "share of trials without a cue", 0.0, 0.5),
)


def trial(p, past, rng):
    """One trial: its mark, cue, light at its moment, press or miss, interval."""
    press = Press(p.rest, p.press, p.within, p.refractory, while_high=TOUCH if p.touch_gate else None)
    quiet, deadline = Window(-p.still_within, p.still_within), Deadline(p.response_window)
    catch, iti = rng.random() < p.catch, between(p.iti_min, p.iti_max, rng)
    late = p.onset_delay if p.onset == "delay" else 0 * ms
    longest = p.response_window + max(p.timeout, p.reward_delay + p.reward_time) - late - p.ramp - 1 * ms
    shape = {"rate": p.pulse_rate, "width": p.pulse_width}
    time = p.light_time if p.until == "time" else longest
    laser = [light_for(LASER, time, late, power=p.light_power, ramp=p.ramp, **shape)] if p.light else []
    lights = [*laser, *([light_for(MASK, time, late, **shape)] if p.mask else [])]
    cue, moved = Tone(p.cue, p.response_window, p.level), p.onset == "movement"
    water, over = (Drop(p.drop), Tone(p.reward_tone, p.reward_time, p.level)), (cue, deadline)
    delayed = [State("delay", stop=over, after=(p.reward_delay, "reward"), watch=press)]
    ends = {press.pressed: "delay" if p.reward_delay else "reward", deadline.ended: "miss"}
    marks = trial_mark(p.mark, past), *scan_trigger(p.scan, past)
    begin, onward = [deadline, *([] if catch else [cue])], {Window(-p.moves, p.moves).left: "moved"} if moved else {}
    return Trial(
        State("bitcode", start=marks, after=(130 * ms, "cue"), watch=press),
        State("cue", start=[*begin, *([] if moved else lights)], when={**ends, **onward}),
        *([State("moved", start=lights, when=ends)] if moved else []),
        *(delayed if p.reward_delay else []),
        State("reward", start=water, stop=over, after=(p.reward_time, "iti"), watch=press, outcome="rewarded"),
        State("miss", start=Noise(p.noise_time, p.level), after=(p.timeout, "iti"), watch=press, outcome="missed"),
        *interval(iti, p.still, quiet, watch=press, stop=lights if p.until == "interval" else ()),
        light=p.light,
        catch=catch,
    )
