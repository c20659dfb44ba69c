"""Habituation. A head-fixed, water-restricted mouse learns that the spout gives water. Drops come by themselves at
random intervals, and, where the rig senses touch, for touching the lever as well; each comes with the task's reward
tone. The lever is free to move, and nothing is asked of it: pushes are recorded and lead nowhere.

Sources: free and touch-triggered drops before training are common practice; all values are recalled.
"""

from rig import *

PARAMS = Params(
    drop=Param(8 * ul, "water each time", 1 * ul, 20 * ul, recalled=True),
    interval_min=Param(10 * s, "shortest time to the next free drop", 2 * s, 5 * minute, recalled=True),
    interval_max=Param(30 * s, "longest", 2 * s, 5 * minute, recalled=True),
    touch=Param(False, "touching the lever brings the drop at once"),
    pause=Param(2 * s, "time to drink, in which touches bring nothing", 1 * s, 60 * s, recalled=True),
    reward_tone=Param(12 * khz, "tone with the water", 1 * khz, 40 * khz, recalled=True),
    reward_time=Param(500 * ms, "its length", 50 * ms, 5 * s, recalled=True),
    level=Param(70 * db, "its level", 30 * db, 90 * db, recalled=True),
    rest=Param(1.5 * mm, "a push, for the record, leaves rest here", 0.2 * mm, 10 * mm, recalled=True),
    press=Param(3 * mm, "and counts from here", 0.4 * mm, 20 * mm, recalled=True),
)


def trial(p, past, rng):
    """One drop: wait for its time, or for a touch; give it; let the mouse drink."""
    push = Press(p.rest, p.press)
    wait = between(p.interval_min, p.interval_max, rng)
    water = (Drop(p.drop), Tone(p.reward_tone, p.reward_time, p.level))
    touched = {TOUCH.rises: "earned"} if p.touch else {}
    states = [
        State("wait", after=(wait, "free"), when=touched, watch=push),
        State("free", start=water, after=(p.pause, END), watch=push, outcome="free"),
        State("earned", start=water, after=(p.pause, END), watch=push, outcome="rewarded"),
    ]
    return Trial(*(states if p.touch else states[:2]))
