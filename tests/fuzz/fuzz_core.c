/* Whatever comes in, the machine neither crashes nor lets an output act that may not.
 *
 *     fuzz_core vectors FILE…        runs golden vectors and prints each event's payload in hexadecimal
 *     fuzz_core random SEED COUNT    so many random lives: noise, spoilt frames, valid ones, edges, inputs, jumps of time
 *     fuzz_core replay FILE…         what libFuzzer kept (tests/fuzz/corpus), without libFuzzer
 *     with -DFUZZER                  libFuzzer's entry point: the same lives, drawn by the fuzzer; or bare frames
 *
 * Built with -fsanitize=address,undefined. A broken promise prints a line and aborts. The promises are watched from
 * outside, by what core.h shows after every step: see `watch`. */
#include "../../firmware/boards/host/host.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 400

static void promise(int kept, const char *what)
{
    if (kept)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

/* --- chance: a generator, or the fuzzer's bytes ------------------------------------------------------------------- */

typedef struct {
    const uint8_t *bytes;
    size_t left;
    uint64_t state;
} chance_t;

static uint32_t draw(chance_t *r)
{
    if (r->bytes) {
        uint32_t v = 0;
        for (int i = 0; i < 4 && r->left; i++, r->left--)
            v = v << 8 | *r->bytes++;
        return v;
    }
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33) * 2654435761u >> 1;
}

static uint8_t draw_byte(chance_t *r)
{
    if (!r->bytes)
        return (uint8_t)(draw(r) >> 7);
    if (!r->left)
        return 0;
    r->left--;
    return *r->bytes++;
}

static uint32_t below(chance_t *r, uint32_t n)
{
    return n > 255 ? draw(r) % n : draw_byte(r) % n;
}

/* --- a life ------------------------------------------------------------------------------------------------------- */

typedef struct {
    core_t core;
    link_t link;
    chance_t *chance;
    uint32_t now_us;
    uint8_t was_armed, may_arm;
    int trusted; /* a well-formed frame was sent: outputs may act */
} life_t;

/* The promises: outputs act only while armed and in a trial, no longer than their ceiling; nothing arms by itself. */
static void watch(life_t *f)
{
    const core_t *c = &f->core;
    if (!c->armed || !c->running)
        promise(c->active_outputs == 0, "an output acts without arming or trial");
    if (c->armed && !f->was_armed)
        promise(f->may_arm && c->locked, "armed without the host's word or the lock");
    if (!f->trusted)
        promise(!c->armed && !c->locked && !c->active_outputs && !c->tone_hz, "noise was taken for a command");
    promise(c->tone_hz == 0 || c->running, "a tone without a trial");
    f->was_armed = c->armed;
    for (uint8_t o = 0; c->now_us == f->now_us && o < RIG_OUTPUTS; o++) /* after a step, that is */
        if (c->active_outputs >> o & 1)
            promise(f->now_us - c->limit[o].on_since_us < c->limit[o].max_on_us, "an output is on beyond its ceiling");
}

static void drain(life_t *f)
{
    uint8_t frame[FRAME_MAX];
    for (int i = 0; i < 64; i++) {
        uint8_t size = link_send(&f->link, &f->core, frame, f->now_us);
        promise(size <= FRAME_MAX, "a frame is too long");
        promise(size == 0 || (frame[size - 1] == 0 && memchr(frame, 0, size) == frame + size - 1), "a frame has a zero");
        if (!size)
            break;
    }
}

static void receive(life_t *f, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        link_receive(&f->link, &f->core, bytes[i], f->now_us);
        watch(f);
    }
    f->may_arm = 0;
}

/* A board takes nothing from a host it has not met. */
static void greet(life_t *f)
{
    uint8_t hello[5] = {MSG_HELLO_ASK}, frame[FRAME_MAX];
    receive(f, frame, frame_write(frame, hello, sizeof hello));
}

/* Mostly small numbers, sometimes any: tables should now and then be good ones. */
static void draw_fields(life_t *f, uint8_t *to, uint8_t size)
{
    for (uint8_t i = 0; i < size; i++) {
        uint32_t how = below(f->chance, 8);
        to[i] = how < 4 ? 0 : how < 6 ? (uint8_t)below(f->chance, 4) : how < 7 ? 255 : draw_byte(f->chance);
    }
}

