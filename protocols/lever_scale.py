"""Rest and a known travel of the lever, without an animal. The lever is left alone for a time, then a person pushes it
to a known travel and holds it there; samples of both say its noise and the travel of a count. `rig calibrate lever`
runs it.

Sources: zero from 100 samples at rest, SD below a limit (TASK.md 6).
"""

from rig import *

PARAMS = Params(
    rest=Param(4 * s, "left alone for so long", 1 * s, 60 * s),
    move=Param(6 * s, "time to push it there", 0 * s, 60 * s),
    hold=Param(3 * s, "held there for so long", 0 * s, 60 * s),
)


def trial(p, past, rng):
    """One reading."""
    moved = [State("move", after=(p.move, "hold")), State("hold", after=(p.hold, END), outcome="held")]
    both = bool(p.move) and bool(p.hold)
    rest = State("rest", after=(p.rest, "move" if both else END), outcome="rested")
    return Trial(rest, *(moved if both else []))
