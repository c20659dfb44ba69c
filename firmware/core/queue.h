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

typedef struct {
    uint16_t head, tail, sent;     /* byte positions: write here; oldest kept; next to be sent */
    uint16_t used;                 /* bytes from tail to head */
    uint16_t unsent;               /* bytes from sent to head */
    uint32_t next;                 /* number of the next event */
    uint32_t oldest, sent_number;  /* numbers at tail and at sent */
    uint32_t unseen;               /* first number never sent */
    uint32_t lost_from;            /* first number lost, while `losing` */
    uint8_t losing;
    uint8_t bytes[RIG_QUEUE_BYTES];
} queue_t;

void queue_init(queue_t *q);
/* Keep an event: `body` holds its fields only. `keep_free` bytes must stay free for more important ones. */
bool queue_push(queue_t *q, uint8_t message, uint32_t board_us, const uint8_t *body, uint8_t size, uint16_t keep_free);
uint16_t queue_free(const queue_t *q);
bool queue_waits(const queue_t *q); /* for an acknowledgement */
/* Copy the next unsent event as a payload (message, number, board_us, fields); 0 where there is none. */
uint8_t queue_peek(const queue_t *q, uint8_t *payload);
void queue_sent(queue_t *q);
void queue_rewind(queue_t *q); /* send everything unacknowledged again */
void queue_acknowledge(queue_t *q, uint32_t next_event);

#endif