static uint8_t size_of(uint8_t message)
{
    static const uint8_t sizes[] = {LEN_SET_OUTPUT,  LEN_SET_LEVER,   LEN_SET_SAFETY, LEN_SET_INPUTS,  LEN_LOCK,
                                    LEN_ARM,         LEN_STOP,        LEN_TABLE_BEGIN, LEN_TABLE_STATE, LEN_TABLE_RULE,
                                    LEN_TABLE_GENERATOR, LEN_TABLE_COMMIT, LEN_HOST_EVENT, LEN_ZERO_LEVER, LEN_RESTART};
    return message < MSG_SET_OUTPUT || message > MSG_RESTART ? 8 : sizes[message - MSG_SET_OUTPUT];
}

/* A frame whose trailer is right, or was before one bit of it was spoilt. */
static void send(life_t *f, uint8_t message, const uint8_t *fields, uint8_t size, int spoilt)
{
    uint8_t payload[WIRE_MAX_PAYLOAD], frame[FRAME_MAX];
    payload[0] = message;
    payload[1] = f->link.next_command;
    memcpy(payload + 2, fields, size);
    uint8_t n = frame_write(frame, payload, (uint8_t)(size + 2));
    if (spoilt) {
        frame[below(f->chance, n)] ^= (uint8_t)(1u << below(f->chance, 8));
    } else {
        f->trusted = 1;
        f->may_arm = message == MSG_ARM;
    }
    receive(f, frame, n);
    if (f->core.restart) {
        uint8_t levels = f->core.raw_levels;
        core_init(&f->core, f->now_us, 2, 1);
        link_init(&f->link, (link_board_t){1, 1, 0});
        core_input(&f->core, f->now_us, levels);
        f->was_armed = 0;
        greet(f);
    }
}

static void draw_command(life_t *f)
{
    uint8_t fields[48], message = (uint8_t)(MSG_SET_OUTPUT + below(f->chance, MSG_RESTART - MSG_SET_OUTPUT + 1));
    uint8_t size = size_of(message), spoilt = below(f->chance, 8) == 0;
    draw_fields(f, fields, size);
    if (below(f->chance, 16) == 0)
        size = (uint8_t)below(f->chance, sizeof fields);
    if (message == MSG_RESTART && below(f->chance, 8))
        message = MSG_ARM, size = 0;
    send(f, message, fields, size, spoilt);
}

/* A table that is good more often than chance would have it. */
static void draw_table(life_t *f)
{
    uint8_t fields[48] = {0}, states = (uint8_t)(1 + below(f->chance, 4));
    wire_put_u32(fields, draw(f->chance));
    fields[4] = states, fields[5] = 2, fields[6] = 3;
    send(f, MSG_TABLE_BEGIN, fields, LEN_TABLE_BEGIN, 0);
    for (uint8_t i = 0; i < states; i++) {
        draw_fields(f, fields, LEN_TABLE_STATE);
        fields[0] = i, fields[2] = 0, fields[3] &= 7, fields[4] &= 7, fields[5] &= 3;
        wire_put_u32(fields + 7, below(f->chance, 20000));
        fields[11] = (uint8_t)below(f->chance, states + 1u) == states ? 255 : (uint8_t)below(f->chance, states);
        for (uint8_t w = 12; w < 24; w = (uint8_t)(w + 2)) {
            fields[w] = (uint8_t)(below(f->chance, 3) ? 0 : ON_RULE + below(f->chance, 8));
            fields[w + 1] = (uint8_t)below(f->chance, states);
        }
        send(f, MSG_TABLE_STATE, fields, LEN_TABLE_STATE, 0);
    }
    for (uint8_t i = 0; i < 2; i++) {
        int32_t lo = (int32_t)below(f->chance, 20) - 10;
        fields[0] = i, fields[1] = (uint8_t)(1 + i), fields[2] = below(f->chance, 2) ? 255 : 0;
        wire_put_u32(wire_put_u32(fields + 3, (uint32_t)lo), (uint32_t)(lo + 1 + (int32_t)below(f->chance, 12)));
        wire_put_u16(fields + 11, (uint16_t)below(f->chance, 5));
        wire_put_u32(wire_put_u32(fields + 13, 1 + below(f->chance, 30000)), below(f->chance, 30000));
        send(f, MSG_TABLE_RULE, fields, LEN_TABLE_RULE, 0);
    }
    for (uint8_t i = 0; i < 3; i++) {
        draw_fields(f, fields, LEN_TABLE_GENERATOR);
        fields[0] = i, fields[1] = (uint8_t)(1 + below(f->chance, 5)), fields[2] &= 7;
        wire_put_u32(wire_put_u32(fields + 5, below(f->chance, 5000)), 50 + below(f->chance, 5000));
        wire_put_u32(fields + 13, 5200 + below(f->chance, 5000));
        wire_put_u16(fields + 17, (uint16_t)(1 + below(f->chance, 30)));
        wire_put_u32(fields + 19, below(f->chance, 2) ? 0 : 3200 + below(f->chance, 20000));
        send(f, MSG_TABLE_GENERATOR, fields, LEN_TABLE_GENERATOR, 0);
    }
    send(f, MSG_TABLE_COMMIT, fields, 0, 0);
}

