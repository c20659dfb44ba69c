"""Cores spoilt on purpose, one change each: the exploration has to find every one of them. Data only."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One change for the worse, and a part of the promise that it breaks."""

    name: str
    file: str
    old: str
    new: str
    breaks: str


MUTANTS = (
    Mutant(
        "a ceiling is a tick longer",
        *("safety.c", "l->max_on_us - on_us;", "l->max_on_us - on_us + 1;"),
        breaks="nobody will wake to end an output at its ceiling",
    ),
    Mutant(
        "a ceiling is not armed when an output comes on again",
        "safety.c",
        "        c->limit[o].on_since_us = c->t_us;\n",
        "        bool again = c->limit[o].on_since_us != 0;\n        c->limit[o].on_since_us = c->t_us;\n"
        "        if (again)\n            return;\n",
        breaks="nobody will wake to end an output at its duty",
    ),
    Mutant(
        "the interlock is ignored in one state",
        *("safety.c", "if (!c->armed || !interlock_open(c))", "if (!c->armed || c->state == 2 || !interlock_open(c))"),
        breaks="an interrupt showed what the step did not decide",
    ),
    Mutant(
        "the interlock is not asked when the host arms",
        *("safety.c", "    if (interlock_open(c))\n        return STATUS_FAULTED;\n", ""),
        breaks="still armed with the interlock open",
    ),
    Mutant(
        "the dead-man time leaves the gate's foreseen outputs",
        *(
            "core.c",
            "    decide_here(c);\n    timer_clear(c, timer);",
            "    if (timer)\n        decide_here(c);\n    timer_clear(c, timer);",
        ),
        breaks="an interrupt shows an output without arming",
    ),
    Mutant(
        "the dead-man time forgives a word that came too late",
        *("safety.c", "core_step(c, now_us); /* it was", "timer_clear(c, TIMER_DEADMAN); /* it was"),
        breaks="still armed after the dead-man time",
    ),
    Mutant(
        "an interrupt acts on what was foreseen though its time is over",
        *("gate.h", "return g->timed && (int32_t)(t_us - g->until_us) > 0;", "return g->timed && t_us == 1;"),
        breaks="an interrupt shows",
    ),
    Mutant(
        "an interrupt does not ask whether the duty is spent",
        *(
            "safety.c",
            "if (d && !duty_left(d))\n            return false;",
            "if (d && !d->bin_us)\n            return false;",
        ),
        breaks="an interrupt shows an output with its duty spent",
    ),
    Mutant(
        "a greeting arms again after a fault",
        *(
            "link.c",
            "        l->met = 1;\n",
            "        l->met = 1;\n        if (c->faults)\n            c->armed = 1;\n",
        ),
        breaks="a fault on a board that was not armed",
    ),
    Mutant(
        "a repeated command is taken again",
        *("link.c", "payload[1] != l->next_command)", "(uint8_t)(payload[1] - l->next_command) == 1)"),
        breaks="armed without the host's word",
    ),
    Mutant(
        "the trailer of a frame is not looked at",
        *(
            "frame.c",
            "if (reader->bytes[encoded + i] != expected[i])",
            "if (reader->bytes[encoded + i] == expected[i] + 1)",
        ),
        breaks="at the dead-man time",
    ),
    Mutant(
        "the duty forgets what was on when it goes off",
        *("safety.c", "        book(d, c->t_us, !on);\n", "        book(d, c->t_us, false);\n"),
        breaks="duty",
    ),
    Mutant(
        "the duty's window is two parts too short",
        *(
            "safety.c",
            "uint32_t empty_us = d->counted_us + (RIG_DUTY_BINS + 1) * d->bin_us;",
            "uint32_t empty_us = d->counted_us + d->bin_us;",
        ),
        breaks="duty",
    ),
    Mutant(
        "a stop leaves a generator running",
        *(
            "trial.c",
            "    generators_halt(c);\n",
            "    if (reason != END_REASON_STOPPED)\n        generators_halt(c);\n",
        ),
        breaks="a generator outlives its trial",
    ),
    Mutant(
        "a stop is forgotten when the next table comes",
        *("trial.c", "if (!c->running && !c->last_trial)", "if (!c->running)"),
        breaks="a trial begins after a stop",
    ),
    Mutant(
        "the lock does not hold the ceilings",
        *("safety.c", "    if (c->locked)\n", "    if (c->locked && message != MSG_SET_OUTPUT)\n"),
        breaks="nobody will wake to end an output at its duty",
    ),
    Mutant(
        "the lock does not hold the interlock's wiring",
        *("safety.c", "return c->locked && c->interlock", "return c->locked && c->armed && c->interlock"),
        breaks="interlock",
    ),
    Mutant(
        "an output that may not come on comes on after its fault",
        *("safety.c", "                wanted = 0;\n                break;", "                break;"),
        breaks="after a fault",
    ),
)
