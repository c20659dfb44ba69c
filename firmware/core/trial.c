/* The table and the walk through it: states, transitions, trials end to end. See core.h. */
#include "core.h"
#include <string.h>

#define MAX_HOPS (2 * RIG_STATES) /* states passed within one microsecond: more is a loop without time */

uint8_t trial_target(const core_t *c, uint8_t code)
{
    const uint8_t *when = &present_state(c)->on0;
    for (uint8_t i = 0; code && when[0] && i < WIRE_WHEN_PER_STATE; i++, when += 2)
        if (when[0] == code)
            return when[1];
    return GO_NONE;
}

void trial_signal(core_t *c, uint8_t code)
{
    if (!c->running || c->go != GO_NONE)
        return;
    c->go = code == CAUSE_TIMER ? present_state(c)->after_to : trial_target(c, code);
    c->go_cause = code;
}

bool input_holds(uint8_t levels, uint8_t code)
{
    uint8_t up = levels >> ((code - ON_INPUT) >> 2) & 1, edge = (code - ON_INPUT) & 3;
    return (edge == INPUT_EDGE_HIGH && up) || (edge == INPUT_EDGE_LOW && !up);
}

/* Does a transition's condition already hold, so that the state is left as soon as it is entered? */
static bool holds(const core_t *c, uint8_t code)
{
    if (code >= ON_RULE && code < ON_INPUT)
        return rule_level(c, code);
    return code >= ON_INPUT && code < ON_HOST && input_holds(c->levels, code);
}

static void test_levels(core_t *c)
{
    const uint8_t *when = &present_state(c)->on0;
    for (uint8_t i = 0; when[0] && i < WIRE_WHEN_PER_STATE && c->go == GO_NONE; i++, when += 2)
        if (holds(c, when[0]))
            trial_signal(c, when[0]);
}

void lever_zero(core_t *c)
{
    int32_t counts = core_lever(c);
    uint8_t *at = event(c, MSG_ZEROED, 4);
    if (at)
        wire_put_u32(at, (uint32_t)counts);
    c->origin_counts -= counts;
    c->glimpsed = 0;
    c->last_counts -= counts;
    c->first_counts -= counts;
    rules_moved(c);
}

/* A sound that will start when this state's timer ends is announced ahead, so that the host can have it ready. */
static void announce_sounds(core_t *c)
{
    const wire_state_t *state = present_state(c);
    if (!state->after_us || state->after_to == WIRE_END)
        return;
    const table_t *table = running_table(c);
    const wire_generator_t *sound = table->generator;
    uint8_t start = table->state[state->after_to].start, bit = 1;
    for (; start; start >>= 1, bit = (uint8_t)(bit << 1), sound++) {
        if (!(start & 1) || sound->kind != GENERATOR_SOUND)
            continue;
        uint8_t body[5] = {sound->sound};
        wire_put_u32(body + 1, c->t_us + state->after_us + sound->delay_us);
        emit(c, MSG_SOUND_DUE, body, sizeof body);
        c->sounds_due |= bit;
    }
}

RIG_SELDOM static void take_back(core_t *c, uint8_t off)
{
    for (const wire_generator_t *plan = running_table(c)->generator; off; plan++, off >>= 1)
        if (off & 1)
            emit(c, MSG_SOUND_OFF, &plan->sound, 1);
}

static inline void take_back_sounds(core_t *c, uint8_t started)
{
    if (c->sounds_due & ~started)
        take_back(c, (uint8_t)(c->sounds_due & ~started));
    c->sounds_due &= started;
}

static void start_and_stop(core_t *c, const wire_state_t *state)
{
    uint8_t stop = (uint8_t)(state->stop & ~state->start), start = state->start;
    for (uint8_t g = 0; stop; g++, stop >>= 1)
        if (stop & 1)
            generator_stop(c, g);
    for (uint8_t g = 0; start; g++, start >>= 1)
        if (start & 1)
            generator_start(c, g);
    c->sounds_due = 0;
}

