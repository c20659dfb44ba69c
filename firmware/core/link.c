/* See link.h. */
#include "link.h"
#include <string.h>

_Static_assert(RIG_PAYLOAD >= 37 && RIG_PAYLOAD >= 17 + 2 * RIG_BATCH && RIG_PAYLOAD <= WIRE_MAX_PAYLOAD,
               "hello and lever samples must fit a frame");

void link_init(link_t *l, link_board_t board)
{
    memset(l, 0, sizeof *l);
    l->board = board;
    l->resend_us = LINK_RESEND_MIN_US;
}

/* --- from the host ------------------------------------------------------------------------------------------------ */

/* Send everything unacknowledged again. What is on its way twice measures nothing (Karn & Partridge 1987). */
static void send_again(link_t *l, core_t *c)
{
    queue_rewind(&c->queue);
    l->probing = 0;
}

/* The event that was watched is acknowledged: from now on that is how long one waits, twice over. */
static void measured(link_t *l, uint32_t trip_us)
{
    l->probing = 0;
    l->trip_us = trip_us > l->trip_us ? trip_us : l->trip_us - ((l->trip_us - trip_us) >> 3);
    l->resend_us = l->trip_us >= LINK_RESEND_MAX_US / 2   ? LINK_RESEND_MAX_US
                   : l->trip_us <= LINK_RESEND_MIN_US / 2 ? LINK_RESEND_MIN_US
                                                          : 2 * l->trip_us;
}

static void acknowledge(link_t *l, core_t *c, uint32_t next_event, uint32_t now_us)
{
    queue_acknowledge(&c->queue, next_event);
    if (c->queue.oldest == l->acknowledged)
        return;
    l->acknowledged = c->queue.oldest;
    l->progress_us = now_us;
    if (l->probing && later(l->acknowledged, l->probe))
        measured(l, now_us - l->probe_us);
}

static void take_command(link_t *l, core_t *c, const uint8_t *payload, uint8_t size, uint32_t now_us)
{
    l->command_ack_owed = 1;
    if (size < 2 || payload[1] != l->next_command)
        return;
    l->next_command++;
    uint8_t body[5] = {payload[1], payload[0]};
    RIG_LOCK();
    body[2] = core_command(c, now_us, payload[0], payload + 2, (uint8_t)(size - 2));
    wire_put_u16(body + 3, size > 2 ? payload[2] : 0);
    emit(c, MSG_APPLIED, body, sizeof body);
    RIG_UNLOCK();
}

static void take(link_t *l, core_t *c, const uint8_t *payload, uint8_t size, uint32_t now_us)
{
    uint8_t message = payload[0];
    RIG_LOCK();
    core_host_heard(c, now_us);
    RIG_UNLOCK();
    if (message == MSG_HELLO_ASK && size == 5) {
        l->nonce = wire_get_u32(payload + 1);
        l->hello_owed = 1;
        l->met = 1;
        send_again(l, c);
    } else if (!l->met) {
        return;
    } else if (message == MSG_PING && size == 9) {
        l->token = wire_get_u32(payload + 1);
        l->token_us = now_us;
        l->pong_owed = 1;
        acknowledge(l, c, wire_get_u32(payload + 5), now_us);
    } else if (message == MSG_ACK && size == 6) {
        acknowledge(l, c, wire_get_u32(payload + 1), now_us);
        if (payload[5])
            send_again(l, c);
    } else if (message >= MSG_SET_OUTPUT && message < MSG_HELLO) { /* an unknown one is answered, too */
        take_command(l, c, payload, size, now_us);
    }
}

void link_receive(link_t *l, core_t *c, uint8_t byte, uint32_t now_us)
{
    uint8_t size = frame_read(&l->reader, byte);
    if (size)
        take(l, c, l->reader.bytes, size, now_us);
}

/* --- to the host -------------------------------------------------------------------------------------------------- */

static uint8_t write_hello(const link_t *l, const core_t *c, uint8_t *p)
{
    uint8_t *at = p;
    RIG_LOCK();
    *at++ = MSG_HELLO;
    at = wire_put_u32(wire_put_u32(at, l->nonce), WIRE_HASH);
    *at++ = l->board.board;
    at = wire_put_u16(wire_put_u16(at, l->board.firmware), c->boot);
    *at++ = RIG_STATES;
    *at++ = RIG_RULES;
    *at++ = RIG_GENERATORS;
    *at++ = RIG_OUTPUTS;
    *at++ = RIG_INPUTS;
    at = wire_put_u16(at, RIG_QUEUE_BYTES);
    *at++ = c->armed;
    at = wire_put_u16(at, c->faults);
    at = wire_put_u32(at, l->board.pins_hash);
    at = wire_put_u32(wire_put_u32(at, c->queue.oldest), c->queue.next);
    *at++ = l->next_command;
    RIG_UNLOCK();
    return (uint8_t)(at - p);
}

static uint8_t write_pong(const link_t *l, const core_t *c, uint8_t *p)
{
    p[0] = MSG_PONG;
    wire_put_u16(wire_put_u32(wire_put_u32(p + 1, l->token), l->token_us), queue_free(&c->queue));
    return 11;
}

static uint8_t next_event(link_t *l, core_t *c, uint8_t *payload, uint32_t now_us)
{
    queue_t *q = &c->queue;
    if (!queue_waits(q))
        l->progress_us = now_us; /* nothing is on its way, so nothing is overdue */
    else if (now_us - l->progress_us >= l->resend_us) {
        send_again(l, c);
        l->progress_us = now_us;
        l->resend_us = l->resend_us >= LINK_RESEND_MAX_US / 2 ? LINK_RESEND_MAX_US : 2 * l->resend_us;
    }
    uint8_t size = queue_peek(q, payload);
    if (!size)
        return 0;
    if (!l->probing && q->sent_number == q->unseen) {
        l->probing = 1;
        l->probe = q->sent_number;
        l->probe_us = now_us;
    }
    queue_sent(q);
    return size;
}

static uint8_t next_payload(link_t *l, core_t *c, uint8_t *payload, uint32_t now_us)
{
    if (!l->met) {
        if (now_us - l->announced_us < LINK_ANNOUNCE_US)
            return 0;
        l->announced_us = now_us;
        return write_hello(l, c, payload);
    }
    if (l->pong_owed) { /* first, so that it is prompt */
        l->pong_owed = 0;
        return write_pong(l, c, payload);
    }
    if (l->hello_owed) {
        l->hello_owed = 0;
        return write_hello(l, c, payload);
    }
    if (l->command_ack_owed) {
        l->command_ack_owed = 0;
        payload[0] = MSG_COMMAND_ACK;
        payload[1] = l->next_command;
        return 2;
    }
    return next_event(l, c, payload, now_us);
}

uint8_t link_send(link_t *l, core_t *c, uint8_t *frame, uint32_t now_us)
{
    uint8_t size = next_payload(l, c, frame + 1, now_us);
    return size ? frame_write(frame, frame + 1, size) : 0;
}
