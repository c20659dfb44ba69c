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

/* What the step has put, read by the link: a step may come in between the halves of a 16-bit number. The other way
 * round nothing can come in between, for the link does not run while a step does; but what it writes it writes in one. */
static uint16_t put_so_far(const queue_t *q)
{
    uint16_t value;
    RIG_ATOMIC_BEGIN();
    value = q->put;
    RIG_ATOMIC_END();
    return value;
}

uint16_t queue_free(const queue_t *q)
{
    return (uint16_t)(RIG_QUEUE_BYTES - (uint16_t)(put_so_far(q) - q->freed_bytes));
}

bool queue_waits(const queue_t *q)
{
    return q->sent_bytes != q->freed_bytes;
}

static inline uint16_t room(const queue_t *q)
{
    return (uint16_t)(RIG_QUEUE_BYTES - (uint16_t)(q->put - q->freed_bytes));
}

/* Records begin within the ring and may end in the slack behind it, so each lies in one piece. */
static uint8_t *open_record(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size)
{
    uint16_t length = (uint16_t)(HEAD_BYTES + size);
    uint8_t *at = q->bytes + q->head;
    q->head = advance(q->head, length);
    q->put = (uint16_t)(q->put + length);
    q->next++;
    *at++ = size;
    *at++ = message;
    return wire_put_u32(at, board_us);
}

static bool state_the_loss(queue_t *q, uint32_t board_us, uint8_t size)
{
    if (room(q) < (uint16_t)(2u * HEAD_BYTES + 8u + size))
        return false;
    uint32_t last = q->next - 1;
    wire_put_u32(wire_put_u32(open_record(q, MSG_LOST, board_us, 8), q->lost_from), last);
    q->losing = 0;
    return true;
}

RIG_SELDOM static uint8_t *open_or_lose(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size)
{
    if (q->losing && state_the_loss(q, board_us, size))
        return open_record(q, message, board_us, size);
    if (!q->losing) {
        q->losing = 1;
        q->lost_from = q->next;
    }
    q->next++;
    return 0;
}

uint8_t *queue_open(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size)
{
    if (q->losing || room(q) < (uint16_t)(HEAD_BYTES + size))
        return open_or_lose(q, message, board_us, size);
    return open_record(q, message, board_us, size);
}

uint8_t *queue_open_if(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size, uint16_t keep_free)
{
    if (room(q) < (uint16_t)(HEAD_BYTES + size + keep_free))
        return 0;
    return queue_open(q, message, board_us, size);
}

/* The number of the record at `at`, which follows number `before`: a `lost` record jumps over what it replaces. */
static uint32_t number_at(const queue_t *q, uint16_t at, uint32_t expected)
{
    const uint8_t *record = q->bytes + at;
    return record[1] == MSG_LOST ? wire_get_u32(record + HEAD_BYTES + 4) + 1 : expected;
}

uint8_t queue_peek(const queue_t *q, uint8_t *payload)
{
    if (put_so_far(q) == q->sent_bytes)
        return 0;
    const uint8_t *record = q->bytes + q->sent;
    payload[0] = record[1];
    wire_put_u32(payload + 1, number_at(q, q->sent, q->sent_number));
    memcpy(payload + 5, record + 2, (size_t)record[0] + 4);
    return (uint8_t)(9 + record[0]);
}

void queue_sent(queue_t *q)
{
    uint16_t size = (uint16_t)(HEAD_BYTES + q->bytes[q->sent]);
    q->sent_number = number_at(q, q->sent, q->sent_number) + 1;
    if ((int32_t)(q->sent_number - q->unseen) > 0)
        q->unseen = q->sent_number;
    q->sent = advance(q->sent, size);
    q->sent_bytes = (uint16_t)(q->sent_bytes + size);
}

void queue_rewind(queue_t *q)
{
    q->sent = q->tail;
    q->sent_bytes = q->freed_bytes;
    q->sent_number = q->oldest;
}

void queue_acknowledge(queue_t *q, uint32_t next_event)
{
    if ((int32_t)(next_event - q->unseen) > 0)
        return; /* never sent: a word about some other life of this board */
    while (put_so_far(q) != q->freed_bytes) {
        uint32_t number = number_at(q, q->tail, q->oldest);
        if ((int32_t)(next_event - number) <= 0)
            break;
        if (!queue_waits(q))
            queue_sent(q); /* acknowledged while waiting to be sent again */
        uint16_t size = (uint16_t)(HEAD_BYTES + q->bytes[q->tail]);
        q->oldest = number + 1;
        q->tail = advance(q->tail, size);
        RIG_ATOMIC_BEGIN();
        q->freed_bytes = (uint16_t)(q->freed_bytes + size);
        RIG_ATOMIC_END();
    }
}
