/* Aiming the gate: what the outputs will be once the lever, the next deadline or an input moves the trial. See gate.h.
 *
 * An answer is given only where it is certain; else it is GATE_NO_PINS and the step decides. Nothing here changes what
 * is decided: it only lets an interrupt do at once what the step will do anyway. */
#include "core.h"

#define AIM_US 2000 /* longer than a look ahead takes on the slowest board */

typedef struct { /* what is foreseen, and on what it rests */
    span_t span;          /* of positions for which it holds */
    bool levels_of_rules; /* on these, too */
    uint8_t watched;      /* the inputs on which it rests */
    uint8_t levels;       /* inputs as they will be */
    uint8_t on, live;     /* generators as they will be, bit each */
    uint8_t laser, mask;  /* light levels, if they come on; of a light that is on, never above what it will have */
    uint8_t unsure;       /* lights that may have a higher one */
    uint8_t known;        /* lights whose level is settled in the gate */
} aim_t;

static void dim(const core_t *c, aim_t *a)
{
    a->laser = c->level[OUT_LASER];
    a->mask = c->level[OUT_MASK];
    a->unsure = 0;
}

static void shine(aim_t *a, const wire_generator_t *plan, uint8_t level)
{
    if (plan->kind > GENERATOR_TRAIN)
        return;
    if (plan->output == OUT_LASER && level < a->laser)
        a->laser = level;
    if (plan->output == OUT_MASK && level < a->mask)
        a->mask = level;
}

/* A light comes on with this level. False where that is not known, or it may also come on with another one: only one can
 * be kept ready. */
static bool settle(core_t *c, aim_t *a, uint8_t output, uint8_t level)
{
    uint8_t bit = (uint8_t)(1u << output);
    if (a->unsure & bit)
        return false;
    if (a->known & bit)
        return c->gate.level[output] == level;
    a->known |= bit;
    c->gate.level[output] = level;
    return true;
}

/* These outputs will be active, lights with the levels in `a`; NO_PINS where that is not certain. */
static uint16_t decided(core_t *c, aim_t *a, uint8_t outputs)
{
    uint8_t coming = (uint8_t)(outputs & ~c->active_outputs);
    if (!coming)
        return outputs;
    if (!safety_allows(c, outputs))
        return GATE_NO_PINS;
    if ((coming & 1 << OUT_LASER) && !settle(c, a, OUT_LASER, a->laser))
        return GATE_NO_PINS;
    if ((coming & 1 << OUT_MASK) && !settle(c, a, OUT_MASK, a->mask))
        return GATE_NO_PINS;
    return outputs;
}

/* Generator g is stopped or started as a state asks. */
RIG_SELDOM static void restart(const core_t *c, aim_t *a, uint8_t g, uint8_t bit, bool start)
{
    const wire_generator_t *plan = &running_table(c)->generator[g];
    bool delays = c->generator[g].phase == GENERATOR_DELAYS && !(a->on & bit); /* nor does it come on just now */
    bool on = plan->kind <= GENERATOR_TRAIN && !delays && (a->live & bit);
    if (on && (start || !plan->ramp_us)) {
        a->unsure |= BIT[plan->output]; /* it may have held the level down */
        on = false;
    } /* else it ramps */
    if (start)
        on = !plan->delay_us && plan->kind != GENERATOR_TONE && plan->kind != GENERATOR_SOUND;
    a->on = (uint8_t)(on ? a->on | bit : a->on & ~bit);
    if (on)
        shine(a, plan, plan->level);
}

static uint8_t outputs_of(const core_t *c, uint8_t on)
{
    const wire_generator_t *plan = running_table(c)->generator;
    uint8_t outputs = 0;
    for (; on; on >>= 1, plan++)
        if (on & 1)
            outputs |= BIT[plan->output];
    return outputs;
}

/* Will a state be left at once, entered with the lever at `pos`? */
static bool passes(core_t *c, aim_t *a, const wire_state_t *state, int32_t pos, span_t *narrower)
{
    const uint8_t *when = &state->on0;
    for (uint8_t i = 0, code; i < WIRE_WHEN_PER_STATE && (code = when[0]) != 0; i++, when += 2) {
        if (code >= ON_INPUT && code < ON_HOST) {
            a->watched |= BIT[(code - ON_INPUT) >> 2];
            if (input_holds(a->levels, code))
                return true;
        } else if (code >= ON_RULE && code < ON_INPUT) {
            a->levels_of_rules = true;
            if ((state->flags & STATE_FLAG_ZERO_LEVER) || rule_level_ahead(c, state->rules, code, pos, narrower))
                return true;
        }
    }
    return false;
}

/* The outputs once `target` is entered with the lever at `pos`; `narrower` where it may still move until then. */
static uint16_t outputs_after(core_t *c, aim_t *a, uint8_t target, int32_t pos, span_t *narrower)
{
    if (target == WIRE_END)
        return c->staged && !c->last_trial ? GATE_NO_PINS : 0;
    const wire_state_t *state = &running_table(c)->state[target];
    if (passes(c, a, state, pos, narrower))
        return GATE_NO_PINS;
    uint8_t on = a->on, bit = 1;
    for (uint8_t g = 0, asked = state->start | state->stop; asked; g++, asked >>= 1, bit = (uint8_t)(bit << 1))
        if (asked & 1)
            restart(c, a, g, bit, state->start & bit);
    uint16_t outputs = decided(c, a, (uint8_t)state->outputs | outputs_of(c, a->on));
    a->on = on;
    return outputs;
}

