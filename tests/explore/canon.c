/* When are two lives the same? If nothing that can still come tells them apart. See explore.h.
 *
 * What is left out: numbers and stamps that only the record carries, the queue, caches of a table that is not looked at,
 * and absolute time: every time counts from now. `explore merges` puts this to the test. */
#include "explore.h"
#include <string.h>

typedef struct {
    uint8_t bytes[2048];
    uint32_t used, now_us;
} writer_t;

static void put(writer_t *w, uint32_t value)
{
    memcpy(w->bytes + w->used, &value, 4);
    w->used += 4;
}

static void put_bytes(writer_t *w, const void *bytes, uint32_t n)
{
    memcpy(w->bytes + w->used, bytes, n);
    w->used += n;
}

/* A time that matters only while `alive`. */
static void put_time(writer_t *w, uint32_t t_us, int alive)
{
    put(w, alive ? t_us - w->now_us : 0x80000000u);
}

/* Rows that were not sent are whatever an older table left there: nobody reads them. */
static void put_table(writer_t *w, const table_t *t, uint8_t filled)
{
    put(w, (uint32_t)(t->states | t->rules << 8 | t->generators << 16 | (uint32_t)filled << 24));
    put(w, t->trial); /* the explored host gives each of its tables a number of its own */
    for (uint8_t i = 0; i < t->states; i++) {
        const wire_state_t *s = &t->state[i];
        if (!(filled >> i & 1))
            continue;
        put(w, s->outputs);
        put_bytes(w, &s->start, 4);
        put(w, s->after_us);
        put_bytes(w, &s->after_to, 1 + 2 * WIRE_WHEN_PER_STATE);
    }
    for (uint8_t i = 0; i < t->generators; i++)
        put(w, t->generator[i].kind);
}

static void put_timers(writer_t *w, const core_t *c)
{
    put_bytes(w, c->waiting, sizeof c->waiting);
    for (uint8_t timer = 0; timer < TIMERS; timer++)
        if (timer_waits(c, timer))
            put_time(w, c->due_us[timer], 1);
}

static void put_gate(writer_t *w, const core_t *c)
{
    const gate_t *g = &c->gate;
    int16_t at[3] = {g->pos, g->lo, g->hi};
    put_bytes(w, at, sizeof at);
    put(w, (uint32_t)c->origin_counts);
    put(w, (uint32_t)(g->waiting | g->timed << 1 | c->aimed << 2 | c->bounded << 3 | g->merged << 4 | g->watched << 8 | g->levels << 16));
    put_time(w, g->until_us, g->timed);
    put(w, (uint32_t)g->at_lo | (uint32_t)g->at_hi << 16);
    put(w, g->at_due);
    for (int i = 0; i < 4; i++) { /* what an interrupt would show for either input's coming to either level */
        uint8_t input = i & 1 ? LOCK_BIT : LICK;
        put(w, gate_foreseen(g, input, i & 2 ? input : 0));
    }
    for (uint8_t i = g->tail; i != g->head; i = (uint8_t)((i + 1) & (RIG_EDGE_RING - 1))) {
        put_time(w, g->ring[i].t_us, 1);
        put(w, (uint16_t)g->ring[i].delta);
    }
    for (uint8_t i = c->input_tail; i != c->input_head; i = (uint8_t)((i + 1) & (RIG_INPUT_RING - 1))) {
        put_time(w, c->input_ring[i].t_us, 1);
        put(w, c->input_ring[i].levels);
    }
    put(w, (uint32_t)(c->raw_levels | c->levels << 8 | c->enabled << 16 | (uint32_t)c->invert << 24));
}

static void put_trial(writer_t *w, const core_t *c)
{
    put_table(w, running_table(c), 0xFF);
    put(w, (uint32_t)(c->running | c->filling << 1 | c->staged << 2 | c->last_trial << 3 | c->state << 8 | c->go << 16));
    if (c->staged || c->filling)
        put_table(w, &c->table[c->active ^ 1], c->filled[0]);
    put(w, (uint32_t)(c->armed_rules | c->sounds_due << 8 | c->generators_live << 16 | (uint32_t)c->generators_on << 24));
    put(w, c->now_us == w->now_us ? c->hops : 0);
    for (uint8_t r = 0; r < RIG_RULES; r++) {
        put_bytes(w, &c->rule[r], 4); /* on, done, late, resting */
        put_time(w, c->rule[r].since_us, running_table(c)->rule[r].kind == RULE_PRESS && c->rule[r].on);
    }
    for (uint8_t g = 0; g < RIG_GENERATORS; g++) {
        put(w, (uint32_t)(c->generator[g].phase | c->generator[g].step << 8));
        put(w, c->generator[g].begun);
    }
}

