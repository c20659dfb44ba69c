/* Safety, the last act of every step: ceilings, duty, dead-man, interlock. See core.h.
 *
 * A fault ends the trial, makes every output safe in the same step and takes the arming away. Only the host's `arm`
 * brings it back. Nothing else in the core writes active_outputs, arming, lock, faults or limits, nor sets the timers
 * that guard them (tests/test_explore.py); tests/explore tries every way around this. */
#include "core.h"
#include <string.h>

static uint32_t hard_cap_us(uint8_t output)
{
    return output == OUT_VALVE ? RIG_CAP_VALVE_US : output == OUT_LASER ? RIG_CAP_LASER_US : WIRE_MAX_TIMER_US;
}

static bool interlock_open(const core_t *c)
{
    return c->interlock < RIG_INPUTS && !(c->levels >> c->interlock & 1);
}

/* The host's lock covers the wiring of the interlock's input. */
bool safety_holds_wiring(const core_t *c, uint8_t changed_inputs)
{
    return c->locked && c->interlock < RIG_INPUTS && (changed_inputs >> c->interlock & 1);
}

void safety_disarm(core_t *c)
{
    c->armed = 0;
    timer_clear(c, TIMER_DEADMAN);
}

RIG_SELDOM void safety_fault(core_t *c, uint8_t fault, uint16_t detail)
{
    uint8_t body[3] = {fault};
    wire_put_u16(body + 1, detail);
    emit(c, MSG_FAULT, body, sizeof body);
    c->faults |= (uint16_t)(1u << fault);
    c->staged = c->filling = 0;
    safety_disarm(c);
    if (c->running)
        trial_end(c, END_REASON_FAULT);
}

/* The inputs have changed: true where that opened the interlock. */
bool safety_interlock_fault(core_t *c)
{
    if (!c->armed || !interlock_open(c))
        return false;
    safety_fault(c, FAULT_INTERLOCK, c->interlock);
    return true;
}

void core_host_heard(core_t *c, uint32_t now_us)
{
    if (c->armed && !later(c->due_us[TIMER_DEADMAN], now_us))
        core_step(c, now_us); /* it was due before this word came: too late is too late */
    if (c->armed)
        timer_set(c, TIMER_DEADMAN, now_us + c->deadman_us);
}

/* --- ceilings and duty -------------------------------------------------------------------------------------------- */

static uint32_t duty_spent(const duty_t *d)
{
    uint32_t sum_us = 0;
    for (uint8_t i = 0; i <= RIG_DUTY_BINS; i++)
        sum_us += d->bins[i];
    return sum_us;
}

RIG_SELDOM static uint32_t duty_left(const duty_t *d)
{
    uint32_t spent_us = duty_spent(d);
    return spent_us >= d->max_duty_us ? 0 : d->max_duty_us - spent_us;
}

/* Book on-time into the duty window's parts up to t. The window is watched as one part more than it has, so what is
 * counted is never less than the on-time within any stretch of the window's length. */
RIG_SELDOM static void book(duty_t *d, uint32_t t_us, bool on)
{
    while (t_us - d->bin_start_us >= d->bin_us && (on || duty_spent(d))) {
        uint32_t end_us = d->bin_start_us + d->bin_us;
        if (on) {
            d->bins[d->bin] += end_us - d->counted_us;
            d->counted_us = end_us;
        }
        d->bin = d->bin == RIG_DUTY_BINS ? 0 : (uint8_t)(d->bin + 1);
        d->bins[d->bin] = 0;
        d->bin_start_us = end_us;
    }
    if (!on && !duty_spent(d))
        d->bin_start_us = t_us; /* with nothing in the window, its parts are counted from here */
    if (on) {
        d->bins[d->bin] += t_us - d->counted_us;
        d->counted_us = t_us;
    }
}

/* The duty of an output, where it is watched; else 0. */
static inline duty_t *watched_duty(core_t *c, uint8_t o)
{
    return o < RIG_DUTY_OUTPUTS && c->duty[o].bin_us ? &c->duty[o] : 0;
}

static void watch(core_t *c, uint8_t o)
{
    const limit_t *l = &c->limit[o];
    const duty_t *d = watched_duty(c, o);
    uint32_t on_us = c->t_us - l->on_since_us;
    uint32_t left_us = on_us >= l->max_on_us ? 0 : l->max_on_us - on_us;
    uint8_t fault = FAULT_CEILING;
    if (d && duty_left(d) < left_us) {
        left_us = duty_left(d);
        fault = FAULT_DUTY;
    }
    if (left_us)
        timer_set(c, (uint8_t)(TIMER_LIMIT + o), c->t_us + left_us);
    else
        safety_fault(c, fault, o);
}

bool safety_allows(core_t *c, uint8_t outputs)
{
    uint8_t turn_on = (uint8_t)(outputs & ~c->active_outputs);
    for (uint8_t o = 0; turn_on; o++, turn_on >>= 1) {
        const duty_t *d = turn_on & 1 ? watched_duty(c, o) : 0;
        if (d && !duty_left(d))
            return false;
    }
    return true;
}

/* What is off for the whole window is forgotten before the clock comes round and makes it look recent. */
RIG_SELDOM static void forget(core_t *c, duty_t *d, uint8_t o)
{
    uint32_t empty_us = d->counted_us + (RIG_DUTY_BINS + 1) * d->bin_us;
    if (later(empty_us, c->t_us))
        timer_set(c, (uint8_t)(TIMER_LIMIT + o), empty_us);
    else
        memset(d->bins, 0, sizeof d->bins);
}

void safety_limit_timer(core_t *c, uint8_t o)
{
    duty_t *d = watched_duty(c, o);
    if (c->active_outputs & BIT[o]) {
        if (d)
            book(d, c->t_us, true);
        watch(c, o);
    } else if (d) {
        forget(c, d, o);
    }
}

static void switch_output(core_t *c, uint8_t o, bool on)
{
    duty_t *d = watched_duty(c, o);
    if (d)
        book(d, c->t_us, !on);
    if (on) {
        c->limit[o].on_since_us = c->t_us;
        if (d)
            d->counted_us = c->t_us;
        watch(c, o);
    } else {
        timer_clear(c, (uint8_t)(TIMER_LIMIT + o));
        if (d)
            forget(c, d, o);
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
    RIG_SHOW();
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
    if (window_us && o >= RIG_DUTY_OUTPUTS)
        return STATUS_BAD_VALUE;
    c->limit[o] = (limit_t){.max_on_us = max_on_us};
    if (o < RIG_DUTY_OUTPUTS) {
        duty_t *d = &c->duty[o];
        *d = (duty_t){.bin_us = (window_us + RIG_DUTY_BINS - 1) >> RIG_DUTY_SHIFT, .max_duty_us = duty_us};
        d->bin_start_us = c->t_us;
    }
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
    if (interlock_open(c))
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
