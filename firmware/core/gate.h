/* The gate: what an interrupt may know and decide.
 *
 * Whatever lever rules are armed, there is one interval of positions in which nothing happens; and whatever a trial is
 * doing, nothing else happens before its next deadline or before certain inputs change. The step works all this out
 * (gate_aim in ahead.c) together with the outputs that each of these would set. So an interrupt only moves the
 * position and compares, and where something does happen it sets the pins at once, shuts the gate and keeps this and
 * all further edges for the step, which decides everything in the order and at the times it happened. A board's pin
 * moves within microseconds and the record is the same however late the step came.
 *
 * Positions here are 16 bits from an origin that the step moves along: the interrupt of an 8-bit chip stays short. */
#ifndef RIG_GATE_H
#define RIG_GATE_H
#include <stdint.h>
#include "limits.h"
#include "wire.h"

#define GATE_REACH 20000
#define GATE_NO_PINS 0xFFFFu

typedef struct {
    uint32_t t_us;
    int16_t delta;
} gate_edge_t;

#define GATE_OTHER_TABLE(gate) ((uint8_t)(RIG_AHEAD_TABLES - 1 - (gate)->table))

typedef struct { /* one input, alone, comes to this raw level */
    uint8_t input, level;
    uint16_t outputs;
} gate_input_t;

typedef struct {
    volatile int16_t pos;     /* the interrupt's while the gate is open, the step's while it is shut */
    int16_t lo, hi;           /* nothing happens while lo < pos < hi */
    volatile uint8_t waiting; /* the gate is shut: edges are kept for the step, nothing is decided ahead of it */
    uint8_t timed;            /* there is a deadline ... */
    uint32_t until_us;        /* ... then: after it, nothing here is true any more */
    uint16_t at_lo, at_hi;    /* outputs active once that end is reached, or GATE_NO_PINS */
    uint16_t at_due;          /* outputs active once the deadline has come, or GATE_NO_PINS */
    volatile uint8_t stands;  /* deadline and inputs are foreseen even while the gate is shut, unless an edge leaves ... */
    int16_t far_lo, far_hi;   /* ... this interval, in which rules decide nothing that moves the trial */
    volatile uint8_t levels;  /* raw inputs as last seen */
    uint8_t watched;          /* the inputs that matter now */
    volatile uint8_t table;   /* which of these is true; the other one, where there are two, is being made */
    uint8_t inputs[RIG_AHEAD_TABLES];
    gate_input_t input[RIG_AHEAD_TABLES][RIG_AHEAD_INPUTS];
    uint8_t level[RIG_OUTPUTS]; /* light levels: of one that is off, should it come on; else once the deadline has come */
    volatile uint8_t head, tail;
    volatile uint8_t merged;  /* edges that found the ring full: counts kept, times merged */
    gate_edge_t ring[RIG_EDGE_RING];
} gate_t;

/* From now on the step decides. */
static inline void gate_shut(gate_t *g)
{
    g->waiting = 1;
    RIG_GATE_SHUT();
}

static inline uint8_t gate_expired(const gate_t *g, uint32_t t_us)
{
    return g->timed && (int32_t)(t_us - g->until_us) > 0;
}

/* Keep an edge for the step. */
static inline void gate_keep(gate_t *g, uint32_t t_us, int16_t delta)
{
    uint8_t next = (uint8_t)((g->head + 1) & (RIG_EDGE_RING - 1));
    if (next == g->tail) {
        gate_edge_t *last = &g->ring[(g->head - 1) & (RIG_EDGE_RING - 1)];
        last->delta = (int16_t)(last->delta + delta);
        g->merged = 1;
    } else {
        g->ring[g->head].t_us = t_us;
        g->ring[g->head].delta = delta;
        g->head = next;
    }
}

/* An edge moved the lever by delta counts at t_us. Returns the outputs to make active now, or GATE_NO_PINS.
 * Called from the encoder's interrupt; nothing else writes pos or head while the gate is open. */
static inline uint16_t gate_edge(gate_t *g, uint32_t t_us, int16_t delta)
{
    uint16_t pins = GATE_NO_PINS;
    if (!g->waiting) {
        int16_t pos = (int16_t)(g->pos + delta);
        if (g->lo < pos && pos < g->hi) {
            g->pos = pos;
            return GATE_NO_PINS;
        }
        if (!gate_expired(g, t_us) && (delta == 1 || delta == -1)) /* a jump may cross more than one threshold */
            pins = pos >= g->hi ? g->at_hi : g->at_lo;
        gate_shut(g);
    }
    gate_keep(g, t_us, delta);
    return pins;
}

/* The deadline until_us has come. Returns the outputs to make active now, or GATE_NO_PINS. */
static inline uint16_t gate_due(gate_t *g)
{
    uint8_t holds = !g->waiting || RIG_GATE_STANDS(g);
    gate_shut(g);
    g->stands = 0;
    return holds ? g->at_due : GATE_NO_PINS;
}

/* The inputs are at these raw levels now. Returns which of them matter to what is foreseen, where it is still
 * true, and shuts the gate then. */
static inline uint8_t gate_watch(gate_t *g, uint8_t levels)
{
    uint8_t changed = (uint8_t)((levels ^ g->levels) & g->watched);
    g->levels = levels;
    if (!changed)
        return 0;
    uint8_t holds = !g->waiting || RIG_GATE_STANDS(g);
    gate_shut(g);
    g->stands = 0;
    return holds ? changed : 0;
}

/* What is foreseen where inputs that matter have changed before the deadline. Returns as gate_edge does. */
static inline uint16_t gate_foreseen(const gate_t *g, uint8_t changed, uint8_t levels)
{
    const gate_input_t *input = g->input[g->table];
    for (uint8_t i = 0; i < g->inputs[g->table]; i++, input++)
        if (input->input == changed && input->level == (levels & changed))
            return input->outputs;
    return GATE_NO_PINS;
}

/* The inputs are at these raw levels since t_us; core_input keeps them for the step. Returns as gate_edge does. */
static inline uint16_t gate_input(gate_t *g, uint32_t t_us, uint8_t levels)
{
    uint8_t changed = gate_watch(g, levels);
    return changed && !gate_expired(g, t_us) ? gate_foreseen(g, changed, levels) : GATE_NO_PINS;
}

#endif
