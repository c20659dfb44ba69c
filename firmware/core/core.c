/* The step: takes what happened in the order it happened, and lets the other files decide. See core.h. */
#include "core.h"
#include <string.h>

void core_init(core_t *c, uint32_t now_us, uint16_t boot, uint8_t reason)
{
    memset(c, 0, sizeof *c);
    queue_init(&c->queue);
    c->now_us = c->t_us = now_us;
    c->boot = boot;
    c->interlock = WIRE_NO_INPUT;
    c->deadman_us = RIG_CAP_DEADMAN_US;
    c->go = GO_NONE;
    c->first = TIMER_UNKNOWN;
    for (uint8_t o = 0; o < RIG_OUTPUTS; o++)
        c->level[o] = 255;
    uint8_t body[3];
    *wire_put_u16(body, boot) = reason;
    emit(c, MSG_BOOT, body, sizeof body);
    gate_aim(c);
}

uint8_t *event(core_t *c, uint8_t message, uint8_t size)
{
    if (message != MSG_INPUT)
        c->news = 1;
    return queue_open(&c->queue, message, c->t_us, size);
}

void emit(core_t *c, uint8_t message, const uint8_t *body, uint8_t size)
{
    uint8_t *at = event(c, message, size);
    if (at && size)
        memcpy(at, body, size);
}

/* --- lever -------------------------------------------------------------------------------------------------------- */

int32_t core_lever(core_t *c)
{
    int16_t pos;
    RIG_ATOMIC_BEGIN();
    pos = c->gate.pos;
    RIG_ATOMIC_END();
    return c->origin_counts + pos;
}

void core_glimpse(core_t *c)
{
    c->glimpse_counts = c->origin_counts + c->gate.pos;
    c->glimpsed = 1;
}

/* An edge that was kept. Most lie where nothing happens, as the gate would have found had it been open. */
static void take_edge(core_t *c)
{
    gate_t *g = &c->gate;
    if (!c->bounded)
        gate_bound(c);
    int16_t pos = (int16_t)(g->pos + g->ring[g->tail].delta);
    if (pos <= g->far_lo || pos >= g->far_hi)
        g->stands = 0;
    RIG_ATOMIC_BEGIN(); /* an interrupt may ask where the lever is */
    g->pos = pos;
    g->tail = (uint8_t)((g->tail + 1) & (RIG_EDGE_RING - 1));
    RIG_ATOMIC_END();
    if (g->merged) {
        g->merged = 0;
        c->merged_edges++;
    }
    if (g->lo < pos && pos < g->hi)
        return;
    c->aimed = c->bounded = 0;
    rules_moved(c);
}

static void tell_trouble(core_t *c)
{
    uint16_t illegal, merged_inputs;
    RIG_ATOMIC_BEGIN(); /* interrupts count these */
    illegal = c->illegal;
    merged_inputs = c->merged_inputs;
    RIG_ATOMIC_END();
    uint16_t merged = (uint16_t)(c->merged_edges + merged_inputs);
    if (illegal == c->illegal_told && merged == c->merged_told)
        return;
    uint8_t body[6];
    wire_put_u16(wire_put_u16(wire_put_u16(body, illegal), c->merged_edges), merged_inputs);
    emit(c, MSG_INPUT_ERROR, body, sizeof body);
    c->illegal_told = illegal;
    c->merged_told = merged;
}

/* Tell the samples of a batch, the last of which was taken at t_us. */
static void flush_samples(core_t *c, uint32_t t_us)
{
    const uint16_t reserve = RIG_QUEUE_BYTES / 4; /* the last quarter is for decisions */
    uint8_t *at;
    if (c->thinned && (at = queue_open_if(&c->queue, MSG_THINNED, t_us, 4, reserve)) != 0) {
        wire_put_u32(at, c->thinned);
        c->thinned = 0;
    }
    at = c->thinned ? 0 : queue_open_if(&c->queue, MSG_LEVER, t_us, (uint8_t)(8 + 2 * c->sampled), reserve);
    if (!at)
        c->thinned += c->sampled;
    else
        at = wire_put_u32(wire_put_u32(at, c->period_us), (uint32_t)c->first_counts);
    for (uint8_t i = 0; at && i < c->sampled; i++)
        at = wire_put_u16(at, (uint16_t)c->offsets[i]);
    c->sampled = 0;
}

static void take_sample(core_t *c)
{
    int32_t counts = c->glimpsed ? c->glimpse_counts : core_lever(c);
    c->glimpsed = 0;
    int32_t change = counts - c->last_counts;
    if (change) {
        change = change < 0 ? -change : change;
        rules_sampled(c, (uint16_t)(change > 0xFFFF ? 0xFFFF : change));
        c->last_counts = counts;
    }
    if (c->sampled) {
        int32_t offset = counts - c->first_counts;
        if (offset > INT16_MAX || offset < INT16_MIN)
            flush_samples(c, c->t_us - c->period_us);
    }
    if (c->sampled == 0)
        c->first_counts = counts;
    c->offsets[c->sampled++] = (int16_t)(counts - c->first_counts);
    if (c->sampled == c->batch)
        flush_samples(c, c->t_us);
    tell_trouble(c);
    timer_set(c, TIMER_SAMPLE, c->t_us + c->period_us);
}

