/* Lever rules: window and press, edge and level. See core.h; the interrupt's part is gate.h.
 *
 * A window's inside lies strictly between lo and hi; once inside, the lever leaves at lo - hysteresis or
 * hi + hysteresis. A press leaves rest at lo and must reach hi within time_us; hi below lo is a press downwards,
 * which is the same thing seen in a mirror. */
#include "core.h"

#define NOWHERE 0x3FFFFFFFL /* further than any lever goes */

static const wire_rule_t *rule_of(const core_t *c, uint8_t r)
{
    return &running_table(c)->rule[r];
}

/* A downward press is an upward one with every position negated. */
static int32_t mirrored(const wire_rule_t *rule, int32_t counts)
{
    return rule->kind == RULE_PRESS && rule->hi_counts < rule->lo_counts ? -counts : counts;
}

static void tell(core_t *c, uint8_t r, uint8_t decision, uint32_t since_us)
{
    uint8_t *at = event(c, MSG_RULE, 12);
    if (at) {
        at[0] = r;
        at[1] = decision;
        at = wire_put_u32(wire_put_u32(at + 2, (uint32_t)core_lever(c)), since_us);
        wire_put_u16(at, c->rule[r].peak_counts);
    }
    if (decision <= DECISION_PRESS)
        trial_signal(c, (uint8_t)(ON_RULE + 4 * r + decision));
}

static bool in_window(const wire_rule_t *rule, bool inside, int32_t pos)
{
    if (!inside || !rule->hysteresis_counts)
        return rule->lo_counts < pos && pos < rule->hi_counts;
    return rule->lo_counts - (int32_t)rule->hysteresis_counts < pos && pos < rule->hi_counts + (int32_t)rule->hysteresis_counts;
}

static void window_changed(core_t *c, uint8_t r, bool inside)
{
    rule_run_t *run = &c->rule[r];
    const wire_rule_t *rule = rule_of(c, r);
    uint32_t since_us = run->since_us;
    run->on = inside;
    run->done = 0;
    run->since_us = c->t_us;
    tell(c, r, inside ? DECISION_ENTER : DECISION_LEAVE, since_us);
    run->peak_counts = 0;
    if (inside && rule->time_us)
        timer_set(c, (uint8_t)(TIMER_RULE + r), c->t_us + rule->time_us);
    else
        timer_clear(c, (uint8_t)(TIMER_RULE + r));
}

static bool press_counts(const core_t *c, const wire_rule_t *rule, const rule_run_t *run)
{
    if (rule->gate != WIRE_NO_INPUT && !(c->levels & BIT[rule->gate]))
        return false;
    return !run->resting && !run->late;
}

/* The rule's one timer: first the end of the refractory time, else the moment when a push becomes too slow. A timer,
 * not a comparison of stamps: a lever may stay away from rest for longer than the clock's half range. */
static void press_timer_set(core_t *c, uint8_t r, uint32_t time_us)
{
    const rule_run_t *run = &c->rule[r];
    if (run->resting)
        return;
    if (run->on && !run->done && !run->late)
        timer_set(c, (uint8_t)(TIMER_RULE + r), run->since_us + time_us);
    else
        timer_clear(c, (uint8_t)(TIMER_RULE + r));
}

RIG_SELDOM static void press_moved(core_t *c, uint8_t r, int32_t pos)
{
    rule_run_t *run = &c->rule[r];
    const wire_rule_t *rule = rule_of(c, r);
    int32_t rest = mirrored(rule, rule->lo_counts), press = mirrored(rule, rule->hi_counts);
    pos = mirrored(rule, pos);
    if (run->on && pos <= rest - rule->hysteresis_counts) {
        run->on = 0;
        press_timer_set(c, r, rule->time_us);
    }
    if (!run->on && pos > rest) {
        run->on = 1;
        run->done = run->late = 0;
        run->since_us = c->t_us;
        run->peak_counts = 0;
        tell(c, r, DECISION_LEFT_REST, c->t_us);
        press_timer_set(c, r, rule->time_us);
    }
    if (!run->on || run->done || pos < press)
        return;
    run->done = 1;
    press_timer_set(c, r, rule->time_us);
    if (!press_counts(c, rule, run)) {
        tell(c, r, DECISION_REFUSED, run->since_us);
        return;
    }
    tell(c, r, DECISION_PRESS, run->since_us);
    if (rule->refractory_us) {
        run->resting = 1;
        timer_set(c, (uint8_t)(TIMER_RULE + r), c->t_us + rule->refractory_us);
    }
}

