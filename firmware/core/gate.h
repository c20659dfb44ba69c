/* The gate: what an encoder interrupt may know and decide.
 *
 * Whatever lever rules are armed, there is one interval of positions in which nothing happens. The step computes it
 * (gate_aim in rules.c); the interrupt only moves the position and compares it with the two ends. On leaving the
 * interval the interrupt may at once set the outputs that the coming transition will set, and keeps this and all
 * further edges for the step, which then decides everything in the order and at the times it happened. So a board's
 * pin moves within microseconds and the record is the same however late the step came.
 *
 * Positions here are 16 bits from an origin that the step moves along: the interrupt of an 8-bit chip stays short. */
#ifndef RIG_GATE_H
#define RIG_GATE_H
#include <stdint.h>
#include "limits.h"

#define GATE_REACH 30000
#define GATE_NO_PINS 0xFFFFu

typedef struct {
    uint32_t t_us;
    int8_t delta;
} gate_edge_t;

typedef struct {
    int16_t pos, lo, hi;      /* nothing happens while lo < pos < hi */
    uint16_t at_lo, at_hi;    /* outputs active once that end is reached, or GATE_NO_PINS */
    uint32_t until_us;        /* ... if it is reached no later than this ... */
    uint8_t timed;            /* ... where this is set */
    volatile uint8_t waiting; /* edges are kept for the step */
    volatile uint8_t head, tail;
    uint8_t merged;           /* edges that found the ring full: counts kept, times merged */
    gate_edge_t ring[RIG_EDGE_RING];
} gate_t;

/* An edge moved the lever by delta counts at t_us. Returns the outputs to make active now, or GATE_NO_PINS.
 * Called from the encoder's interrupt; nothing else writes pos, head or waiting while interrupts are on. */
static inline uint16_t gate_edge(gate_t *g, uint32_t t_us, int8_t delta)
{
    uint16_t pins = GATE_NO_PINS;
    if (!g->waiting) {
        int16_t pos = (int16_t)(g->pos + delta);
        if (g->lo < pos && pos < g->hi) {
            g->pos = pos;
            return GATE_NO_PINS;
        }
        g->waiting = 1;
        pins = pos >= g->hi ? g->at_hi : g->at_lo;
        if (g->timed && (int32_t)(t_us - g->until_us) > 0)
            pins = GATE_NO_PINS;
    }
    uint8_t next = (uint8_t)((g->head + 1) & (RIG_EDGE_RING - 1));
    if (next == g->tail) {
        gate_edge_t *last = &g->ring[(g->head - 1) & (RIG_EDGE_RING - 1)];
        last->delta = (int8_t)(last->delta + delta);
        g->merged = 1;
    } else {
        g->ring[g->head].t_us = t_us;
        g->ring[g->head].delta = delta;
        g->head = next;
    }
    return pins;
}

#endif