static void noise(life_t *f)
{
    uint8_t bytes[64], n = (uint8_t)below(f->chance, sizeof bytes);
    for (uint8_t i = 0; i < n; i++)
        bytes[i] = draw_byte(f->chance);
    receive(f, bytes, n);
}

static void set_up(life_t *f)
{
    greet(f);
    uint8_t output[LEN_SET_OUTPUT] = {0}, safety[LEN_SET_SAFETY], lever[LEN_SET_LEVER] = {0}, inputs[LEN_SET_INPUTS];
    output[0] = (uint8_t)below(f->chance, RIG_OUTPUTS);
    wire_put_u32(wire_put_u32(wire_put_u32(output + 2, 1 + below(f->chance, 100000)), 8000 + below(f->chance, 100000)),
                 1 + below(f->chance, 8000));
    send(f, MSG_SET_OUTPUT, output, sizeof output, 0);
    wire_put_u32(safety, 1000 + below(f->chance, 1000000));
    safety[4] = below(f->chance, 2) ? 255 : 4;
    send(f, MSG_SET_SAFETY, safety, sizeof safety, 0);
    wire_put_u32(lever + 1, 100 + below(f->chance, 5000));
    lever[5] = (uint8_t)(1 + below(f->chance, RIG_BATCH));
    send(f, MSG_SET_LEVER, lever, sizeof lever, 0);
    wire_put_u16(wire_put_u16(inputs, 255), (uint16_t)below(f->chance, 4));
    send(f, MSG_SET_INPUTS, inputs, sizeof inputs, 0);
    send(f, MSG_LOCK, inputs, 0, 0);
    send(f, MSG_ARM, inputs, 0, 0);
}

static void pass_time(life_t *f)
{
    static const uint32_t SCALE[] = {1, 50, 1000, 30000, 30000, 1000000};
    f->now_us += below(f->chance, SCALE[below(f->chance, 6)] + 1);
    while (later(f->now_us, core_next(&f->core, f->now_us - 1)) && below(f->chance, 4)) /* a prompt body, mostly */
        core_step(&f->core, core_next(&f->core, f->now_us - 1));
    core_step(&f->core, f->now_us);
    watch(f);
}

static void move(life_t *f)
{
    uint32_t edges = below(f->chance, 40);
    int16_t delta = below(f->chance, 2) ? 1 : -1;
    if (below(f->chance, 16) == 0)
        delta = (int16_t)(delta * 127);
    while (edges--) {
        f->now_us += below(f->chance, 200);
        gate_edge(&f->core.gate, f->now_us, delta);
        if (below(f->chance, 3) == 0) {
            core_step(&f->core, f->now_us);
            watch(f);
        }
    }
}