/* --- inputs ------------------------------------------------------------------------------------------------------- */

void core_input(core_t *c, uint32_t t_us, uint8_t levels)
{
    uint8_t next = (uint8_t)((c->input_head + 1) & (RIG_INPUT_RING - 1));
    if (next == c->input_tail) { /* too fast to be timed one by one: the last level is kept, and told */
        c->input_ring[(c->input_head - 1) & (RIG_INPUT_RING - 1)].levels = levels;
        c->merged_inputs++;
        return;
    }
    c->input_ring[c->input_head].t_us = t_us;
    c->input_ring[c->input_head].levels = levels;
    c->input_head = next;
}

/* Something is taken that may change what comes next: from here on the interrupts only keep what happens. */
static void decide_here(core_t *c)
{
    gate_shut(&c->gate);
    c->gate.stands = 0;
    c->aimed = c->bounded = 0;
}

static void look_at_inputs(core_t *c)
{
    uint8_t levels = (uint8_t)((c->raw_levels ^ c->invert) & c->enabled);
    uint8_t changed = (uint8_t)(levels ^ c->levels);
    if (!changed)
        return;
    if (c->gate.waiting || (changed & c->gate.watched))
        decide_here(c);
    c->levels = levels;
    uint8_t *at = event(c, MSG_INPUT, 4);
    if (at)
        wire_put_u16(wire_put_u16(at, levels), changed);
    if (safety_interlock_fault(c))
        return;
    for (uint8_t code = ON_INPUT; changed; code = (uint8_t)(code + 4), changed >>= 1, levels >>= 1) {
        if (!(changed & 1))
            continue;
        uint8_t up = levels & 1;
        trial_signal(c, (uint8_t)(code + (up ? INPUT_EDGE_RISE : INPUT_EDGE_FALL)));
        trial_signal(c, (uint8_t)(code + (up ? INPUT_EDGE_HIGH : INPUT_EDGE_LOW)));
    }
}

static void take_input(core_t *c)
{
    c->raw_levels = c->input_ring[c->input_tail].levels;
    c->input_tail = (uint8_t)((c->input_tail + 1) & (RIG_INPUT_RING - 1));
    look_at_inputs(c);
}

/* Inputs are wired so from now on: a pin that is high since power-on counts at once, not from its next change. */
static uint8_t inputs_command(core_t *c, const uint8_t *f)
{
    uint8_t enabled = (uint8_t)wire_get_u16(f), invert = (uint8_t)wire_get_u16(f + 2);
    uint8_t changed = (uint8_t)((enabled ^ c->enabled) | (invert ^ c->invert));
    if (safety_holds_wiring(c, changed))
        return STATUS_LOCKED;
    c->enabled = enabled;
    c->invert = invert;
    look_at_inputs(c);
    return STATUS_OK;
}

/* --- step --------------------------------------------------------------------------------------------------------- */

static void take_timer(core_t *c, uint8_t timer)
{
    decide_here(c);
    timer_clear(c, timer);
    if (timer == TIMER_DEADMAN)
        safety_fault(c, FAULT_DEADMAN, 0);
    else if (timer < TIMER_RULE)
        safety_limit_timer(c, (uint8_t)(timer - TIMER_LIMIT));
    else if (timer < TIMER_GENERATOR)
        rule_timer(c, (uint8_t)(timer - TIMER_RULE));
    else if (timer < TIMER_STATE)
        generator_timer(c, (uint8_t)(timer - TIMER_GENERATOR));
    else
        trial_signal(c, CAUSE_TIMER);
}

/* Take the earliest thing that happened no later than `now`; false where there is none. */
static bool take_next(core_t *c, uint32_t now_us)
{
    enum { NOTHING, EDGE, INPUT, TIMER, SAMPLE } what = NOTHING;
    const gate_t *g = &c->gate;
    uint32_t at_us = now_us;
    uint8_t timer = timer_first(c), head = g->head;
    if (timer_waits(c, TIMER_SAMPLE) && !later(c->due_us[TIMER_SAMPLE], at_us)) {
        at_us = c->due_us[TIMER_SAMPLE];
        what = SAMPLE;
    }
    if (timer != TIMERS && !later(c->due_us[timer], at_us)) {
        at_us = c->due_us[timer];
        what = TIMER;
    }
    if (c->input_head != c->input_tail && !later(c->input_ring[c->input_tail].t_us, at_us)) {
        at_us = c->input_ring[c->input_tail].t_us;
        what = INPUT;
    }
    if (head != g->tail && !later(g->ring[g->tail].t_us, at_us)) {
        at_us = g->ring[g->tail].t_us;
        what = EDGE;
    }
    if (what == NOTHING)
        return false;
    if (later(at_us, c->t_us)) {
        c->t_us = at_us;
        c->hops = 0;
    }
    if (what == EDGE)
        take_edge(c);
    else if (what == INPUT)
        take_input(c);
    else if (what == TIMER)
        take_timer(c, timer);
    else
        take_sample(c);
    return true;
}

