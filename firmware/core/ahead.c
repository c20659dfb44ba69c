/* Aiming the gate: what the outputs will be once the lever, the next deadline or an input moves the trial. See gate.h.
 *
 * An answer is given only where it is certain; else it is GATE_NO_PINS and the step decides. Nothing here changes what
 * is decided: it only lets an interrupt do at once what the step will do anyway. */
#include "core.h"

typedef struct {
    core_t *c;
    span_t span;          /* of positions for which all this holds */
    uint8_t watched;      /* the inputs on which it rests */
    uint8_t levels;       /* inputs as they will be */
    uint8_t on, live;     /* generators as they will be, bit each */
    uint8_t level[OUT_MASK + 1]; /* of lights, if they come on */
    uint8_t known;        /* lights whose level is settled in the gate */
} aim_t;

static bool is_light(uint8_t output)
{
    return output == OUT_LASER || output == OUT_MASK;
}

/* These outputs will be active, lights with the levels in `a`. NO_PINS where that is not allowed, or where a light
 * may also come on with another level: only one can be kept ready. */
static uint16_t decided(aim_t *a, uint16_t outputs)
{
    core_t *c = a->c;
    uint16_t coming = (uint16_t)(outputs & ~c->active_outputs);
    if (coming && !safety_allows(c, outputs))
        return GATE_NO_PINS;
    for (uint8_t o = OUT_LASER, bit = 1 << OUT_LASER; o <= OUT_MASK; o++, bit = (uint8_t)(bit << 1)) {
        if (!(coming & bit))
            continue;
        if (!(a->known & bit))
            c->gate.level[o] = a->level[o];
        else if (c->gate.level[o] != a->level[o])
            return GATE_NO_PINS;
        a->known |= bit;
    }
    return outputs;
}

static void shine(aim_t *a, const wire_generator_t *plan)
{
    bool light = plan->kind == GENERATOR_PULSE || plan->kind == GENERATOR_TRAIN;
    if (light && is_light(plan->output) && plan->level < a->level[plan->output])
        a->level[plan->output] = plan->level;
}

/* Generator g is stopped or started as a state asks. */
static void restart(aim_t *a, uint8_t g, uint8_t bit, bool start)
{
    const core_t *c = a->c;
    const wire_generator_t *plan = &running_table(c)->generator[g];
    bool light = plan->kind == GENERATOR_PULSE || plan->kind == GENERATOR_TRAIN;
    bool on = light && plan->ramp_us && c->generator[g].phase != GENERATOR_DELAYS && (a->live & bit); /* it ramps */
    if (start)
        on = !plan->delay_us && plan->kind != GENERATOR_TONE && plan->kind != GENERATOR_SOUND;
    a->on = (uint8_t)(on ? a->on | bit : a->on & ~bit);
    if (on)
        shine(a, plan);
}

static uint16_t outputs_of(const core_t *c, uint8_t on)
{
    const wire_generator_t *plan = running_table(c)->generator;
    uint16_t outputs = 0;
    for (; on; on >>= 1, plan++)
        if (on & 1)
            outputs |= (uint16_t)(1u << plan->output);
    return outputs;
}

/* Will a state be left at once, entered with the lever at `pos`? */
static bool passes(aim_t *a, const wire_state_t *state, int32_t pos, span_t *narrower)
{
    for (const uint8_t *when = &state->on0; when < &state->on0 + 2 * WIRE_WHEN_PER_STATE; when += 2) {
        uint8_t code = *when;
        if (code >= ON_INPUT && code < ON_HOST) {
            a->watched |= (uint8_t)(1u << ((code - ON_INPUT) >> 2));
            if (input_holds(a->levels, code))
                return true;
        } else if (code >= ON_RULE && code < ON_INPUT) {
            if ((state->flags & STATE_FLAG_ZERO_LEVER) || rule_level_ahead(a->c, state->rules, code, pos, narrower))
                return true;
        }
    }
    return false;
}

