"""Flush of the water line, without an animal. The valve opens again and again for a given time, until as many openings
were made as were asked for. Openings stay within the valve's own ceilings, so that nothing can leave it open: to flush
faster, raise them in config.yaml and know why. It stops at once on Ctrl-C.

Sources: none needed. Openings outside of the calibration are not counted as water.
"""

from rig import *

PARAMS = Params(
    opening=Param(100 * ms, "the valve is open so long", 1 * ms, 2 * s),
    pause=Param(1100 * ms, "and then closed so long", 10 * ms, 60 * s),
)


def trial(p, past, rng):
    """One opening."""
    return Trial(
        State("open", start=Pulse(VALVE, p.opening), after=(p.opening, "closed"), outcome="flushed"),
        State("closed", after=(p.pause, END)),
    )
