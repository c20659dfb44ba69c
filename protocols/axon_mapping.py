"""Mapping of thalamus-excited neurons. There is no task. While the microscope images, trains of light of a given power,
pulse width, rate and count stimulate thalamic axons at jittered intervals; every frame and every pulse is stamped by
the same clock, so that activity can be aligned to each onset. Each power is a session, or part of one, of its own.

Sources: stimuli of 1 s without the task, powers of 5-25 mW in separate runs, imaging at 30 or 60 Hz, windows of 1 s
around each onset [WR, the same lab]; width, rate and intervals are recalled.
"""

from rig import *

PARAMS = Params(
    power=Param(10 * mw, "at the calibrated place", 0.1 * mw, 100 * mw),
    width=Param(5 * ms, "of a pulse", 1 * ms, 5 * s, recalled=True),
    rate=Param(20 * hz, "pulses a second", 0.1 * hz, 500 * hz, recalled=True),
    count=Param(20, "pulses in a train: 20 at 20 Hz are 1 s", 1, 1000),
    ramp=Param(0 * ms, "the last pulse fades so long, 32 ms or more; 0: at once", 0 * ms, 1 * s),
    interval_min=Param(8 * s, "shortest time from one train's end to the next", 1 * s, 10 * minute, recalled=True),
    interval_max=Param(12 * s, "longest", 1 * s, 10 * minute, recalled=True),
    before=Param(1 * s, "nothing happens for so long before each train", 0.1 * s, 60 * s),
    site=Param("", "where the light goes: energy is summed by site"),
)


def trial(p, past, rng):
    """One train: its number on the sync line, quiet, light, interval."""
    train = Train(LASER, p.width, p.rate.period, p.count, power=p.power, ramp=p.ramp)
    wait = between(p.interval_min, p.interval_max, rng)
    return Trial(
        State("code", start=Code(SYNC, (past.n + 1) % 4096), after=(130 * ms, "before")),
        State("before", after=(p.before, "light")),
        State("light", start=train, when={train.ended: "interval"}, outcome="stimulated"),
        State("interval", after=(wait, END)),
        power_mw=p.power.mw,
    )