/* The outputs once `target` is entered with the lever at `pos`; `narrower` where it may still move until then. */
static uint16_t outputs_after(aim_t *a, uint8_t target, int32_t pos, span_t *narrower)
{
    core_t *c = a->c;
    if (target == WIRE_END)
        return c->staged && !c->last_trial ? GATE_NO_PINS : 0;
    const wire_state_t *state = &running_table(c)->state[target];
    if (passes(a, state, pos, narrower))
        return GATE_NO_PINS;
    uint8_t on = a->on, bit = 1;
    for (uint8_t g = 0, asked = state->start | state->stop; asked; g++, asked >>= 1, bit = (uint8_t)(bit << 1))
        if (asked & 1)
            restart(a, g, bit, state->start & bit);
    uint16_t outputs = decided(a, state->outputs | outputs_of(c, a->on));
    a->on = on;
    return outputs;
}

static void dim(aim_t *a)
{
    a->level[OUT_LASER] = a->c->level[OUT_LASER];
    a->level[OUT_MASK] = a->c->level[OUT_MASK];
}

/* A code is raised with the lever at `pos`. */
static uint16_t outputs_on(aim_t *a, uint8_t code, int32_t pos, span_t *narrower)
{
    dim(a);
    uint8_t target = code ? trial_target(a->c, code) : GO_NONE;
    return target == GO_NONE ? GATE_NO_PINS : outputs_after(a, target, pos, narrower);
}

/* One timer comes due; returns the transition it asks for, or GO_NONE. False in `sure` where it cannot be foreseen. */
static uint8_t expire(aim_t *a, uint8_t timer, bool *sure)
{
    core_t *c = a->c;
    if (timer < TIMER_RULE)
        *sure = false;
    else if (timer < TIMER_GENERATOR)
        return trial_target(c, rule_timer_code(c, (uint8_t)(timer - TIMER_RULE)));
    else if (timer == TIMER_STATE)
        return running_table(c)->state[c->state].after_to;
    else {
        uint8_t g = (uint8_t)(timer - TIMER_GENERATOR), bit = (uint8_t)(1u << g), next = generator_ahead(c, g);
        a->on = (uint8_t)(next == GENERATOR_COMES_ON ? a->on | bit : a->on & ~bit);
        if (next == GENERATOR_COMES_ON)
            shine(a, &running_table(c)->generator[g]);
        if (next == GENERATOR_ENDS) {
            a->live &= (uint8_t)~bit;
            return trial_target(c, (uint8_t)(ON_GENERATOR + g));
        }
    }
    return GO_NONE;
}

/* The outputs once every timer that is due then has been taken, or GATE_NO_PINS. */
static uint16_t outputs_at(aim_t *a, uint8_t first, uint32_t due_us)
{
    core_t *c = a->c;
    uint8_t target = GO_NONE, on = a->on, live = a->live;
    bool sure = true;
    dim(a);
    for (uint8_t timer = first; timer <= TIMER_STATE && sure; timer++) {
        if (!timer_waits(c, timer) || c->due_us[timer] != due_us)
            continue;
        if (target == GO_NONE)
            target = expire(a, timer, &sure);
        else if (timer != TIMER_STATE) /* it would come due in the next state: too much to foresee */
            sure = false;
    }
    uint16_t outputs = GATE_NO_PINS;
    if (sure && target != GO_NONE)
        outputs = outputs_after(a, target, core_lever(c), &a->span);
    else if (sure)
        outputs = decided(a, running_table(c)->state[c->state].outputs | outputs_of(c, a->on));
    a->on = on;
    a->live = live;
    return outputs;
}

static void aim_input(aim_t *a, uint8_t input, uint8_t up, uint16_t outputs)
{
    gate_t *g = &a->c->gate;
    uint8_t bit = (uint8_t)(1u << input);
    a->watched |= bit & a->c->enabled;
    if (outputs == GATE_NO_PINS || g->inputs == sizeof g->input / sizeof g->input[0])
        return;
    uint8_t level = (uint8_t)((up ? bit : 0) ^ (a->c->invert & bit));
    g->input[g->inputs++] = (gate_input_t){.input = bit, .level = level, .outputs = outputs};
}