/* A code is raised with the lever at `pos`. */
static uint16_t outputs_on(core_t *c, aim_t *a, uint8_t code, int32_t pos, span_t *narrower)
{
    uint8_t target = code ? trial_target(c, code) : GO_NONE;
    if (target == GO_NONE)
        return GATE_NO_PINS;
    dim(c, a);
    return outputs_after(c, a, target, pos, narrower);
}

/* --- the deadline ------------------------------------------------------------------------------------------------- */

/* One timer comes due; returns the transition it asks for, or GO_NONE. Clears `sure` where it cannot be foreseen. */
static uint8_t expire(const core_t *c, aim_t *a, uint8_t timer, bool *sure)
{
    if (timer < TIMER_RULE)
        *sure = false;
    else if (timer < TIMER_GENERATOR)
        return trial_target(c, rule_timer_code(c, (uint8_t)(timer - TIMER_RULE)));
    else if (timer == TIMER_STATE)
        return present_state(c)->after_to;
    else {
        uint8_t g = (uint8_t)(timer - TIMER_GENERATOR), bit = BIT[g], next = generator_ahead(c, g);
        a->on = (uint8_t)(next == GENERATOR_COMES_ON ? a->on | bit : a->on & ~bit);
        if (next == GENERATOR_COMES_ON)
            shine(a, &running_table(c)->generator[g], generator_level_ahead(c, g));
        if (next == GENERATOR_ENDS) {
            a->live &= (uint8_t)~bit;
            return trial_target(c, (uint8_t)(ON_GENERATOR + g));
        }
    }
    return GO_NONE;
}

/* The outputs once every timer that is due then has been taken, or GATE_NO_PINS. */
static uint16_t outputs_at(core_t *c, aim_t *a, uint8_t first, uint32_t due_us)
{
    uint8_t target = GO_NONE, on = a->on, live = a->live;
    bool sure = true;
    dim(c, a);
    for (uint8_t timer = first; timer <= TIMER_STATE && sure; timer++) {
        if (timer != first && (!timer_waits(c, timer) || c->due_us[timer] != due_us))
            continue;
        if (target == GO_NONE)
            target = expire(c, a, timer, &sure);
        else if (timer != TIMER_STATE) /* it would come due in the next state: too much to foresee */
            sure = false;
    }
    uint16_t outputs = GATE_NO_PINS;
    if (sure && target != GO_NONE)
        outputs = outputs_after(c, a, target, core_lever(c), &a->span);
    else if (sure)
        outputs = decided(c, a, (uint8_t)present_state(c)->outputs | outputs_of(c, a->on));
    a->on = on;
    a->live = live;
    return outputs;
}

/* --- inputs ------------------------------------------------------------------------------------------------------- */

static void aim_input(core_t *c, aim_t *a, uint8_t bit, bool up, uint16_t outputs)
{
    gate_t *g = &c->gate;
    a->watched |= bit & c->enabled;
    uint8_t table = GATE_OTHER_TABLE(g), *inputs = &g->inputs[table];
    if (outputs == GATE_NO_PINS || *inputs == RIG_AHEAD_INPUTS)
        return;
    gate_input_t *to = &g->input[table][(*inputs)++];
    to->input = bit;
    to->level = (uint8_t)((up ? bit : 0) ^ (c->invert & bit));
    to->outputs = outputs;
}