void rules_moved(core_t *c)
{
    int32_t pos = core_lever(c);
    uint8_t armed = c->armed_rules;
    const wire_rule_t *rule = rule_of(c, 0);
    const rule_run_t *run = c->rule;
    for (uint8_t r = 0; armed; r++, rule++, run++, armed >>= 1) {
        if (!(armed & 1))
            continue;
        if (rule->kind == RULE_PRESS)
            press_moved(c, r, pos);
        else if (in_window(rule, run->on, pos) != (bool)run->on)
            window_changed(c, r, !run->on);
    }
}

void rules_sampled(core_t *c, uint16_t change_counts)
{
    for (uint8_t r = 0; r < RIG_RULES; r++)
        if (c->rule[r].peak_counts < change_counts)
            c->rule[r].peak_counts = change_counts;
}

void rule_timer(core_t *c, uint8_t r)
{
    rule_run_t *run = &c->rule[r];
    if (rule_of(c, r)->kind == RULE_PRESS) {
        uint32_t time_us = rule_of(c, r)->time_us;
        if (run->resting)
            run->resting = 0;
        else
            run->late = 1;
        if (run->on && !later(run->since_us + time_us, c->t_us))
            run->late = 1;
        press_timer_set(c, r, time_us);
        return;
    }
    run->done = 1;
    tell(c, r, DECISION_HELD, run->since_us);
}

static void arm(core_t *c, uint8_t r)
{
    rule_run_t *run = &c->rule[r];
    const wire_rule_t *rule = rule_of(c, r);
    int32_t pos = core_lever(c);
    uint8_t resting = run->resting; /* a refractory time goes on through states that do not look */
    *run = (rule_run_t){.since_us = c->t_us};
    if (rule->kind == RULE_PRESS) {
        run->resting = resting;
        run->on = mirrored(rule, pos) > mirrored(rule, rule->lo_counts);
        run->done = run->on; /* a push begun unseen is no press */
        tell(c, r, run->on ? DECISION_AWAY : DECISION_AT_REST, c->t_us);
        return;
    }
    window_changed(c, r, in_window(rule, false, pos));
}

void rules_arm(core_t *c, uint8_t wanted)
{
    uint8_t bit = 1;
    for (uint8_t r = 0; r < RIG_RULES && wanted != c->armed_rules; r++, bit = (uint8_t)(bit << 1)) {
        bool now = wanted & bit, before = c->armed_rules & bit;
        if (now == before)
            continue;
        c->armed_rules ^= bit;
        if (now)
            arm(c, r);
        else if (rule_of(c, r)->kind == RULE_WINDOW)
            timer_clear(c, (uint8_t)(TIMER_RULE + r));
    }
}

static bool same_rule(const wire_rule_t *a, const wire_rule_t *b)
{
    return a->kind == b->kind && a->gate == b->gate && a->lo_counts == b->lo_counts && a->hi_counts == b->hi_counts &&
           a->hysteresis_counts == b->hysteresis_counts && a->time_us == b->time_us &&
           a->refractory_us == b->refractory_us;
}

void rules_switch(core_t *c, const table_t *old)
{
    const table_t *now = running_table(c);
    for (uint8_t r = 0; r < RIG_RULES; r++) {
        if (r < old->rules && r < now->rules && same_rule(&old->rule[r], &now->rule[r]))
            continue;
        c->armed_rules &= (uint8_t)~(1u << r);
        c->rule[r].resting = 0;
        timer_clear(c, (uint8_t)(TIMER_RULE + r));
    }
}

bool rule_level(const core_t *c, uint8_t code)
{
    uint8_t r = (uint8_t)((code - ON_RULE) >> 2), decision = (uint8_t)((code - ON_RULE) & 3);
    if (!(c->armed_rules & BIT[r]) || rule_of(c, r)->kind != RULE_WINDOW)
        return false;
    const rule_run_t *run = &c->rule[r];
    if (decision == DECISION_HELD)
        return run->on && run->done;
    return decision == DECISION_ENTER ? run->on : decision == DECISION_LEAVE && !run->on;
}

uint8_t rule_timer_code(const core_t *c, uint8_t r)
{
    return rule_of(c, r)->kind == RULE_WINDOW ? (uint8_t)(ON_RULE + 4 * r + DECISION_HELD) : 0;
}

/* The inputs that decide whether a press counts. */
uint8_t rules_gates(const core_t *c)
{
    uint8_t inputs = 0, armed = c->armed_rules;
    for (const wire_rule_t *rule = rule_of(c, 0); armed; rule++, armed >>= 1)
        if ((armed & 1) && rule->kind == RULE_PRESS && rule->gate != WIRE_NO_INPUT)
            inputs |= BIT[rule->gate];
    return inputs;
}

/* --- where nothing happens ---------------------------------------------------------------------------------------- */