/* The inputs that may move the trial from where it is, and what each would do. */
static void aim_inputs(aim_t *a)
{
    core_t *c = a->c;
    const uint8_t *when = &running_table(c)->state[c->state].on0;
    for (uint8_t i = 0; i < 2 * WIRE_WHEN_PER_STATE; i = (uint8_t)(i + 2)) {
        uint8_t code = when[i];
        if (code < ON_INPUT || code >= ON_HOST)
            continue;
        uint8_t input = (uint8_t)((code - ON_INPUT) >> 2), edge = (uint8_t)((code - ON_INPUT) & 3);
        uint8_t up = edge == INPUT_EDGE_RISE || edge == INPUT_EDGE_HIGH, is_up = c->levels >> input & 1;
        uint16_t outputs = GATE_NO_PINS;
        bool second = edge >= INPUT_EDGE_HIGH && trial_target(c, (uint8_t)(code - INPUT_EDGE_HIGH)) != GO_NONE;
        if (up != is_up && !second && (c->enabled >> input & 1)) {
            a->levels = (uint8_t)(c->levels ^ (1u << input));
            outputs = outputs_on(a, code, core_lever(c), &a->span);
            a->levels = c->levels;
        }
        aim_input(a, input, up, outputs);
    }
}

static void aim_safety(aim_t *a)
{
    const core_t *c = a->c;
    if (c->armed && c->interlock < RIG_INPUTS)
        aim_input(a, c->interlock, 0, 0);
    a->watched |= rules_gates(c);
}

static uint8_t generators_on(const core_t *c, bool live)
{
    uint8_t mask = 0, bit = 1;
    for (uint8_t g = 0; g < RIG_GENERATORS; g++, bit = (uint8_t)(bit << 1))
        if (live ? c->generator[g].phase : c->generator[g].on)
            mask |= bit;
    return mask;
}

/* What the ends of the span raise. The lever stands exactly there when it happens. */
static void aim_ends(aim_t *a)
{
    gate_t *g = &a->c->gate;
    g->at_lo = outputs_on(a, a->span.lo_code, a->span.lo, 0);
    g->at_hi = outputs_on(a, a->span.hi_code, a->span.hi, 0);
}

static void aim(aim_t *a, uint8_t first, uint32_t due_us)
{
    core_t *c = a->c;
    gate_t *g = &c->gate;
    g->at_lo = g->at_hi = g->at_due = GATE_NO_PINS;
    g->inputs = 0;
    g->level[OUT_LASER] = c->level[OUT_LASER];
    g->level[OUT_MASK] = c->level[OUT_MASK];
    aim_safety(a);
    if (!c->running || !c->armed)
        return;
    a->on = generators_on(c, false);
    a->live = generators_on(c, true);
    if (first != TIMERS)
        g->at_due = outputs_at(a, first, due_us);
    aim_inputs(a);
    aim_ends(a);
}

static int16_t reach(int32_t counts)
{
    return (int16_t)(counts > GATE_REACH ? GATE_REACH : counts < -GATE_REACH ? -GATE_REACH : counts);
}

void gate_bound(core_t *c, const span_t *span)
{
    gate_t *g = &c->gate;
    c->origin_counts += g->pos;
    g->pos = 0;
    g->lo = reach(span->lo - c->origin_counts);
    g->hi = reach(span->hi - c->origin_counts);
    c->bounded = 1;
}

void gate_aim(core_t *c)
{
    gate_t *g = &c->gate;
    uint8_t first = timer_first(c);
    aim_t a = {.c = c, .span = rules_span(c), .levels = c->levels};
    g->timed = first != TIMERS;
    g->until_us = g->timed ? c->due_us[first] : 0;
    aim(&a, first, g->until_us);
    g->watched = a.watched;
    gate_bound(c, &a.span);
    if (g->lo == -GATE_REACH)
        g->at_lo = GATE_NO_PINS;
    if (g->hi == GATE_REACH)
        g->at_hi = GATE_NO_PINS;
    RIG_ATOMIC_BEGIN();
    if (g->head == g->tail && c->input_head == c->input_tail) {
        g->waiting = 0;
        RIG_GATE_OPENS(c);
    }
    RIG_ATOMIC_END();
}