static void put_duty(writer_t *w, const duty_t *d, int on)
{
    uint32_t spent_us = 0;
    put(w, d->bin_us);
    put(w, d->max_duty_us);
    if (!d->bin_us)
        return;
    for (uint8_t i = 0; i <= RIG_DUTY_BINS; i++)
        spent_us += d->bins[i];
    for (uint8_t i = 0, bin = d->bin; i <= RIG_DUTY_BINS; i++, bin = bin == RIG_DUTY_BINS ? 0 : (uint8_t)(bin + 1))
        put(w, d->bins[bin]);
    put_time(w, d->bin_start_us, on || spent_us);
    put_time(w, d->counted_us, on || spent_us);
}

static void put_outputs(writer_t *w, const core_t *c)
{
    put(w, (uint32_t)c->active_outputs | (uint32_t)c->generator_outputs << 16);
    put(w, (uint32_t)c->safe_levels | (uint32_t)c->tone_hz << 16);
    put(w, (uint32_t)(c->armed | c->locked << 1 | c->tone_by << 8 | c->interlock << 16 | (uint32_t)c->restart << 24));
    put_bytes(w, c->level, sizeof c->level);
    put(w, c->faults);
    put(w, c->deadman_us);
    for (uint8_t o = 0; o < RIG_OUTPUTS; o++) {
        put(w, c->limit[o].max_on_us);
        put_time(w, c->limit[o].on_since_us, c->active_outputs >> o & 1);
    }
    for (uint8_t o = 0; o < RIG_DUTY_OUTPUTS; o++)
        put_duty(w, &c->duty[o], c->active_outputs >> o & 1);
}

static void put_monitor(writer_t *w, const monitor_t *m)
{
    uint8_t plain[] = {m->interlock, m->enabled, m->invert, m->raw, m->met, m->locked, m->armed, m->stopped, m->running, m->committed,
                       m->filling, m->shown, m->told, m->safe, (uint8_t)m->lever, m->acts, m->running ? m->table : 0,
                       m->running ? m->state : 0, m->live, 0};
    put_bytes(w, plain, sizeof plain);
    put(w, m->foreseen);
    put_time(w, m->foreseen_us, m->foreseen != GATE_NO_PINS);
    put_time(w, m->heard_us, m->armed);
    put_time(w, m->due_us, m->expects);
    put(w, m->deadman_us);
    for (uint8_t o = 0; o < PINS; o++) {
        const pin_t *p = &m->pin[o];
        put(w, p->max_on_us);
        put(w, p->window_us);
        put(w, p->duty_us);
        put_time(w, p->since_us, p->on);
        for (uint8_t i = 0; i < p->intervals; i++)
            if (w->now_us - p->was_on[i].end_us < p->window_us) {
                put_time(w, p->was_on[i].begin_us, 1);
                put_time(w, p->was_on[i].end_us, 1);
            }
    }
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD1B54A32D192ED03u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* 128 bits: with a hundred million states two of them share a key by chance once in 10^22 explorations. */
key_t128 canon_key(const life_t *l)
{
    writer_t w;
    w.used = 0;
    w.now_us = l->now_us;
    put(&w, l->link.met);
    put_timers(&w, &l->core);
    put_gate(&w, &l->core);
    put_trial(&w, &l->core);
    put_outputs(&w, &l->core);
    put_monitor(&w, &l->monitor);
    key_t128 key = {w.used, ~(uint64_t)w.used};
    memset(w.bytes + w.used, 0, 8);
    for (uint32_t i = 0; i < w.used; i += 8) {
        uint64_t word;
        memcpy(&word, w.bytes + i, 8);
        key.a = mix(key.a, word);
        key.b = mix(key.b + word, 0x8CB92BA72F3D8DD7u);
    }
    return key;
}
