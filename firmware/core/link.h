/* The link: frames, numbers, acknowledgement and resend, both ways. Bytes in, bytes out; no port is touched here.
 *
 * Events are kept in the core's queue until the host has acknowledged them; when that takes too long, or the host asks,
 * all are sent again from the oldest. Commands carry a number: the expected one is applied, an older one is a repeat
 * and only acknowledged, a newer one means that something was lost and is dropped until the host sends it again.
 *
 * Until a host has asked who is there, a board says so by itself now and then, and neither takes nor tells anything else:
 * words still on their way may be meant for the life before a reset. */
#ifndef RIG_LINK_H
#define RIG_LINK_H
#include "core.h"
#include "frame.h"

#define LINK_FIRMWARE 1 /* version of all this, told in hello */
#define LINK_RESEND_MIN_US 200000UL
#define LINK_RESEND_MAX_US 2000000UL
#define LINK_ANNOUNCE_US 500000UL

typedef struct {
    uint8_t board;
    uint16_t firmware;
    uint32_t pins_hash;
} link_board_t;

typedef struct {
    frame_reader_t reader;
    link_board_t board;
    uint32_t nonce, token, token_us;
    uint32_t progress_us, resend_us, acknowledged;
    uint32_t probe, probe_us, trip_us; /* an event on its way, and how long acknowledgements took lately */
    uint32_t announced_us;
    uint8_t met, probing;
    uint8_t hello_owed, pong_owed, command_ack_owed;
    uint8_t next_command;
} link_t;

void link_init(link_t *l, link_board_t board);
/* A byte came in at now_us. */
void link_receive(link_t *l, core_t *c, uint8_t byte, uint32_t now_us);
/* The next frame to send (at most FRAME_MAX bytes); returns its length, or 0 where there is nothing to say. */
uint8_t link_send(link_t *l, core_t *c, uint8_t *frame, uint32_t now_us);

#endif
