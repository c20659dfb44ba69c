"""Hold the lever in a window. After an interval, and once the lever was still, a head-fixed mouse hears a tone and has
some time to move the lever into a window of positions and to keep it there for a hold time; then a drop of water comes
with the reward tone. Leaving the window too soon is no failure: it may try again until the time is over, which ends
the trial with white noise.

Sources: the general movement-window task (hold within bounds, retry until time-out); all values are recalled.
"""

from rig import *

PARAMS = Params(
    low=Param(2 * mm, "the window begins here", 0.2 * mm, 20 * mm, recalled=True),
    high=Param(6 * mm, "and ends here", 0.4 * mm, 20 * mm, recalled=True),
    hold=Param(150 * ms, "time to stay inside", 1 * ms, 10 * s, recalled=True),
    hysteresis=Param(0.1 * mm, "so far beyond it is still inside", 0 * mm, 2 * mm),
    response_window=Param(10 * s, "time to do it", 0.5 * s, 60 * s),
    still_within=Param(0.5 * mm, "before the cue the lever is still within this", 0.1 * mm, 10 * mm),
    still=Param(500 * ms, "for so long", 1 * ms, 10 * s),
    cue=Param(6 * khz, "cue tone", 1 * khz, 40 * khz, recalled=True),
    level=Param(70 * db, "level of all sounds", 30 * db, 90 * db, recalled=True),
    drop=Param(8 * ul, "water a reward", 1 * ul, 20 * ul, recalled=True),
    reward_tone=Param(12 * khz, "tone with the water", 1 * khz, 40 * khz, recalled=True),
    reward_time=Param(500 * ms, "its length", 50 * ms, 5 * s, recalled=True),
    noise_time=Param(500 * ms, "white noise on failure", 50 * ms, 5 * s, recalled=True),
    iti=Param(4 * s, "interval after a trial", 0.5 * s, 60 * s, recalled=True),
)


def trial(p, past, rng):
    """One trial: still, cue, into the window and stay, water or noise, interval."""
    window = Window(p.low, p.high, hold=p.hold, hysteresis=p.hysteresis)
    rest, deadline = Window(-p.still_within, p.still_within), Deadline(p.response_window)
    cue = Tone(p.cue, p.response_window, p.level)
    water = (Drop(p.drop), Tone(p.reward_tone, p.reward_time, p.level))
    return Trial(
        State("code", start=Code(SYNC, (past.n + 1) % 4096), after=(130 * ms, "still")),
        State("still", after=(p.still, "cue"), when={rest.left: "moving"}),
        State("moving", when={rest.entered: "still"}),
        State("cue", start=(deadline, cue), when={window.held: "reward", deadline.ended: "miss"}),
        State("reward", start=water, stop=(cue, deadline), after=(p.reward_time, "iti"), outcome="rewarded"),
        State("miss", start=Noise(p.noise_time, p.level), after=(p.noise_time, "iti"), outcome="missed"),
        State("iti", after=(p.iti, END)),
    )