/* A control message: a greeting, a ping or an acknowledgement of what was perhaps never sent. */
static void control(life_t *f)
{
    uint8_t payload[9] = {(uint8_t)(MSG_HELLO_ASK + below(f->chance, 3))}, frame[FRAME_MAX];
    uint32_t next_event = f->core.queue.oldest + below(f->chance, 64);
    uint8_t size = payload[0] == MSG_HELLO_ASK ? 5 : payload[0] == MSG_PING ? 9 : 6;
    wire_put_u32(payload + (payload[0] == MSG_PING ? 5 : 1), next_event);
    if (payload[0] == MSG_ACK)
        payload[5] = (uint8_t)below(f->chance, 2);
    receive(f, frame, frame_write(frame, payload, size));
    drain(f);
}

static void live(chance_t *chance, int trusting)
{
    static life_t life; /* static: the sanitizer guards its ends too */
    life_t *f = &life;
    memset(f, 0, sizeof *f);
    f->chance = chance;
    f->now_us = below(chance, 2) ? 0xFFFFFFFFu - below(chance, 100000) : draw(chance);
    core_init(&f->core, f->now_us, 1, 0);
    link_init(&f->link, (link_board_t){1, 1, 0});
    if (trusting)
        set_up(f);
    for (int i = 0; i < STEPS && (!chance->bytes || chance->left); i++) {
        uint32_t what = below(chance, 16);
        if (what < 4) {
            pass_time(f);
        } else if (what < 7) {
            move(f);
        } else if (what < 9) {
            core_input(&f->core, f->now_us, draw_byte(chance));
        } else if (what < 11 || !trusting) {
            noise(f);
        } else if (what < 13) {
            draw_command(f);
        } else if (what < 14) {
            control(f);
        } else {
            draw_table(f);
        }
    }
    drain(f);
}

/* The frame decoder by itself: a payload that it takes is framed again as the very bytes that it was read from. */
static void read_frames(const uint8_t *data, size_t size)
{
    static frame_reader_t reader;
    uint8_t frame[FRAME_MAX];
    size_t begin = 0;
    memset(&reader, 0, sizeof reader);
    for (size_t i = 0; i < size; i++) {
        uint8_t n = frame_read(&reader, data[i]);
        promise(reader.used < FRAME_MAX, "the frame reader has lost count");
        if (n) {
            promise(n <= RIG_PAYLOAD, "a payload is too long");
            uint8_t length = frame_write(frame, reader.bytes, n);
            promise(length == i + 1 - begin && memcmp(frame, data + begin, length) == 0, "a frame reads as another's payload");
        }
        if (data[i] == 0)
            begin = i + 1;
    }
}