/* The inputs that may move the trial from where it is, and what each would do. */
static void aim_inputs(core_t *c, aim_t *a)
{
    const uint8_t *when = &present_state(c)->on0;
    for (uint8_t i = 0, code; i < WIRE_WHEN_PER_STATE && (code = when[0]) != 0; i++, when += 2) {
        if (code < ON_INPUT || code >= ON_HOST)
            continue;
        uint8_t bit = BIT[(code - ON_INPUT) >> 2], edge = (uint8_t)((code - ON_INPUT) & 3);
        bool up = edge == INPUT_EDGE_RISE || edge == INPUT_EDGE_HIGH, is_up = c->levels & bit;
        bool second = edge >= INPUT_EDGE_HIGH && trial_target(c, (uint8_t)(code - INPUT_EDGE_HIGH)) != GO_NONE;
        uint16_t outputs = GATE_NO_PINS;
        if (up != is_up && !second && (c->enabled & bit)) {
            a->levels = c->levels ^ bit;
            outputs = outputs_on(c, a, code, core_lever(c), &a->span);
            a->levels = c->levels;
        }
        aim_input(c, a, bit, up, outputs);
    }
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

/* What the ends of the span raise. The lever stands exactly there when it happens. */
static void aim_ends(core_t *c, aim_t *a)
{
    c->gate.at_lo = outputs_on(c, a, a->span.lo_code, a->span.lo, 0);
    c->gate.at_hi = outputs_on(c, a, a->span.hi_code, a->span.hi, 0);
}

static uint16_t aim(core_t *c, aim_t *a, uint8_t first, uint32_t due_us)
{
    gate_t *g = &c->gate;
    uint16_t at_due = GATE_NO_PINS;
    g->at_lo = g->at_hi = GATE_NO_PINS;
    g->inputs[GATE_OTHER_TABLE(g)] = 0;
    if (!(c->active_outputs & 1 << OUT_LASER)) /* of one that is on, what stands there may be wanted any moment */
        g->level[OUT_LASER] = c->level[OUT_LASER];
    if (!(c->active_outputs & 1 << OUT_MASK))
        g->level[OUT_MASK] = c->level[OUT_MASK];
    if (!c->armed)
        return at_due;
    if (c->interlock < RIG_INPUTS)
        aim_input(c, a, BIT[c->interlock], false, 0);
    if (!c->running)
        return at_due;
    a->watched |= rules_gates(c);
    a->levels = c->levels;
    a->on = c->generators_on;
    a->live = c->generators_live;
    a->known = 0;
    a->levels_of_rules = false;
    if (first != TIMERS) {
        at_due = outputs_at(c, a, first, due_us);
        if (c->active_outputs & 1 << OUT_LASER) /* a ramp's next step: never brighter than what will be decided */
            g->level[OUT_LASER] = a->laser;
        if (c->active_outputs & 1 << OUT_MASK)
            g->level[OUT_MASK] = a->mask;
    }
    aim_inputs(c, a);
    c->aim_is_near = a->levels_of_rules;
    aim_ends(c, a);
    return at_due;
}

static int16_t reach(int32_t counts)
{
    return (int16_t)(counts > GATE_REACH ? GATE_REACH : counts < -GATE_REACH ? -GATE_REACH : counts);
}

void gate_bound(core_t *c)
{
    gate_t *g = &c->gate;
    span_t far, span = rules_span(c, &far);
    if (c->aim_is_near)
        g->stands = 0;
    c->origin_counts += g->pos;
    int16_t far_lo = reach(far.lo - c->origin_counts), far_hi = reach(far.hi - c->origin_counts);
    RIG_ATOMIC_BEGIN();
    g->pos = 0;
    g->far_lo = far_lo;
    g->far_hi = far_hi;
    RIG_ATOMIC_END();
    g->lo = reach(span.lo - c->origin_counts);
    g->hi = reach(span.hi - c->origin_counts);
    c->lo_code = g->lo > -GATE_REACH ? span.lo_code : 0;
    c->hi_code = g->hi < GATE_REACH ? span.hi_code : 0;
    c->bounded = 1;
}

/* Does the aim still hold? An interrupt may have shut the gate for what turned out to change nothing. */
static bool still_aimed(const core_t *c)
{
    const gate_t *g = &c->gate;
    return c->aimed && !(g->timed && !later(g->until_us, c->now_us));
}

/* Another deadline than before: what the inputs would do holds meanwhile, unless it comes very soon. */
static void turn_to(core_t *c, bool timed, uint32_t until_us)
{
    gate_t *g = &c->gate;
    if (timed == g->timed && until_us == g->until_us)
        return;
    RIG_ATOMIC_BEGIN();
    g->at_due = GATE_NO_PINS;
    RIG_ATOMIC_END();
    if (timed && !later(until_us, c->now_us + AIM_US))
        g->stands = 0;
    g->timed = timed;
    g->until_us = until_us;
}

static void aim_anew(core_t *c)
{
    gate_t *g = &c->gate;
    uint8_t first = timer_first(c), timed = first != TIMERS;
    uint32_t until_us = timed ? c->due_us[first] : 0;
    aim_t a;
    turn_to(c, timed, until_us);
    if (!c->bounded || c->aimed) /* an earlier aim may have made it narrower */
        gate_bound(c);
    a.span = (span_t){c->origin_counts + g->lo, c->origin_counts + g->hi, c->lo_code, c->hi_code};
    a.watched = 0;
    uint16_t at_due = aim(c, &a, first, until_us);
    int16_t lo = (int16_t)(a.span.lo - c->origin_counts), hi = (int16_t)(a.span.hi - c->origin_counts);
    RIG_ATOMIC_BEGIN();
    g->watched = a.watched;
    g->table = GATE_OTHER_TABLE(g);
    g->at_due = at_due;
    g->stands = c->running && c->input_head == c->input_tail;
    if (c->aim_is_near) {
        g->far_lo = lo;
        g->far_hi = hi;
    }
    RIG_ATOMIC_END();
    g->lo = lo;
    g->hi = hi;
    c->aimed = 1;
    RIG_GATE_AIMED(g);
}

void gate_aim(core_t *c)
{
    gate_t *g = &c->gate;
    if (!still_aimed(c))
        aim_anew(c);
    RIG_ATOMIC_BEGIN();
    if (g->head == g->tail && c->input_head == c->input_tail && RIG_GATE_OPENS(c))
        g->waiting = 0;
    RIG_ATOMIC_END();
}
