/* A tap on the simulated board, put there by the linker (--wrap): what was told before any queue could lose it, what the
 * pins did, and when the host was heard. The firmware's sources are compiled as they stand.
 *
 * There is one board in a process. Whoever reads takes everything and clears. */
#include "../../firmware/core/core.h"
#include <stdlib.h>
#include <string.h>

/* cffi: begin */
typedef struct {
    uint64_t t_us;       /* since this life began, unwrapped */
    uint32_t silent_us;  /* the longest time without a word from the host while an output was on */
    uint16_t life;       /* boot count */
    uint16_t active;     /* outputs active, before the safe levels */
    uint16_t pins;       /* as written to the pins */
    uint8_t levels;      /* the raw input of the interlock */
    uint8_t armed;
} tap_pins_t;

uint32_t tap_pins(tap_pins_t *to, uint32_t room);  /* takes them */
uint32_t tap_events(uint8_t *to, uint32_t room);   /* takes them: size u8, kept u8, payload; size 0: a new life */
void tap_clear(void);                              /* forgets everything: another board begins */
uint16_t tap_boot(void);                           /* of the life that goes on */
/* cffi: end */

#define PINS 65536u
#define EVENT_BYTES (8u << 20)

static tap_pins_t pins_kept[PINS];
static uint32_t pins_used;
static uint8_t *events_kept;
static uint32_t events_used;
static uint64_t t64;
/* The fields of an event are written where queue_open says, after it has returned: they are read a moment later. */
static const uint8_t *open_fields;
static uint8_t open_event[2 + WIRE_MAX_PAYLOAD], open_size;
static uint32_t last_us, heard_us, silent_us;
static tap_pins_t last_pins;

void tap_clear(void)
{
    pins_used = events_used = 0;
    open_event[0] = 0;
    memset(&last_pins, 0, sizeof last_pins);
}

static void settle(void);

uint16_t tap_boot(void)
{
    return last_pins.life;
}

uint32_t tap_pins(tap_pins_t *to, uint32_t room)
{
    uint32_t n = pins_used < room ? pins_used : room;
    memcpy(to, pins_kept, n * sizeof *to);
    memmove(pins_kept, pins_kept + n, (pins_used - n) * sizeof *to);
    pins_used -= n;
    return n;
}

uint32_t tap_events(uint8_t *to, uint32_t room)
{
    settle();
    uint32_t n = events_used < room ? events_used : room;
    memcpy(to, events_kept, n);
    memmove(events_kept, events_kept + n, events_used - n);
    events_used -= n;
    return n;
}

static void keep(const uint8_t *bytes, uint32_t n)
{
    if (!events_kept)
        events_kept = malloc(EVENT_BYTES);
    if (!events_kept || events_used + n > EVENT_BYTES)
        abort(); /* a test that does not read its tap proves nothing */
    memcpy(events_kept + events_used, bytes, n);
    events_used += n;
}

static void look(const core_t *c, uint32_t now_us)
{
    settle();
    t64 += (uint32_t)(now_us - last_us);
    last_us = now_us;
    if (last_pins.active && now_us - heard_us > silent_us)
        silent_us = now_us - heard_us;
    tap_pins_t now = {t64, silent_us, c->boot, c->active_outputs, core_pins(c), c->raw_levels & 1u << IN_INTERLOCK, c->armed};
    if (now.active == last_pins.active && now.pins == last_pins.pins && now.armed == last_pins.armed &&
        now.levels == last_pins.levels && now.life == last_pins.life)
        return;
    if (pins_used == PINS)
        abort();
    pins_kept[pins_used++] = now;
    last_pins = now;
}

void __real_core_init(core_t *c, uint32_t now_us, uint16_t boot, uint8_t reason);
void __wrap_core_init(core_t *c, uint32_t now_us, uint16_t boot, uint8_t reason)
{
    settle();
    if (last_pins.active || last_pins.armed) { /* a life ends: whatever was on goes off */
        if (pins_used == PINS)
            abort();
        pins_kept[pins_used++] = (tap_pins_t){t64 + (uint32_t)(now_us - last_us), silent_us, last_pins.life, 0, 0, last_pins.levels, 0};
    }
    uint8_t mark[4] = {0, 1, (uint8_t)boot, (uint8_t)(boot >> 8)};
    keep(mark, sizeof mark);
    t64 = 0;
    last_us = heard_us = now_us;
    silent_us = 0;
    __real_core_init(c, now_us, boot, reason);
    look(c, now_us);
}

void __real_core_step(core_t *c, uint32_t now_us);
void __wrap_core_step(core_t *c, uint32_t now_us)
{
    __real_core_step(c, now_us);
    look(c, now_us);
}

uint8_t __real_core_command(core_t *c, uint32_t now_us, uint8_t message, const uint8_t *fields, uint8_t size);
uint8_t __wrap_core_command(core_t *c, uint32_t now_us, uint8_t message, const uint8_t *fields, uint8_t size)
{
    uint8_t status = __real_core_command(c, now_us, message, fields, size);
    look(c, now_us);
    return status;
}

void __real_core_host_heard(core_t *c, uint32_t now_us);
void __wrap_core_host_heard(core_t *c, uint32_t now_us)
{
    __real_core_host_heard(c, now_us);
    look(c, now_us);
    heard_us = now_us;
}

static void settle(void)
{
    if (!open_event[0])
        return;
    if (open_fields)
        memcpy(open_event + 11, open_fields, open_size);
    keep(open_event, 2u + open_event[0]);
    open_event[0] = 0;
}

/* An event that found no room has nowhere to write its fields: of it, the number is known. */
static uint8_t *told(const queue_t *q, uint8_t message, uint32_t board_us, uint8_t size, uint8_t *at)
{
    open_fields = at;
    open_size = at ? size : 0;
    open_event[0] = (uint8_t)(9 + open_size);
    open_event[1] = at != 0;
    open_event[2] = message;
    wire_put_u32(wire_put_u32(open_event + 3, q->next - 1), board_us);
    return at;
}

uint8_t *__real_queue_open(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size);
uint8_t *__wrap_queue_open(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size)
{
    settle();
    return told(q, message, board_us, size, __real_queue_open(q, message, board_us, size));
}

uint8_t *__real_queue_open_if(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size, uint16_t keep_free);
uint8_t *__wrap_queue_open_if(queue_t *q, uint8_t message, uint32_t board_us, uint8_t size, uint16_t keep_free)
{
    settle();
    uint32_t before = q->next;
    uint8_t *at = __real_queue_open_if(q, message, board_us, size, keep_free);
    if (!at && q->next == before)
        return 0; /* samples that are thinned out get no number */
    return told(q, message, board_us, size, at);
}
