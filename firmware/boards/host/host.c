/* See host.h. */
#include "host.h"
#include <string.h>

struct host {
    core_t core;
    link_t link;
    uint32_t now_us;
    const uint32_t *edge_us;
    const int8_t *edge_delta;
    uint32_t edges, edge;
    const uint32_t *input_us;
    const uint8_t *input_levels;
    uint32_t inputs, input;
    uint16_t outputs_seen, tone_seen;
    uint8_t levels_seen[RIG_OUTPUTS];
    uint8_t out[FRAME_MAX];
    uint8_t out_used, out_at;
};

size_t host_size(void)
{
    return sizeof(host_t);
}

void host_start(host_t *h, uint32_t now_us, uint16_t boot, uint8_t reason, uint8_t board, uint32_t pins_hash)
{
    memset(h, 0, sizeof *h);
    h->now_us = now_us;
    core_init(&h->core, now_us, boot, reason);
    memset(h->levels_seen, 255, sizeof h->levels_seen);
    link_init(&h->link, (link_board_t){board, 1, pins_hash});
}

void host_plan_lever(host_t *h, const uint32_t *t_us, const int8_t *delta, uint32_t n)
{
    h->edge_us = t_us;
    h->edge_delta = delta;
    h->edges = n;
    h->edge = 0;
}

void host_plan_inputs(host_t *h, const uint32_t *t_us, const uint8_t *levels, uint32_t n)
{
    h->input_us = t_us;
    h->input_levels = levels;
    h->inputs = n;
    h->input = 0;
}

uint32_t host_lever_left(const host_t *h)
{
    return h->edges - h->edge;
}

uint32_t host_inputs_left(const host_t *h)
{
    return h->inputs - h->input;
}

/* The world outside goes on as it was: only the machine and its link begin again. */
static void restart(host_t *h)
{
    uint8_t levels = h->core.raw_levels;
    link_board_t board = h->link.board;
    core_init(&h->core, h->now_us, (uint16_t)(h->core.boot + 1), 1);
    link_init(&h->link, board);
    h->out_at = h->out_used = 0;
    core_input(&h->core, h->now_us, levels);
    core_step(&h->core, h->now_us);
}

void host_receive(host_t *h, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        link_receive(&h->link, &h->core, bytes[i], h->now_us);
    if (h->core.restart)
        restart(h);
}

uint8_t host_owes(const host_t *h)
{
    return h->link.pong_owed || h->link.hello_owed || h->link.command_ack_owed;
}

uint32_t host_send(host_t *h, uint8_t *bytes, uint32_t room)
{
    uint32_t used = 0;
    while (used < room) {
        if (h->out_at == h->out_used) {
            h->out_used = link_send(&h->link, &h->core, h->out, h->now_us);
            h->out_at = 0;
            if (!h->out_used)
                break;
        }
        bytes[used++] = h->out[h->out_at++];
    }
    return used;
}

static int outputs_changed(host_t *h)
{
    const core_t *c = &h->core;
    int changed = c->active_outputs != h->outputs_seen || c->tone_hz != h->tone_seen ||
                  memcmp(c->level, h->levels_seen, sizeof c->level) != 0;
    h->outputs_seen = c->active_outputs;
    h->tone_seen = c->tone_hz;
    memcpy(h->levels_seen, c->level, sizeof c->level);
    return changed;
}

static void step_at(host_t *h, uint32_t t_us)
{
    h->now_us = t_us;
    core_step(&h->core, t_us);
}

