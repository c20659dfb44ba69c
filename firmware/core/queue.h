/* The event queue: what happened and is not yet acknowledged. Written by the step, read by the link.
 *
 * An event's number is implied by its place, so it costs no room; a `lost` event states its own number range. When
 * there is no room an event is counted as lost, and one `lost` event says which numbers are missing. */
#ifndef RIG_QUEUE_H
#define RIG_QUEUE_H
#include <stdbool.h>
#include <stdint.h>
#include "limits.h"
#include "wire.h"

#define QUEUE_SLACK (14 + 2 * RIG_BATCH) /* the longest event, lever samples, with its head */

typedef struct { /* the step writes `put` and what stands before it, the link writes the rest */
    uint16_t head;        /* byte position: write here */
    uint32_t next;        /* number of the next event */
    uint32_t lost_from;   /* first number lost, while `losing` */
    uint8_t losing;
    uint16_t put;         /* bytes ever written, modulo 2^16 ... */
    uint16_t sent_bytes;  /* ... sent, and ... */
    uint16_t freed_bytes; /* ... acknowledged */
    uint16_t tail, sent;  /* byte positions: oldest kept; next to be sent */
    uint32_t oldest, sent_number; /* numbers at tail and at sent */
    uint32_t unseen;      /* first number never sent */
    uint8_t bytes[RIG_QUEUE_BYTES + QUEUE_SLACK];
} queue_t;

void queue_init(queue_t *q);
/* Keep an event of `size` bytes: returns where its fields go, to be written at once, or 0 where it was lost. */
uint8_t *queue_open(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size);
/* Only where `keep_free` bytes stay free for more important ones; else 0, and it is not counted as lost. */
uint8_t *queue_open_if(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size, uint16_t keep_free);
uint16_t queue_free(const queue_t *q);
bool queue_waits(const queue_t *q); /* for an acknowledgement */
/* Copy the next unsent event as a payload (message, number, board_us, fields); 0 where there is none. */
uint8_t queue_peek(const queue_t *q, uint8_t *payload);
void queue_sent(queue_t *q);
void queue_rewind(queue_t *q); /* send everything unacknowledged again */
void queue_acknowledge(queue_t *q, uint32_t next_event);

#endif