/* Whatever the bytes are, they are rows of a table: a table that is taken runs for a while. */
static void load_table(chance_t *chance)
{
    static life_t life;
    life_t *f = &life;
    memset(f, 0, sizeof *f);
    f->chance = chance;
    core_init(&f->core, 0, 1, 0);
    link_init(&f->link, (link_board_t){1, 1, 0});
    set_up(f);
    while (chance->left) {
        uint8_t fields[LEN_TABLE_STATE + LEN_TABLE_GENERATOR], message = (uint8_t)(MSG_TABLE_BEGIN + below(chance, 5));
        for (uint8_t i = 0; i < size_of(message); i++)
            fields[i] = draw_byte(chance);
        send(f, message, fields, size_of(message), 0);
    }
    for (int i = 0; i < 200 && f->core.running; i++) {
        f->now_us = core_next(&f->core, f->now_us);
        core_step(&f->core, f->now_us);
        watch(f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chance_t chance = {.bytes = data, .left = size};
    uint8_t what = draw_byte(&chance) & 7;
    if (what == 4)
        read_frames(chance.bytes, chance.left);
    else if (what == 5)
        load_table(&chance);
    else
        live(&chance, what & 3);
    return 0;
}

/* --- vectors (tests/vectors.py says what they look like) ----------------------------------------------------------- */

#ifndef FUZZER
enum { MOST = 4096, LINE = 65536 };

typedef struct {
    uint32_t edge_us[MOST], input_us[MOST], rx_us[MOST], edges, inputs, rxs, start_us, end_us;
    int8_t delta[MOST];
    uint8_t levels[MOST];
    uint8_t *rx[MOST];
    uint32_t rx_size[MOST];
} vector_t;

static uint8_t *unhex(const char *text, uint32_t *size)
{
    uint8_t *bytes = malloc(strlen(text) / 2 + 1);
    unsigned byte;
    *size = 0;
    while (isspace((unsigned char)*text))
        text++;
    while (sscanf(text, "%2x", &byte) == 1) {
        bytes[(*size)++] = (uint8_t)byte;
        for (text += 2; isspace((unsigned char)*text); text++)
            ;
    }
    return bytes;
}

static void read_line(vector_t *v, char *line)
{
    unsigned long at;
    int used = 0, value;
    unsigned levels;
    if (sscanf(line, "start_us %lu", &at) == 1) {
        v->start_us = (uint32_t)at;
    } else if (sscanf(line, "end %lu", &at) == 1) {
        v->end_us = v->start_us + (uint32_t)at;
    } else if (sscanf(line, "at %lu edge %d", &at, &value) == 2 && v->edges < MOST) {
        v->edge_us[v->edges] = v->start_us + (uint32_t)at;
        v->delta[v->edges++] = (int8_t)value;
    } else if (sscanf(line, "at %lu input %x", &at, &levels) == 2 && v->inputs < MOST) {
        v->input_us[v->inputs] = v->start_us + (uint32_t)at;
        v->levels[v->inputs++] = (uint8_t)levels;
    } else if (sscanf(line, "at %lu rx %n", &at, &used) == 1 && used && v->rxs < MOST) {
        v->rx_us[v->rxs] = v->start_us + (uint32_t)at;
        v->rx[v->rxs] = unhex(line + used, &v->rx_size[v->rxs]);
        v->rxs++;
    } else {
        promise(line[0] == '#' || strncmp(line, "expect ", 7) == 0 || strncmp(line, "commands ", 9) == 0,
                "a line of the vector is not understood");
    }
}

static void print_events(host_t *h)
{
    static uint8_t room[8192];
    uint32_t used;
    while ((used = host_take_events(h, room, sizeof room)) != 0)
        for (uint32_t at = 0; at < used; at += 1u + room[at]) {
            for (uint32_t i = 1; i <= room[at]; i++)
                printf("%02x", room[at + i]);
            putchar('\n');
        }
}

static void run_to(host_t *h, uint32_t until_us)
{
    while (host_run(h, until_us, 1) != HOST_TIME)
        print_events(h);
    print_events(h);
}

static void run_vector(const char *name)
{
    static char line[LINE];
    vector_t *v = calloc(1, sizeof *v);
    host_t *h = malloc(host_size());
    FILE *file = fopen(name, "r");
    promise(file != NULL, "the vector cannot be opened");
    while (fgets(line, sizeof line, file))
        read_line(v, line);
    fclose(file);
    host_start(h, v->start_us, 1, 0, 1, 0);
    host_plan_lever(h, v->edge_us, v->delta, v->edges);
    host_plan_inputs(h, v->input_us, v->levels, v->inputs);
    for (uint32_t i = 0; i < v->rxs; i++) {
        run_to(h, v->rx_us[i]);
        host_receive(h, v->rx[i], v->rx_size[i]);
        print_events(h);
        free(v->rx[i]);
    }
    run_to(h, v->end_us);
    putchar('\n');
    free(h);
    free(v);
}

static void replay(const char *name)
{
    static uint8_t bytes[1 << 16];
    FILE *file = fopen(name, "rb");
    promise(file != NULL, "the file cannot be opened");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    uint8_t *exact = malloc(size + 1); /* of its own size, so that the sanitizer sees a step beyond it */
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "replay") == 0) {
        for (int i = 2; i < argc; i++)
            replay(argv[i]);
        printf("%d files\n", argc - 2);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "vectors") == 0) {
        for (int i = 2; i < argc; i++)
            run_vector(argv[i]);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "random") == 0) {
        unsigned long seed = strtoul(argv[2], 0, 10), count = strtoul(argv[3], 0, 10);
        for (unsigned long i = 0; i < count; i++) {
            chance_t chance = {.state = (uint64_t)(seed + i) * 0x9E3779B97F4A7C15u + 1};
            live(&chance, i & 3);
        }
        printf("%lu lives from seed %lu\n", count, seed);
        return 0;
    }
    fprintf(stderr, "usage: fuzz_core vectors FILE… | replay FILE… | random SEED COUNT\n");
    return 2;
}
#endif