uint8_t host_run(host_t *h, uint32_t until_us, uint8_t stop_on_news)
{
    core_t *c = &h->core;
    if (outputs_changed(h)) /* by a command since the last run */
        return HOST_OUTPUT;
    for (;;) {
        uint32_t t_us = core_next(c, h->now_us);
        int edge = 0, input = 0;
        if (h->input < h->inputs && !later(h->input_us[h->input], t_us)) {
            t_us = h->input_us[h->input];
            input = 1;
        }
        if (h->edge < h->edges && !later(h->edge_us[h->edge], t_us)) {
            edge = 1;
            input = input && h->input_us[h->input] == h->edge_us[h->edge];
            t_us = h->edge_us[h->edge];
        }
        if (later(h->now_us, t_us))
            t_us = h->now_us;
        if (later(t_us, until_us))
            break;
        c->news = 0;
        if (edge) {
            gate_edge(&c->gate, t_us, h->edge_delta[h->edge++]);
            if (!c->gate.waiting && !input && later(core_next(c, t_us), t_us)) {
                h->now_us = t_us;
                continue;
            }
        }
        if (input)
            core_input(c, t_us, h->input_levels[h->input++]);
        while (h->edge < h->edges && h->edge_us[h->edge] == t_us && ((c->gate.head + 2) & (RIG_EDGE_RING - 1)) != c->gate.tail)
            gate_edge(&c->gate, t_us, h->edge_delta[h->edge++]);
        step_at(h, t_us);
        if (outputs_changed(h))
            return HOST_OUTPUT;
        if (stop_on_news && c->news)
            return HOST_NEWS;
    }
    step_at(h, until_us);
    return outputs_changed(h) ? HOST_OUTPUT : HOST_TIME;
}

void host_step(host_t *h, uint32_t now_us)
{
    step_at(h, now_us);
}

void host_reach(host_t *h, uint32_t now_us)
{
    if (!later(now_us, h->now_us))
        now_us = h->now_us + 1;
    step_at(h, now_us - 1);
    h->now_us = now_us;
}

uint32_t host_next(host_t *h)
{
    return core_next(&h->core, h->now_us);
}

uint32_t host_next_decision(host_t *h)
{
    uint8_t timer = timer_first(&h->core);
    uint32_t far_us = h->now_us + WIRE_MAX_TIMER_US;
    return timer != TIMERS && later(far_us, h->core.due_us[timer]) ? h->core.due_us[timer] : far_us;
}

uint32_t host_now(const host_t *h)
{
    return h->now_us;
}

uint32_t host_next_event(const host_t *h)
{
    return h->core.queue.next;
}

uint16_t host_outputs(const host_t *h)
{
    return h->core.active_outputs;
}

uint16_t host_tone_hz(const host_t *h)
{
    return h->core.tone_hz;
}

uint8_t host_level(const host_t *h, uint8_t output)
{
    return h->core.level[output & (RIG_OUTPUTS - 1)];
}

int32_t host_lever(host_t *h)
{
    return core_lever(&h->core);
}

uint16_t host_damaged(const host_t *h)
{
    return h->link.reader.damaged;
}

/* --- re-execution ------------------------------------------------------------------------------------------------- */

uint8_t host_command(host_t *h, uint8_t sequence, uint8_t message, const uint8_t *fields, uint8_t size)
{
    uint8_t body[5] = {sequence, message};
    body[2] = core_command(&h->core, h->now_us, message, fields, size);
    wire_put_u16(body + 3, size ? fields[0] : 0);
    emit(&h->core, MSG_APPLIED, body, sizeof body);
    return body[2];
}

void host_lever_to(host_t *h, int32_t counts)
{
    int32_t delta = counts - core_lever(&h->core);
    while (delta) {
        int8_t part = (int8_t)(delta > 127 ? 127 : delta < -127 ? -127 : delta);
        gate_edge(&h->core.gate, h->now_us, part);
        delta -= part;
        if (((h->core.gate.head + 2) & (RIG_EDGE_RING - 1)) == h->core.gate.tail)
            core_step(&h->core, h->now_us);
    }
    core_step(&h->core, h->now_us);
}

void host_input_now(host_t *h, uint8_t levels)
{
    core_input(&h->core, h->now_us, levels);
    core_step(&h->core, h->now_us);
}

void host_keep_alive(host_t *h)
{
    core_host_heard(&h->core, h->now_us);
}

uint32_t host_take_events(host_t *h, uint8_t *bytes, uint32_t room)
{
    uint32_t used = 0;
    uint8_t payload[WIRE_MAX_PAYLOAD], size;
    while (used + WIRE_MAX_PAYLOAD + 1 <= room && (size = queue_peek(&h->core.queue, payload)) != 0) {
        bytes[used] = size;
        memcpy(bytes + used + 1, payload, size);
        used += 1u + size;
        queue_sent(&h->core.queue);
        queue_acknowledge(&h->core.queue, wire_get_u32(payload + 1) + 1);
    }
    return used;
}
