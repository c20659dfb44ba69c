/* The timers, and which of them is due first. See core.h.
 *
 * The lever sample changes nothing but the record, so it stands apart: the gate stays open while it is taken. */
#include "core.h"

const uint8_t BIT[8] = {1, 2, 4, 8, 16, 32, 64, 128};

bool timer_waits(const core_t *c, uint8_t timer)
{
    return c->waiting[timer >> 3] & BIT[timer & 7];
}

void timer_set(core_t *c, uint8_t timer, uint32_t due_us)
{
    uint8_t first = c->first;
    c->due_us[timer] = due_us;
    c->waiting[timer >> 3] |= BIT[timer & 7];
    if (timer == TIMER_SAMPLE || first == TIMER_UNKNOWN)
        return;
    if (first == TIMERS)
        c->first = timer;
    else if (timer == first)
        c->first = TIMER_UNKNOWN;
    else if (later(c->due_us[first], due_us) || (timer < first && c->due_us[first] == due_us))
        c->first = timer;
}

void timer_clear(core_t *c, uint8_t timer)
{
    c->waiting[timer >> 3] &= (uint8_t)~BIT[timer & 7];
    if (timer == c->first)
        c->first = TIMER_UNKNOWN;
}

/* The first timer due, the sample apart, or TIMERS. Of two at the same microsecond the lower one is first. */
uint8_t timer_first(core_t *c)
{
    if (c->first != TIMER_UNKNOWN)
        return c->first;
    uint8_t first = TIMERS;
    for (uint8_t base = 0; base < TIMER_SAMPLE; base = (uint8_t)(base + 8)) {
        uint8_t bits = c->waiting[base >> 3];
        for (uint8_t i = base; bits; i++, bits >>= 1)
            if ((bits & 1) && i != TIMER_SAMPLE && (first == TIMERS || later(c->due_us[first], c->due_us[i])))
                first = i;
    }
    c->first = first;
    return first;
}

uint32_t core_next(core_t *c, uint32_t now_us)
{
    if (c->gate.waiting || c->input_head != c->input_tail)
        return now_us;
    uint32_t next_us = now_us + WIRE_MAX_TIMER_US;
    uint8_t timer = timer_first(c);
    if (timer != TIMERS && later(next_us, c->due_us[timer]))
        next_us = c->due_us[timer];
    if (timer_waits(c, TIMER_SAMPLE) && later(next_us, c->due_us[TIMER_SAMPLE]))
        next_us = c->due_us[TIMER_SAMPLE];
    return next_us;
}
