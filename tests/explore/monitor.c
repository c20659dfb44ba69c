/* The promises, judged from outside: by pins, events, and what the host said. See explore.h.
 *
 * Late steps are the body's fault, not the machine's: where a step came later than it was asked for, on-time that the
 * lateness added is not charged to the duty; but whatever is on beyond its ceiling must go off in that very step. */
#include "explore.h"
#include <string.h>

const char *broken;

static void promise(bool kept, const char *what)
{
    if (!kept && !broken)
        broken = what;
}

static uint32_t cap_us(uint8_t output)
{
    return output == OUT_VALVE ? RIG_CAP_VALVE_US : RIG_CAP_LASER_US;
}

void monitor_power_on(life_t *l, uint8_t raw)
{
    monitor_t *m = &l->monitor;
    int8_t lever = m->lever;
    memset(m, 0, sizeof *m);
    m->lever = lever;
    m->raw = raw;
    m->interlock = WIRE_NO_INPUT;
    m->deadman_us = RIG_CAP_DEADMAN_US;
    m->committed = m->offered = m->filling = NO_TABLE;
    m->foreseen = GATE_NO_PINS;
    for (uint8_t o = 0; o < PINS; o++)
        m->pin[o].max_on_us = cap_us(o);
}

/* --- books -------------------------------------------------------------------------------------------------------- */

static void forget(pin_t *p, uint32_t now_us)
{
    uint8_t gone = 0;
    while (gone < p->intervals && now_us - p->was_on[gone].end_us >= p->window_us)
        gone++;
    p->intervals = (uint8_t)(p->intervals - gone);
    memmove(p->was_on, p->was_on + gone, p->intervals * sizeof p->was_on[0]);
}

static void went_off(monitor_t *m, pin_t *p, uint32_t now_us)
{
    uint32_t end_us = later(now_us, m->due_us) ? m->due_us : now_us;
    p->on = 0;
    if (!p->window_us || !later(end_us, p->since_us))
        return;
    forget(p, now_us);
    promise(p->intervals < INTERVALS, "the monitor's books are full: make INTERVALS larger");
    if (p->intervals < INTERVALS)
        p->was_on[p->intervals++] = (interval_t){p->since_us, end_us};
}

static void pins_are(life_t *l, uint8_t active)
{
    monitor_t *m = &l->monitor;
    promise(active >> PINS == 0, "an output came on that no table speaks of");
    for (uint8_t o = 0; o < PINS; o++) {
        pin_t *p = &m->pin[o];
        bool on = active >> o & 1;
        if (p->on && !on) {
            went_off(m, p, l->now_us);
        } else if (on && !p->on) {
            p->on = 1;
            p->since_us = l->now_us;
        }
    }
    m->shown = active;
}