static uint16_t wanted_outputs(const core_t *c)
{
    if (!c->running)
        return 0;
    return (uint16_t)(present_state(c)->outputs | c->generator_outputs);
}

void core_step_to(core_t *c, uint32_t upto_us, uint32_t now_us)
{
    if (later(upto_us, now_us))
        now_us = upto_us;
    if (later(now_us, c->now_us)) /* else an interrupt has stepped since the caller looked at the clock */
        c->now_us = now_us;
    do {
        while (take_next(c, upto_us)) {
            trial_follow(c);
            safety_apply(c, wanted_outputs(c));
        }
        if (later(upto_us, c->t_us)) {
            c->hops = 0;
            c->t_us = upto_us;
        }
        if (!c->bounded)
            gate_bound(c);
        if (c->gate.waiting && !RIG_MORE())
            gate_aim(c);
    } while (c->gate.head != c->gate.tail && !later(c->gate.ring[c->gate.tail].t_us, upto_us));
}

void core_step(core_t *c, uint32_t now_us)
{
    core_step_to(c, now_us, now_us);
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static uint8_t lever_command(core_t *c, const uint8_t *f)
{
    uint32_t period_us = wire_get_u32(f + 1);
    uint8_t batch = f[5];
    if (period_us < 100 || period_us > 1000000UL || batch == 0 || batch > RIG_BATCH)
        return STATUS_BAD_VALUE;
    if (c->sampled)
        flush_samples(c, c->due_us[TIMER_SAMPLE] - c->period_us);
    c->lever_source = f[0];
    c->period_us = period_us;
    c->batch = batch;
    c->last_counts = core_lever(c);
    c->glimpsed = 0;
    timer_set(c, TIMER_SAMPLE, c->t_us + period_us);
    return STATUS_OK;
}

static uint8_t simple_command(core_t *c, uint8_t message, const uint8_t *f)
{
    switch (message) {
    case MSG_SET_LEVER:
        return lever_command(c, f);
    case MSG_SET_INPUTS:
        return inputs_command(c, f);
    case MSG_HOST_EVENT:
        if (f[0] > 15)
            return STATUS_BAD_INDEX;
        trial_signal(c, (uint8_t)(ON_HOST + f[0]));
        return STATUS_OK;
    case MSG_ZERO_LEVER:
        lever_zero(c);
        return STATUS_OK;
    case MSG_RESTART:
        if (c->running)
            trial_end(c, END_REASON_STOPPED);
        safety_disarm(c);
        c->restart = 1;
        return STATUS_OK;
    case MSG_STOP:
        c->last_trial = 1;
        if (!f[0] && c->running)
            trial_end(c, END_REASON_STOPPED);
        return STATUS_OK;
    default:
        return STATUS_UNKNOWN;
    }
}

static uint8_t fields_size(uint8_t message)
{
    static const uint8_t sizes[] = {LEN_SET_OUTPUT,  LEN_SET_LEVER,   LEN_SET_SAFETY, LEN_SET_INPUTS,  LEN_LOCK,
                                    LEN_ARM,         LEN_STOP,        LEN_TABLE_BEGIN, LEN_TABLE_STATE, LEN_TABLE_RULE,
                                    LEN_TABLE_GENERATOR, LEN_TABLE_COMMIT, LEN_HOST_EVENT, LEN_ZERO_LEVER, LEN_RESTART};
    uint8_t index = (uint8_t)(message - MSG_SET_OUTPUT);
    return index < sizeof sizes ? sizes[index] : 0xFF;
}

uint8_t core_command(core_t *c, uint32_t now_us, uint8_t message, const uint8_t *fields, uint8_t size)
{
    core_step(c, now_us);
    if (fields_size(message) != size)
        return STATUS_UNKNOWN;
    bool idle_event = message == MSG_HOST_EVENT && (!c->running || trial_target(c, (uint8_t)(ON_HOST + (fields[0] & 15))) == GO_NONE);
    if ((message < MSG_TABLE_BEGIN || message > MSG_TABLE_GENERATOR) && !idle_event)
        decide_here(c);
    uint8_t status;
    if (message == MSG_SET_OUTPUT || message == MSG_SET_SAFETY || message == MSG_LOCK || message == MSG_ARM)
        status = safety_command(c, message, fields, size);
    else if (message >= MSG_TABLE_BEGIN && message <= MSG_TABLE_COMMIT)
        status = table_command(c, message, fields, size);
    else
        status = simple_command(c, message, fields);
    trial_follow(c);
    safety_apply(c, wanted_outputs(c));
    if (c->gate.waiting)
        gate_aim(c);
    return status;
}
