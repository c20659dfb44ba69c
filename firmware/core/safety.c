/* Safety, the last act of every step: ceilings, duty, dead-man, interlock. See core.h.
 *
 * A fault ends the trial, makes every output safe in the same step and takes the arming away. Only the host's `arm`
 * brings it back. Nothing else in the core writes active_outputs. */
#include "core.h"
#include <string.h>

static uint32_t hard_cap_us(uint8_t output)
{
    return output == OUT_VALVE ? RIG_CAP_VALVE_US : output == OUT_LASER ? RIG_CAP_LASER_US : WIRE_MAX_TIMER_US;
}

bool safety_interlock_open(const core_t *c)
{
    return c->interlock < RIG_INPUTS && !(c->levels >> c->interlock & 1);
}

RIG_SELDOM void safety_fault(core_t *c, uint8_t fault, uint16_t detail)
{
    uint8_t body[3] = {fault};
    wire_put_u16(body + 1, detail);
    emit(c, MSG_FAULT, body, sizeof body);
    c->faults |= (uint16_t)(1u << fault);
    c->armed = 0;
    c->staged = c->filling = 0;
    timer_clear(c, TIMER_DEADMAN);
    if (c->running)
        trial_end(c, END_REASON_FAULT);
}

/* --- ceilings and duty -------------------------------------------------------------------------------------------- */

static uint32_t duty_spent(const limit_t *l)
{
    uint32_t sum_us = 0;
    for (uint8_t i = 0; i <= RIG_DUTY_BINS; i++)
        sum_us += l->bins[i];
    return sum_us;
}

RIG_SELDOM static uint32_t duty_left(const limit_t *l)
{
    uint32_t spent_us = duty_spent(l);
    return spent_us >= l->max_duty_us ? 0 : l->max_duty_us - spent_us;
}

/* Book on-time into the duty window's parts up to t. The window is watched as one part more than it has, so what is
 * counted is never less than the on-time within any stretch of the window's length. */
RIG_SELDOM static void book_duty(limit_t *l, uint32_t t_us, bool on)
{
    while (t_us - l->bin_start_us >= l->bin_us && (on || duty_spent(l))) {
        uint32_t end_us = l->bin_start_us + l->bin_us;
        if (on) {
            l->bins[l->bin] += end_us - l->counted_us;
            l->counted_us = end_us;
        }
        l->bin = l->bin == RIG_DUTY_BINS ? 0 : (uint8_t)(l->bin + 1);
        l->bins[l->bin] = 0;
        l->bin_start_us = end_us;
    }
    if (!on && !duty_spent(l))
        l->bin_start_us = t_us; /* with nothing in the window, its parts are counted from here */
    if (on) {
        l->bins[l->bin] += t_us - l->counted_us;
        l->counted_us = t_us;
    }
}

static inline void book(limit_t *l, uint32_t t_us, bool on)
{
    if (l->bin_us)
        book_duty(l, t_us, on);
}

/* An output that is on may stay on for so long; 0 where it must go off. Sets `fault` to the reason. */
static uint32_t may_stay(const limit_t *l, uint32_t t_us, uint8_t *fault)
{
    uint32_t on_us = t_us - l->on_since_us;
    uint32_t left_us = on_us >= l->max_on_us ? 0 : l->max_on_us - on_us;
    *fault = FAULT_CEILING;
    if (l->bin_us && duty_left(l) < left_us) {
        left_us = duty_left(l);
        *fault = FAULT_DUTY;
    }
    return left_us;
}

static void watch(core_t *c, uint8_t o)
{
    uint8_t fault;
    uint32_t left_us = may_stay(&c->limit[o], c->t_us, &fault);
    if (left_us)
        timer_set(c, (uint8_t)(TIMER_LIMIT + o), c->t_us + left_us);
    else
        safety_fault(c, fault, o);
}

bool safety_allows(const core_t *c, uint16_t outputs)
{
    uint8_t turn_on = (uint8_t)(outputs & ~c->active_outputs);
    for (const limit_t *l = c->limit; turn_on; l++, turn_on >>= 1)
        if ((turn_on & 1) && l->bin_us && !duty_left(l))
            return false;
    return true;
}

/* What is off for the whole window is forgotten before the clock comes round and makes it look recent. */
RIG_SELDOM static void forget_duty(core_t *c, uint8_t o)
{
    limit_t *l = &c->limit[o];
    uint32_t empty_us = l->counted_us + (RIG_DUTY_BINS + 1) * l->bin_us;
    if (later(empty_us, c->t_us))
        timer_set(c, (uint8_t)(TIMER_LIMIT + o), empty_us);
    else
        memset(l->bins, 0, sizeof l->bins);
}

