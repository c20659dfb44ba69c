/* Generators: pulse, train, tone, code and sound, beside the states. See core.h.
 *
 * Every edge counts from the nominal one before it, so a train does not drift. A train's count of 0 goes on until it
 * is stopped. With a ramp, light that ends or is stopped goes on at a level that falls to zero in 32 equal steps. */
#include "core.h"
#include <string.h>

enum { IDLE, DELAY = GENERATOR_DELAYS, HIGH, LOW, RAMP };
#define RAMP_STEPS 32

static void mark(core_t *c, uint8_t g, uint8_t what)
{
    uint8_t *at = event(c, MSG_GENERATOR, 4);
    if (!at)
        return;
    at[0] = g;
    at[1] = what;
    wire_put_u16(at + 2, c->generator[g].begun);
}

static const wire_generator_t *plan_of(const core_t *c, uint8_t g)
{
    return &running_table(c)->generator[g];
}

static bool is_light(const wire_generator_t *plan)
{
    return plan->kind == GENERATOR_PULSE || plan->kind == GENERATOR_TRAIN;
}

/* The level of a light in this step of its ramp; step 0 is the whole of it. */
static uint8_t level_in(const wire_generator_t *plan, uint8_t step)
{
    return step ? (uint8_t)((uint16_t)(plan->level * (uint16_t)(RAMP_STEPS - step)) / RAMP_STEPS) : plan->level;
}

/* What the running generators make of the outputs. Where several drive one output, the lowest level holds: what one
 * of them does can never make another's light brighter. */
static void collect(core_t *c)
{
    const wire_generator_t *plan = plan_of(c, 0);
    const generator_run_t *run = c->generator;
    uint8_t outputs = 0, on = c->generators_on;
    memset(c->level, 255, sizeof c->level);
    for (uint8_t live = c->generators_live; live; live >>= 1, on >>= 1, plan++, run++) {
        if (on & 1)
            outputs |= BIT[plan->output];
        if (!(live & 1) || run->phase == DELAY || !is_light(plan))
            continue;
        uint8_t level = level_in(plan, run->step);
        if (level < c->level[plan->output])
            c->level[plan->output] = level;
    }
    c->generator_outputs = outputs;
}

static void set(core_t *c, uint8_t g, uint8_t phase, uint8_t on, uint32_t for_us)
{
    uint8_t bit = BIT[g];
    c->generator[g].phase = phase;
    c->generators_live |= bit;
    c->generators_on = (uint8_t)(on ? c->generators_on | bit : c->generators_on & ~bit);
    timer_set(c, (uint8_t)(TIMER_GENERATOR + g), c->t_us + for_us);
    collect(c);
}

/* What a generator drives falls silent; says nothing. */
static void rest(core_t *c, uint8_t g)
{
    const wire_generator_t *plan = plan_of(c, g);
    c->generator[g] = (generator_run_t){.phase = IDLE};
    c->generators_live &= (uint8_t)~BIT[g];
    c->generators_on &= (uint8_t)~BIT[g];
    timer_clear(c, (uint8_t)(TIMER_GENERATOR + g));
    if (plan->kind == GENERATOR_TONE && c->tone_by == g)
        c->tone_hz = 0;
    collect(c);
}

static void end(core_t *c, uint8_t g, uint8_t how)
{
    mark(c, g, how);
    rest(c, g);
    if (how == GENERATOR_MARK_END)
        trial_signal(c, (uint8_t)(ON_GENERATOR + g));
}

static void rise(core_t *c, uint8_t g)
{
    const wire_generator_t *plan = plan_of(c, g);
    if (plan->kind == GENERATOR_TONE) {
        c->tone_hz = plan->tone_hz;
        c->tone_by = g;
    }
    c->generator[g].begun++;
    bool pin = plan->kind != GENERATOR_TONE && plan->kind != GENERATOR_SOUND;
    set(c, g, HIGH, pin, plan->width_us);
}

static void announce(core_t *c, uint8_t g, uint32_t due_us)
{
    uint8_t body[5] = {plan_of(c, g)->sound};
    wire_put_u32(body + 1, due_us);
    emit(c, MSG_SOUND_DUE, body, sizeof body);
}

void generator_start(core_t *c, uint8_t g)
{
    const wire_generator_t *plan = plan_of(c, g);
    bool unannounced = plan->kind == GENERATOR_SOUND && !(c->sounds_due & BIT[g]);
    if (c->generator[g].phase != IDLE) {
        if (unannounced) /* else the host has the next one ready, and sound_off would take that back */
            emit(c, MSG_SOUND_OFF, &plan->sound, 1);
        end(c, g, GENERATOR_MARK_STOPPED);
    }
    mark(c, g, GENERATOR_MARK_START);
    if (unannounced)
        announce(c, g, c->t_us + plan->delay_us);
    if (plan->delay_us)
        set(c, g, DELAY, 0, plan->delay_us);
    else
        rise(c, g);
}