static void enter(core_t *c, uint8_t target, uint8_t cause)
{
    const wire_state_t *state = &running_table(c)->state[target];
    take_back_sounds(c, cause == CAUSE_TIMER ? state->start : 0);
    c->state = target;
    c->state_at = (uint16_t)((const uint8_t *)state - (const uint8_t *)c->table);
    uint32_t late_us = c->now_us - c->t_us;
    uint8_t *at = event(c, MSG_STATE, 4);
    if (at) {
        at[0] = target;
        at[1] = cause;
        wire_put_u16(at + 2, (uint16_t)(late_us > 0xFFFF ? 0xFFFF : late_us));
    }
    timer_clear(c, TIMER_STATE);
    if (state->after_us)
        timer_set(c, TIMER_STATE, c->t_us + state->after_us);
    if (state->flags & STATE_FLAG_ZERO_LEVER)
        lever_zero(c);
    start_and_stop(c, state);
    rules_arm(c, state->rules);
    test_levels(c);
    announce_sounds(c);
}

/* --- trials end to end -------------------------------------------------------------------------------------------- */

void trial_begin(core_t *c)
{
    const table_t *old = running_table(c);
    c->active ^= 1;
    c->staged = 0;
    c->filling = 0;
    c->running = 1;
    rules_switch(c, old);
    uint8_t body[8];
    wire_put_u32(wire_put_u32(body, running_table(c)->trial), c->ever_ran ? c->t_us - c->ended_us : 0);
    c->ever_ran = 1;
    emit(c, MSG_TRIAL_BEGIN, body, sizeof body);
    enter(c, 0, CAUSE_START);
}

void trial_end(core_t *c, uint8_t reason)
{
    take_back_sounds(c, 0);
    generators_halt(c);
    timer_clear(c, TIMER_STATE);
    c->go = GO_NONE;
    c->running = 0;
    c->ended_us = c->t_us;
    uint8_t body[5];
    *wire_put_u32(body, running_table(c)->trial) = reason;
    emit(c, MSG_TRIAL_END, body, sizeof body);
    if (reason == END_REASON_DONE && c->staged && c->armed && !c->last_trial) {
        trial_begin(c);
        return;
    }
    if (reason != END_REASON_DONE)
        c->staged = c->filling = 0;
    rules_arm(c, 0);
}

void trial_follow(core_t *c)
{
    while (c->go != GO_NONE) {
        uint8_t target = c->go, cause = c->go_cause;
        c->go = GO_NONE;
        if (++c->hops > MAX_HOPS) {
            safety_fault(c, FAULT_FIRMWARE, c->state);
            return;
        }
        if (target == WIRE_END)
            trial_end(c, END_REASON_DONE);
        else
            enter(c, target, cause);
    }
}

/* --- the next table ----------------------------------------------------------------------------------------------- */

static bool good_state(const table_t *t, const wire_state_t *s)
{
    uint8_t known = (uint8_t)((1u << t->generators) - 1);
    if (s->after_us > WIRE_MAX_TIMER_US || (s->after_us && s->after_to >= t->states && s->after_to != WIRE_END))
        return false;
    if ((s->start | s->stop) & (uint8_t)~known || s->rules >> t->rules || s->outputs >> RIG_OUTPUTS)
        return false;
    const uint8_t *when = &s->on0;
    for (uint8_t i = 0; when[0] && i < WIRE_WHEN_PER_STATE; i++, when += 2) {
        uint8_t code = when[0], target = when[1];
        if (code < ON_RULE || code >= ON_GENERATOR + RIG_GENERATORS || (target >= t->states && target != WIRE_END))
            return false;
        if (code < ON_INPUT && ((code - ON_RULE) >> 2) >= t->rules)
            return false;
    }
    return true;
}

static bool good_rule(const wire_rule_t *r)
{
    const int32_t far = 500000000L;
    if (r->lo_counts < -far || r->lo_counts > far || r->hi_counts < -far || r->hi_counts > far)
        return false;
    if (r->time_us > WIRE_MAX_TIMER_US || r->refractory_us > WIRE_MAX_TIMER_US)
        return false;
    if (r->gate != WIRE_NO_INPUT && r->gate >= RIG_INPUTS)
        return false;
    if (r->kind == RULE_WINDOW)
        return r->lo_counts < r->hi_counts;
    return r->kind == RULE_PRESS && r->lo_counts != r->hi_counts && r->time_us;
}

