"""Laser on for a power meter, without an animal. After a second of dark the laser is on at one level for a given time;
then it is dark again. `rig calibrate laser` runs it, level after level.

Sources: none needed.
"""

from rig import *

PARAMS = Params(
    power=Param(1 * mw, "by the calibration at hand", 0 * mw, 1000 * mw),
    time=Param(5 * s, "on for so long", 10 * ms, 20 * s),
    site=Param("power meter", "where the light goes: energy is summed by site"),
)


def trial(p, past, rng):
    """One level."""
    light = Pulse(LASER, p.time, power=p.power)
    return Trial(
        State("dark", after=(1 * s, "light")),
        State("light", start=light, when={light.ended: "over"}, outcome="shown"),
        State("over", after=(500 * ms, END)),
    )