/* The light's last part: it falls in steps, or ends here where no ramp was asked for. */
static void fall(core_t *c, uint8_t g, uint8_t how)
{
    const wire_generator_t *plan = plan_of(c, g);
    if (!is_light(plan) || !plan->ramp_us) {
        end(c, g, how);
        return;
    }
    mark(c, g, GENERATOR_MARK_RAMP);
    c->generator[g].step = 0;
    set(c, g, RAMP, 1, plan->ramp_us / RAMP_STEPS);
}

void generator_stop(core_t *c, uint8_t g)
{
    uint8_t phase = c->generator[g].phase;
    if (phase == IDLE || phase == RAMP)
        return;
    if (plan_of(c, g)->kind == GENERATOR_SOUND)
        emit(c, MSG_SOUND_OFF, &plan_of(c, g)->sound, 1);
    if (phase == DELAY)
        end(c, g, GENERATOR_MARK_STOPPED);
    else
        fall(c, g, GENERATOR_MARK_STOPPED);
}

void generators_halt(core_t *c)
{
    for (uint8_t g = 0; c->generators_live; g++) {
        if (!(c->generators_live & BIT[g]))
            continue;
        if (plan_of(c, g)->kind == GENERATOR_SOUND)
            emit(c, MSG_SOUND_OFF, &plan_of(c, g)->sound, 1);
        end(c, g, GENERATOR_MARK_STOPPED);
    }
}

static void ramp_step(core_t *c, uint8_t g)
{
    if (++c->generator[g].step == RAMP_STEPS)
        end(c, g, GENERATOR_MARK_END);
    else
        set(c, g, RAMP, 1, plan_of(c, g)->ramp_us / RAMP_STEPS);
}

static bool code_bit(const wire_generator_t *plan, uint8_t slot)
{
    return !(slot & 1) && (plan->ramp_us >> (plan->count - slot / 2) & 1);
}

/* Slots of a code after its sync pulse: gap, bit, gap, bit … most significant bit first; the value is in ramp_us. */
static void code_slot(core_t *c, uint8_t g)
{
    const wire_generator_t *plan = plan_of(c, g);
    generator_run_t *run = &c->generator[g];
    uint8_t slot = (uint8_t)run->begun;
    if (slot > 2 * plan->count) {
        end(c, g, GENERATOR_MARK_END);
        return;
    }
    run->begun++;
    set(c, g, HIGH, code_bit(plan, slot), plan->width_us);
}

static void after_high(core_t *c, uint8_t g)
{
    const wire_generator_t *plan = plan_of(c, g);
    if (plan->kind == GENERATOR_CODE)
        code_slot(c, g);
    else if (plan->kind == GENERATOR_TRAIN && (!plan->count || c->generator[g].begun != plan->count))
        set(c, g, LOW, 0, plan->period_us - plan->width_us);
    else
        fall(c, g, GENERATOR_MARK_END);
}

void generator_timer(core_t *c, uint8_t g)
{
    switch (c->generator[g].phase) {
    case DELAY:
    case LOW:
        rise(c, g);
        break;
    case HIGH:
        after_high(c, g);
        break;
    case RAMP:
        ramp_step(c, g);
        break;
    default:
        break;
    }
}

/* What generator g will do when its timer comes due. */
uint8_t generator_ahead(const core_t *c, uint8_t g)
{
    const wire_generator_t *plan = plan_of(c, g);
    const generator_run_t *run = &c->generator[g];
    if (run->phase == RAMP)
        return run->step + 1 == RAMP_STEPS ? GENERATOR_ENDS : GENERATOR_COMES_ON;
    if (run->phase != HIGH)
        return plan->kind == GENERATOR_TONE || plan->kind == GENERATOR_SOUND ? GENERATOR_GOES_OFF : GENERATOR_COMES_ON;
    if (plan->kind == GENERATOR_CODE) {
        uint8_t slot = (uint8_t)run->begun;
        return slot > 2 * plan->count ? GENERATOR_ENDS : code_bit(plan, slot) ? GENERATOR_COMES_ON : GENERATOR_GOES_OFF;
    }
    if (plan->kind == GENERATOR_TRAIN && (!plan->count || run->begun != plan->count))
        return GENERATOR_GOES_OFF;
    return is_light(plan) && plan->ramp_us ? GENERATOR_COMES_ON : GENERATOR_ENDS;
}

/* The level of a light that comes on, or takes its ramp's next step, when its timer comes due. */
uint8_t generator_level_ahead(const core_t *c, uint8_t g)
{
    const generator_run_t *run = &c->generator[g];
    return level_in(plan_of(c, g), run->phase == RAMP ? (uint8_t)(run->step + 1) : 0);
}