static span_t press_span(const core_t *c, const wire_rule_t *rule, const rule_run_t *run, uint8_t r)
{
    int32_t rest = mirrored(rule, rule->lo_counts), press = mirrored(rule, rule->hi_counts);
    span_t span = {-NOWHERE, rest + 1, 0, 0};
    if (run->on) {
        span.lo = rest - rule->hysteresis_counts;
        span.hi = run->done ? NOWHERE : press;
        if (!run->done && press_counts(c, rule, run))
            span.hi_code = (uint8_t)(ON_RULE + 4 * r + DECISION_PRESS);
    }
    if (rule->hi_counts < rule->lo_counts)
        return (span_t){-span.hi, -span.lo, span.hi_code, span.lo_code};
    return span;
}

static span_t window_span(const wire_rule_t *rule, bool inside, uint8_t r, int32_t pos, uint16_t hysteresis)
{
    uint8_t code = (uint8_t)(ON_RULE + 4 * r);
    uint8_t enter = rule->hi_counts - rule->lo_counts > 1 ? (uint8_t)(code + DECISION_ENTER) : 0; /* else it holds none */
    if (inside)
        return (span_t){rule->lo_counts - hysteresis, rule->hi_counts + hysteresis,
                        (uint8_t)(code + DECISION_LEAVE), (uint8_t)(code + DECISION_LEAVE)};
    if (pos <= rule->lo_counts)
        return (span_t){-NOWHERE, rule->lo_counts + 1, 0, enter};
    return (span_t){rule->hi_counts - 1, NOWHERE, enter, 0};
}

void span_narrow(span_t *all, span_t span)
{
    if (span.lo > all->lo) {
        all->lo = span.lo;
        all->lo_code = span.lo_code;
    }
    if (span.hi < all->hi) {
        all->hi = span.hi;
        all->hi_code = span.hi_code;
    }
}

/* The rules, bit each, whose codes the present state lists. */
static uint8_t rules_listed(const core_t *c)
{
    uint8_t listed = 0;
    const uint8_t *when = &present_state(c)->on0;
    for (uint8_t i = 0, code; i < WIRE_WHEN_PER_STATE && (code = when[0]) != 0; i++, when += 2)
        if (code >= ON_RULE && code < ON_INPUT)
            listed |= BIT[(code - ON_RULE) >> 2];
    return listed;
}

/* Where a press rule cannot move the trial, whatever it decides on the way: short of the threshold. */
static span_t before_press(const wire_rule_t *rule, int32_t pos, span_t span)
{
    if (mirrored(rule, pos) >= mirrored(rule, rule->hi_counts))
        return span;
    if (rule->hi_counts < rule->lo_counts)
        return (span_t){rule->hi_counts, NOWHERE, 0, 0};
    return (span_t){-NOWHERE, rule->hi_counts, 0, 0};
}

/* The positions strictly between which no rule decides anything, and, `far`, nothing that moves the trial. */
span_t rules_span(core_t *c, span_t *far)
{
    span_t all = {-NOWHERE, NOWHERE, 0, 0};
    uint8_t armed = c->armed_rules;
    *far = all;
    if (!armed)
        return all;
    uint8_t listed = rules_listed(c);
    int32_t pos = core_lever(c);
    for (uint8_t r = 0; armed; r++, armed >>= 1, listed >>= 1) {
        if (!(armed & 1))
            continue;
        const wire_rule_t *rule = rule_of(c, r);
        bool press = rule->kind == RULE_PRESS;
        span_t span = press ? press_span(c, rule, &c->rule[r], r)
                            : window_span(rule, c->rule[r].on, r, pos, rule->hysteresis_counts);
        span_narrow(&all, span);
        if (listed & 1)
            span_narrow(far, press ? before_press(rule, pos, span) : span);
    }
    return all;
}

/* Will a window's condition hold in a state entered with the lever at `pos`, so that the state is left at once? Where
 * it is not armed yet and the lever may still move before, the answer holds within a narrower span only. */
bool rule_level_ahead(core_t *c, uint8_t rules, uint8_t code, int32_t pos, span_t *narrower)
{
    uint8_t r = (uint8_t)((code - ON_RULE) >> 2), decision = (uint8_t)((code - ON_RULE) & 3);
    const wire_rule_t *rule = rule_of(c, r);
    if (rule->kind != RULE_WINDOW || !(rules & BIT[r]))
        return false;
    bool before = (c->armed_rules & BIT[r]) && c->rule[r].on;
    bool inside = in_window(rule, before, pos);
    if (narrower && !(c->armed_rules & BIT[r])) {
        span_t span = window_span(rule, inside, r, pos, 0); /* when it is armed it has none yet */
        span_narrow(narrower, (span_t){span.lo, span.hi, 0, 0});
    }
    if (decision == DECISION_HELD)
        return inside && before && (c->rule[r].done || timer_waits(c, (uint8_t)(TIMER_RULE + r)));
    return (decision == DECISION_ENTER) == inside && decision != DECISION_PRESS;
}