static bool good_generator(const wire_generator_t *g)
{
    if (g->kind < GENERATOR_PULSE || g->kind > GENERATOR_SOUND || g->output >= RIG_OUTPUTS)
        return false;
    if (g->delay_us > WIRE_MAX_TIMER_US || g->width_us > WIRE_MAX_TIMER_US || g->period_us > WIRE_MAX_TIMER_US)
        return false;
    bool ramped = g->kind == GENERATOR_PULSE || g->kind == GENERATOR_TRAIN;
    if (ramped && g->ramp_us && (g->ramp_us < 3200 || g->ramp_us > WIRE_MAX_TIMER_US))
        return false;
    if (g->kind == GENERATOR_CODE && (g->count == 0 || g->count > 32))
        return false;
    if (g->kind == GENERATOR_TRAIN && (g->period_us < g->width_us || g->period_us - g->width_us < 50))
        return false;
    return g->width_us >= 50;
}

static uint8_t table_begin(core_t *c, table_t *next, const uint8_t *f)
{
    if (f[4] > RIG_STATES || f[5] > RIG_RULES || f[6] > RIG_GENERATORS)
        return STATUS_BAD_VALUE;
    next->trial = wire_get_u32(f);
    next->states = f[4];
    next->rules = f[5];
    next->generators = f[6];
    memset(c->filled, 0, sizeof c->filled);
    for (uint8_t i = 0; i < RIG_RULES; i++)
        next->rule[i].kind = 0;
    for (uint8_t i = 0; i < RIG_GENERATORS; i++)
        next->generator[i].kind = 0;
    c->staged = 0;
    c->filling = 1;
    return STATUS_OK;
}

/* Is every row there, and good? What was never sent, or was not good, is marked as missing. */
static bool whole(const core_t *c, const table_t *next)
{
    for (uint8_t i = 0; i < next->states; i++)
        if (!(c->filled[i >> 3] >> (i & 7) & 1))
            return false;
    for (uint8_t i = 0; i < next->rules; i++)
        if (!next->rule[i].kind)
            return false;
    for (uint8_t i = 0; i < next->generators; i++)
        if (!next->generator[i].kind)
            return false;
    return next->states > 0;
}

static uint8_t table_commit(core_t *c, const table_t *next)
{
    if (!whole(c, next)) {
        c->filling = 0;
        return STATUS_BAD_TABLE;
    }
    if (!c->armed)
        return c->faults ? STATUS_FAULTED : STATUS_NOT_ARMED;
    c->filling = 0;
    c->staged = 1;
    if (!c->running && !c->last_trial)
        trial_begin(c);
    return STATUS_OK;
}

/* The transitions of a state, with the empty ones last: who searches them can stop there. */
static void close_ranks(wire_state_t *state)
{
    uint8_t *when = &state->on0, *to = when, *end = when + 2 * WIRE_WHEN_PER_STATE;
    for (; when < end; when += 2) {
        if (!when[0])
            continue;
        to[0] = when[0];
        to[1] = when[1];
        to += 2;
    }
    for (; to < end; to += 2)
        to[0] = 0;
}

/* One row. It is looked at here, one by one, so that the commit is short. */
static uint8_t table_row(core_t *c, table_t *next, uint8_t message, uint8_t index, const uint8_t *f)
{
    if (message == MSG_TABLE_STATE && index < next->states) {
        uint8_t bit = (uint8_t)(1u << (index & 7)), *filled = &c->filled[index >> 3];
        wire_state_read(&next->state[index], f);
        close_ranks(&next->state[index]);
        *filled = (uint8_t)(good_state(next, &next->state[index]) ? *filled | bit : *filled & ~bit);
    } else if (message == MSG_TABLE_RULE && index < next->rules) {
        wire_rule_read(&next->rule[index], f);
        if (!good_rule(&next->rule[index]))
            next->rule[index].kind = 0;
    } else if (message == MSG_TABLE_GENERATOR && index < next->generators) {
        wire_generator_read(&next->generator[index], f);
        if (!good_generator(&next->generator[index]))
            next->generator[index].kind = 0;
    } else {
        return STATUS_BAD_INDEX;
    }
    return STATUS_OK;
}

uint8_t table_command(core_t *c, uint8_t message, const uint8_t *f, uint8_t size)
{
    (void)size;
    table_t *next = &c->table[c->active ^ 1];
    if (message == MSG_TABLE_BEGIN)
        return table_begin(c, next, f);
    if (!c->filling)
        return STATUS_BAD_TABLE;
    if (message == MSG_TABLE_COMMIT)
        return table_commit(c, next);
    return table_row(c, next, message, f[0], f + 1);
}