static inline void forget(core_t *c, uint8_t o)
{
    timer_clear(c, (uint8_t)(TIMER_LIMIT + o));
    if (c->limit[o].bin_us)
        forget_duty(c, o);
}

void safety_limit_timer(core_t *c, uint8_t o)
{
    limit_t *l = &c->limit[o];
    if (!(c->active_outputs & BIT[o])) {
        forget(c, o);
        return;
    }
    book(l, c->t_us, true);
    watch(c, o);
}

static void switch_output(core_t *c, uint8_t o, bool on)
{
    limit_t *l = &c->limit[o];
    book(l, c->t_us, !on);
    if (on) {
        l->on_since_us = l->counted_us = c->t_us;
        watch(c, o);
    } else {
        forget(c, o);
    }
}

void safety_apply(core_t *c, uint16_t wanted)
{
    if (!c->armed)
        wanted = 0;
    if (wanted == c->active_outputs)
        return;
    uint8_t turn_on = (uint8_t)(wanted & ~c->active_outputs);
    for (uint8_t o = 0; turn_on; o++, turn_on >>= 1)
        if (turn_on & 1) {
            switch_output(c, o, true);
            if (!c->armed) { /* it may not: everything goes safe, and this one never came on */
                wanted = 0;
                break;
            }
        }
    uint8_t turn_off = (uint8_t)(c->active_outputs & ~wanted);
    for (uint8_t o = 0; turn_off; o++, turn_off >>= 1)
        if (turn_off & 1)
            switch_output(c, o, false);
    if (wanted == c->active_outputs)
        return;
    c->active_outputs = wanted;
    uint32_t late_us = c->now_us - c->t_us;
    uint8_t *at = event(c, MSG_OUTPUT, 4);
    if (at)
        wire_put_u16(wire_put_u16(at, wanted), (uint16_t)(late_us > 0xFFFF ? 0xFFFF : late_us));
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static uint8_t set_output(core_t *c, const uint8_t *f)
{
    uint8_t o = f[0];
    if (o >= RIG_OUTPUTS)
        return STATUS_BAD_INDEX;
    uint32_t max_on_us = wire_get_u32(f + 2), window_us = wire_get_u32(f + 6), duty_us = wire_get_u32(f + 10);
    if (max_on_us == 0 || max_on_us > hard_cap_us(o) || window_us > WIRE_MAX_TIMER_US)
        return STATUS_BAD_VALUE;
    if (window_us && (window_us < 8000 || duty_us == 0 || duty_us > window_us))
        return STATUS_BAD_VALUE;
    limit_t *l = &c->limit[o];
    *l = (limit_t){.max_on_us = max_on_us, .bin_us = (window_us + RIG_DUTY_BINS - 1) >> RIG_DUTY_SHIFT, .max_duty_us = duty_us};
    l->bin_start_us = c->t_us;
    uint16_t bit = (uint16_t)(1u << o);
    c->safe_levels = (uint16_t)(f[1] ? c->safe_levels | bit : c->safe_levels & ~bit);
    return STATUS_OK;
}

static uint8_t set_safety(core_t *c, const uint8_t *f)
{
    uint32_t deadman_us = wire_get_u32(f);
    if (deadman_us < 1000 || deadman_us > RIG_CAP_DEADMAN_US || (f[4] != WIRE_NO_INPUT && f[4] >= RIG_INPUTS))
        return STATUS_BAD_VALUE;
    c->deadman_us = deadman_us;
    c->interlock = f[4];
    return STATUS_OK;
}

static uint8_t arm_command(core_t *c)
{
    if (!c->locked)
        return STATUS_NOT_LOCKED;
    if (safety_interlock_open(c))
        return STATUS_FAULTED;
    c->faults = 0;
    c->armed = 1;
    c->last_trial = 0;
    timer_set(c, TIMER_DEADMAN, c->t_us + c->deadman_us);
    emit(c, MSG_ARMED, 0, 0);
    return STATUS_OK;
}

uint8_t safety_command(core_t *c, uint8_t message, const uint8_t *f, uint8_t size)
{
    (void)size;
    if (message == MSG_ARM)
        return arm_command(c);
    if (c->locked)
        return message == MSG_LOCK ? STATUS_OK : STATUS_LOCKED;
    if (message == MSG_SET_OUTPUT)
        return set_output(c, f);
    if (message == MSG_SET_SAFETY)
        return set_safety(c, f);
    for (uint8_t o = 0; o < RIG_OUTPUTS; o++) /* what was never said is held to the hard cap */
        if (!c->limit[o].max_on_us)
            c->limit[o].max_on_us = hard_cap_us(o);
    c->locked = 1;
    return STATUS_OK;
}