/* On-time within the window that ends now. */
static uint32_t spent_us(const pin_t *p, uint32_t now_us)
{
    uint32_t sum_us = p->on ? now_us - p->since_us : 0;
    for (uint8_t i = 0; i < p->intervals; i++) {
        uint32_t ago_us = now_us - p->was_on[i].end_us, long_us = p->was_on[i].end_us - p->was_on[i].begin_us;
        if (ago_us < p->window_us)
            sum_us += ago_us + long_us > p->window_us ? p->window_us - ago_us : long_us;
    }
    return sum_us;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void told_trial(life_t *l, const uint8_t *payload)
{
    monitor_t *m = &l->monitor;
    const uint8_t *fields = payload + 9;
    if (payload[0] == MSG_TRIAL_END) {
        promise(m->live == 0, "a generator outlives its trial");
        m->running = 0;
        if (fields[4] != END_REASON_DONE)
            m->committed = m->filling = NO_TABLE;
        return;
    }
    uint8_t *from = m->committed != NO_TABLE ? &m->committed : &m->offered;
    promise(m->armed, "a trial begins on a board that is not armed");
    promise(!m->stopped, "a trial begins after a stop, before the host said arm");
    promise(*from != NO_TABLE && wire_get_u32(fields) == *from + 1u, "a trial begins that was not committed, or a second time");
    m->running = 1;
    m->table = *from;
    *from = NO_TABLE;
    l->trials++;
}

static void told_generator(life_t *l, const uint8_t *fields)
{
    monitor_t *m = &l->monitor;
    promise(m->running, "a generator acts without a trial");
    if (fields[1] == GENERATOR_MARK_START)
        m->live |= (uint8_t)(1u << fields[0]);
    else if (fields[1] != GENERATOR_MARK_RAMP)
        m->live &= (uint8_t)~(1u << fields[0]);
}

static void told_safety(life_t *l, const uint8_t *payload)
{
    monitor_t *m = &l->monitor;
    const uint8_t *fields = payload + 9;
    if (payload[0] == MSG_ARMED) {
        promise(m->may_arm && m->locked, "armed without the host's word, or without the lock");
        m->armed = 1;
        m->stopped = 0;
        m->heard_us = l->now_us;
        l->armings++;
    } else if (payload[0] == MSG_FAULT) {
        promise(m->armed, "a fault on a board that was not armed");
        m->armed = 0;
        m->committed = m->filling = NO_TABLE;
        l->faults[fields[0] & 7]++;
    } else {
        m->told = fields[0];
        promise(m->told == 0 || (m->armed && m->running), "an output comes on without arming or trial, or after a fault");
        pins_are(l, m->told);
    }
}

static void hear_events(life_t *l)
{
    uint8_t payload[WIRE_MAX_PAYLOAD];
    monitor_t *m = &l->monitor;
    while (queue_peek(&l->core.queue, payload)) {
        queue_sent(&l->core.queue);
        uint8_t what = payload[0];
        if (what == MSG_TRIAL_BEGIN || what == MSG_TRIAL_END)
            told_trial(l, payload);
        else if (what == MSG_GENERATOR)
            told_generator(l, payload + 9);
        else if (what == MSG_ARMED || what == MSG_FAULT || what == MSG_OUTPUT)
            told_safety(l, payload);
        else if (what == MSG_STATE)
            m->state = payload[9];
        else if (what == MSG_APPLIED && payload[10] == MSG_TABLE_COMMIT && payload[11] == STATUS_OK && m->offered != NO_TABLE)
            m->committed = m->offered;
        promise(what != MSG_LOST, "the queue is too small for this exploration");
    }
    queue_acknowledge(&l->core.queue, l->core.queue.next);
}

/* --- promises ----------------------------------------------------------------------------------------------------- */

static uint8_t permitted(const monitor_t *m)
{
    uint8_t states, generators, outputs;
    const wire_state_t *state = table_states(m->table, &states);
    const wire_generator_t *generator = table_generators(m->table, &generators);
    outputs = (uint8_t)state[m->state].outputs;
    for (uint8_t g = 0; g < generators; g++)
        if (m->live >> g & 1)
            outputs |= (uint8_t)(1u << generator[g].output);
    return outputs;
}

static bool may_sound(const monitor_t *m)
{
    uint8_t generators;
    const wire_generator_t *generator = table_generators(m->table, &generators);
    for (uint8_t g = 0; g < generators; g++)
        if ((m->live >> g & 1) && generator[g].kind == GENERATOR_TONE)
            return m->running;
    return false;
}

static void look_at_pin(const life_t *l, const pin_t *p, uint32_t sleep_us)
{
    if (p->on) {
        uint32_t on_us = l->now_us - p->since_us;
        promise(on_us < p->max_on_us, "an output is on beyond its ceiling");
        promise(on_us >= p->max_on_us || sleep_us <= p->max_on_us - on_us, "nobody will wake to end an output at its ceiling");
    }
    if (p->window_us) {
        uint32_t duty_us = spent_us(p, l->now_us);
        promise(duty_us <= p->duty_us, "an output was on for more than its duty within the window");
        promise(!p->on || duty_us < p->duty_us, "an output is still on with its duty spent");
        promise(!p->on || sleep_us <= p->duty_us - duty_us, "nobody will wake to end an output at its duty");
    }
}

static bool interlock_open(const monitor_t *m)
{
    return m->interlock < RIG_INPUTS && !((m->raw ^ m->invert) & m->enabled & (1u << m->interlock));
}

/* After a step that took everything up to now. */
static void look_at_step(life_t *l)
{
    monitor_t *m = &l->monitor;
    core_t *c = &l->core;
    uint32_t sleep_us = core_next(c, l->now_us) - l->now_us;
    promise(c->active_outputs == m->told, "the outputs are not what the record says");
    promise(core_pins(c) == (c->active_outputs ^ m->safe), "a pin is not at its level");
    promise(!m->armed || l->now_us - m->heard_us < m->deadman_us, "still armed after the dead-man time");
    promise(!m->armed || sleep_us <= m->heard_us + m->deadman_us - l->now_us, "nobody will wake at the dead-man time");
    promise(!m->armed || !interlock_open(m), "still armed with the interlock open");
    promise(m->armed || !m->running, "a trial goes on without arming");
    promise(!m->shown || (m->armed && m->running), "an output is on without arming or trial");
    promise(!m->shown || (m->shown & ~permitted(m)) == 0, "an output is on that neither state nor generator asks for");
    promise(!c->tone_hz || may_sound(m), "a tone without its generator");
    for (uint8_t o = 0; o < PINS; o++)
        look_at_pin(l, &m->pin[o], sleep_us);
}

void monitor_expect(life_t *l)
{
    monitor_t *m = &l->monitor;
    if (!m->expects)
        m->due_us = core_next(&l->core, l->now_us);
    m->expects = 1;
    if (later(m->due_us, l->now_us) && m->acts)
        m->due_us = l->now_us;
}

void monitor_heard(life_t *l)
{
    monitor_t *m = &l->monitor;
    if (l->now_us - m->heard_us < m->deadman_us)
        m->heard_us = l->now_us; /* else it was too late, and nothing but `arm` helps */
}

void monitor_shown(life_t *l, uint16_t pins)
{
    monitor_t *m = &l->monitor;
    if (pins == GATE_NO_PINS)
        return;
    uint8_t coming = (uint8_t)(pins & ~m->shown);
    promise(!coming || (m->armed && m->running), "an interrupt shows an output without arming or trial");
    promise(!coming || l->now_us - m->heard_us <= m->deadman_us, "an interrupt shows an output after the dead-man time");
    promise(!coming || !interlock_open(m), "an interrupt shows an output with the interlock open");
    for (uint8_t o = 0; o < PINS; o++)
        promise(!(coming >> o & 1) || !m->pin[o].window_us || spent_us(&m->pin[o], l->now_us) < m->pin[o].duty_us,
                "an interrupt shows an output with its duty spent");
    pins_are(l, (uint8_t)pins);
    m->foreseen = pins;
    m->foreseen_us = l->now_us;
}

void monitor_look(life_t *l)
{
    const core_t *c = &l->core;
    hear_events(l);
    if (!c->gate.waiting && c->input_head == c->input_tail && c->now_us == l->now_us) {
        monitor_t *m = &l->monitor;
        bool alone = m->foreseen_us == l->now_us && m->acts == 1;
        promise(m->foreseen == GATE_NO_PINS || !alone || !m->armed || m->foreseen == m->told, "an interrupt showed what the step did not decide");
        m->foreseen = GATE_NO_PINS;
        m->acts = m->expects = 0;
        if (m->shown != m->told)
            pins_are(l, m->told);
        look_at_step(l);
    }
}
