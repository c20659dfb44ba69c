/* See queue.h. A record is: size of the fields, message, board_us, fields. */
#include "queue.h"
#include <string.h>

#define HEAD_BYTES 6u

void queue_init(queue_t *q)
{
    memset(q, 0, sizeof *q);
}

static uint16_t advance(uint16_t at, uint16_t by)
{
    at = (uint16_t)(at + by);
    return at >= RIG_QUEUE_BYTES ? (uint16_t)(at - RIG_QUEUE_BYTES) : at;
}

/* A count that the step and the link both change, on a chip that reads it in two halves. */
static uint16_t whole(const uint16_t *count)
{
    uint16_t value;
    RIG_ATOMIC_BEGIN();
    value = *count;
    RIG_ATOMIC_END();
    return value;
}

static void put(queue_t *q, const uint8_t *from, uint8_t size)
{
    uint8_t *at = q->bytes + q->head, *end = q->bytes + RIG_QUEUE_BYTES;
    while (size--) {
        *at++ = *from++;
        if (at == end)
            at = q->bytes;
    }
    q->head = (uint16_t)(at - q->bytes);
}

static void get(const queue_t *q, uint16_t from, uint8_t *to, uint8_t size)
{
    const uint8_t *at = q->bytes + from, *end = q->bytes + RIG_QUEUE_BYTES;
    while (size--) {
        *to++ = *at++;
        if (at == end)
            at = q->bytes;
    }
}

uint16_t queue_free(const queue_t *q)
{
    return (uint16_t)(RIG_QUEUE_BYTES - whole(&q->used));
}

bool queue_waits(const queue_t *q)
{
    bool waits;
    RIG_ATOMIC_BEGIN();
    waits = q->unsent < q->used;
    RIG_ATOMIC_END();
    return waits;
}

static void write_record(queue_t *q, uint8_t message, uint32_t board_us, const uint8_t *body, uint8_t size)
{
    uint8_t head[HEAD_BYTES] = {size, message};
    wire_put_u32(head + 2, board_us);
    put(q, head, HEAD_BYTES);
    put(q, body, size);
    RIG_ATOMIC_BEGIN();
    q->used = (uint16_t)(q->used + HEAD_BYTES + size);
    q->unsent = (uint16_t)(q->unsent + HEAD_BYTES + size);
    RIG_ATOMIC_END();
    q->next++;
}

static bool state_the_loss(queue_t *q, uint32_t board_us, uint8_t size)
{
    uint8_t body[8];
    if (queue_free(q) < (uint16_t)(2u * HEAD_BYTES + sizeof body + size))
        return false;
    wire_put_u32(wire_put_u32(body, q->lost_from), q->next - 1);
    q->losing = 0;
    write_record(q, MSG_LOST, board_us, body, sizeof body);
    return true;
}

bool queue_push(queue_t *q, uint8_t message, uint32_t board_us, const uint8_t *body, uint8_t size, uint16_t keep_free)
{
    if (keep_free && queue_free(q) < (uint16_t)(HEAD_BYTES + size + keep_free))
        return false; /* a sample: the caller counts it as thinned */
    if (q->losing && !state_the_loss(q, board_us, size)) {
        q->next++;
        return false;
    }
    if (queue_free(q) < (uint16_t)(HEAD_BYTES + size)) {
        q->losing = 1;
        q->lost_from = q->next++;
        return false;
    }
    write_record(q, message, board_us, body, size);
    return true;
}

/* The number of the record at `at`, which follows number `before`: a `lost` record jumps over what it replaces. */
static uint32_t number_at(const queue_t *q, uint16_t at, uint32_t expected)
{
    uint8_t head[HEAD_BYTES + 8];
    get(q, at, head, 2);
    if (head[1] != MSG_LOST)
        return expected;
    get(q, at, head, sizeof head);
    return wire_get_u32(head + HEAD_BYTES + 4) + 1;
}

uint8_t queue_peek(const queue_t *q, uint8_t *payload)
{
    if (!whole(&q->unsent))
        return 0;
    uint8_t head[HEAD_BYTES];
    get(q, q->sent, head, HEAD_BYTES);
    payload[0] = head[1];
    wire_put_u32(payload + 1, number_at(q, q->sent, q->sent_number));
    memcpy(payload + 5, head + 2, 4);
    get(q, advance(q->sent, HEAD_BYTES), payload + 9, head[0]);
    return (uint8_t)(9 + head[0]);
}

void queue_sent(queue_t *q)
{
    uint16_t size = (uint16_t)(HEAD_BYTES + q->bytes[q->sent]);
    q->sent_number = number_at(q, q->sent, q->sent_number) + 1;
    if ((int32_t)(q->sent_number - q->unseen) > 0)
        q->unseen = q->sent_number;
    q->sent = advance(q->sent, size);
    RIG_ATOMIC_BEGIN();
    q->unsent = (uint16_t)(q->unsent - size);
    RIG_ATOMIC_END();
}

void queue_rewind(queue_t *q)
{
    RIG_ATOMIC_BEGIN();
    q->sent = q->tail;
    q->unsent = q->used;
    q->sent_number = q->oldest;
    RIG_ATOMIC_END();
}

void queue_acknowledge(queue_t *q, uint32_t next_event)
{
    if ((int32_t)(next_event - q->unseen) > 0)
        return; /* never sent: a word about some other life of this board */
    while (whole(&q->used)) {
        uint32_t number = number_at(q, q->tail, q->oldest);
        if ((int32_t)(next_event - number) <= 0)
            break;
        if (!queue_waits(q))
            queue_sent(q); /* acknowledged while waiting to be sent again */
        uint16_t size = (uint16_t)(HEAD_BYTES + q->bytes[q->tail]);
        q->oldest = number + 1;
        q->tail = advance(q->tail, size);
        RIG_ATOMIC_BEGIN();
        q->used = (uint16_t)(q->used - size);
        RIG_ATOMIC_END();
    }
}
