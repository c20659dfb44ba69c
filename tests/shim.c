/* A body whose step comes when the test says so: its interrupts are the test's calls, as on a board.
 *
 * An interrupt does what it does on a board (gate.h): at the deadline, on an edge, on an input. What it would write to
 * the pins at once is kept, so that the test can hold it against what the step decides. */
#include "../firmware/core/core.h"
#include "../firmware/core/frame.h"
#include <stdlib.h>
#include <string.h>

/* cffi: begin */
typedef struct late late_t;

late_t *late_new(uint32_t now_us);
void late_free(late_t *b);
void late_edge(late_t *b, uint32_t t_us, int8_t delta);
void late_input(late_t *b, uint32_t t_us, uint8_t levels);
void late_step(late_t *b, uint32_t now_us);
void late_heard(late_t *b, uint32_t now_us);
void late_command(late_t *b, uint32_t now_us, uint8_t sequence, uint8_t message, const uint8_t *fields, uint8_t size);
uint32_t late_take(late_t *b, uint8_t *bytes, uint32_t room); /* size u8, payload; … */
/* What interrupts foretold since the last call, at most `room`: time, outputs, levels of laser and mask (of a light that is
 * on already: at a deadline alone, else 0). */
uint32_t late_foretold(late_t *b, uint32_t *t_us, uint16_t *outputs, uint8_t *levels, uint32_t room);

uint8_t shim_frame(uint8_t *to, const uint8_t *payload, uint8_t size);
/* Feeds bytes to a frame reader and writes what it read: size u8, payload; … Returns the bytes written. */
uint32_t shim_read(const uint8_t *bytes, uint32_t n, uint8_t *to, uint32_t *damaged);
/* cffi: end */

#define FORETOLD 4096

struct late {
    core_t core;
    uint32_t count;
    struct {
        uint32_t t_us;
        uint16_t outputs;
        uint8_t levels[2];
    } foretold[FORETOLD];
};

late_t *late_new(uint32_t now_us)
{
    late_t *b = calloc(1, sizeof *b);
    core_init(&b->core, now_us, 1, 0);
    return b;
}

void late_free(late_t *b)
{
    free(b);
}

static void keep(late_t *b, uint32_t t_us, uint16_t pins, bool at_deadline)
{
    if (pins == GATE_NO_PINS || b->count == FORETOLD)
        return;
    b->foretold[b->count].t_us = t_us;
    b->foretold[b->count].outputs = pins;
    for (uint8_t o = OUT_LASER; o <= OUT_MASK; o++)
        if (at_deadline || !(b->core.active_outputs >> o & 1))
            b->foretold[b->count].levels[o - OUT_LASER] = b->core.gate.level[o];
        else
            b->foretold[b->count].levels[o - OUT_LASER] = 0;
    b->count++;
}

/* The deadline's interrupt comes before whatever happens later. */
static void deadline(late_t *b, uint32_t t_us)
{
    gate_t *g = &b->core.gate;
    uint32_t due_us = g->until_us;
    if (g->timed && !g->waiting && later(t_us, due_us))
        keep(b, due_us, gate_due(g), true);
}

void late_edge(late_t *b, uint32_t t_us, int8_t delta)
{
    deadline(b, t_us);
    keep(b, t_us, gate_edge(&b->core.gate, t_us, delta), false);
}

void late_input(late_t *b, uint32_t t_us, uint8_t levels)
{
    deadline(b, t_us);
    keep(b, t_us, gate_input(&b->core.gate, t_us, levels), false);
    core_input(&b->core, t_us, levels);
}

void late_step(late_t *b, uint32_t now_us)
{
    deadline(b, now_us + 1);
    core_step(&b->core, now_us);
}

void late_heard(late_t *b, uint32_t now_us)
{
    deadline(b, now_us + 1);
    core_host_heard(&b->core, now_us);
}

void late_command(late_t *b, uint32_t now_us, uint8_t sequence, uint8_t message, const uint8_t *fields, uint8_t size)
{
    deadline(b, now_us + 1);
    uint8_t body[5] = {sequence, message};
    body[2] = core_command(&b->core, now_us, message, fields, size);
    wire_put_u16(body + 3, size ? fields[0] : 0);
    emit(&b->core, MSG_APPLIED, body, sizeof body);
}

uint32_t late_take(late_t *b, uint8_t *bytes, uint32_t room)
{
    uint32_t used = 0;
    uint8_t size;
    queue_t *q = &b->core.queue;
    while (used + WIRE_MAX_PAYLOAD < room && (size = queue_peek(q, bytes + used + 1)) != 0) {
        bytes[used] = size;
        queue_sent(q);
        queue_acknowledge(q, wire_get_u32(bytes + used + 2) + 1);
        used += 1u + size;
    }
    return used;
}

uint32_t late_foretold(late_t *b, uint32_t *t_us, uint16_t *outputs, uint8_t *levels, uint32_t room)
{
    uint32_t n = b->count < room ? b->count : room;
    for (uint32_t i = 0; i < n; i++) {
        t_us[i] = b->foretold[i].t_us;
        outputs[i] = b->foretold[i].outputs;
        memcpy(levels + 2 * i, b->foretold[i].levels, 2);
    }
    b->count = 0;
    return n;
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

uint8_t shim_frame(uint8_t *to, const uint8_t *payload, uint8_t size)
{
    return frame_write(to, payload, size);
}

uint32_t shim_read(const uint8_t *bytes, uint32_t n, uint8_t *to, uint32_t *damaged)
{
    frame_reader_t reader = {0};
    uint32_t used = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t size = frame_read(&reader, bytes[i]);
        if (!size)
            continue;
        to[used] = size;
        memcpy(to + used + 1, reader.bytes, size);
        used += 1u + size;
    }
    *damaged = reader.damaged;
    return used;
}
