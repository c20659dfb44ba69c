"""Cued lever press. After an inter-trial interval a head-fixed mouse hears a 6 kHz tone and has 10 s to push a lever
from beyond a rest threshold to beyond a press threshold within 200 ms; a push within this window ends the tone and is
rewarded with a drop of water and a 12 kHz tone. Without a push the trial ends in white noise and a time-out. Pushes
in the inter-trial interval are neither rewarded nor punished; where a still time is asked for, one of them in the last
part of the interval starts that part again. The trial's number goes out as a bit code, or a pulse marks its beginning.

Sources: press rule [AP], response window and trial counts [CR], states [AP, CR, WR]; the rest is recalled (TASK.md 1).
"""

from rig import *

PARAMS = Params(
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
    catch=Param(0.0, "share of trials without a cue", 0.0, 0.5),
)


def trial(p, past, rng):
    """One trial: its mark, cue, press or miss, interval."""
    press = Press(p.rest, p.press, p.within, p.refractory, while_high=TOUCH if p.touch_gate else None)
    quiet = Window(-p.still_within, p.still_within)
    cue = Tone(p.cue, p.response_window, p.level)
    water, good = Drop(p.drop), Tone(p.reward_tone, p.reward_time, p.level)
    catch = rng.random() < p.catch
    iti = between(p.iti_min, p.iti_max, rng)
    delayed = [State("delay", stop=cue, after=(p.reward_delay, "reward"), watch=press)] if p.reward_delay else []
    marks = trial_mark(p.mark, past), *scan_trigger(p.scan, past)
    paid = "delay" if delayed else "reward"
    return Trial(
        State("bitcode", start=marks, after=(130 * ms, "cue"), watch=press),
        State("cue", start=None if catch else cue, after=(p.response_window, "miss"), when={press.pressed: paid}),
        *delayed,
        State("reward", start=(water, good), stop=cue, after=(p.reward_time, "iti"), watch=press, outcome="rewarded"),
        State("miss", start=Noise(p.noise_time, p.level), after=(p.timeout, "iti"), watch=press, outcome="missed"),
        *interval(iti, p.still, quiet, watch=press),
        catch=catch,
    )
