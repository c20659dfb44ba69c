/* See firmata.h. Pure: bytes and times in, bytes out. */
#include "firmata.h"
#include <string.h>

enum { ANALOG_MESSAGE = 0xE0, DIGITAL_MESSAGE = 0x90, START_SYSEX = 0xF0, END_SYSEX = 0xF7 };
enum { TONE_GATE = RIG_OUTPUTS, SWITCH = RIG_INPUTS };

size_t firmata_size(void)
{
    return sizeof(firmata_t);
}

const firmata_seen_t *firmata_seen(const firmata_t *f)
{
    return &f->seen;
}

void firmata_start(firmata_t *f, host_t *host, int64_t now_us, uint8_t channel, uint8_t bits, int32_t at, uint16_t levels)
{
    memset(f, 0, sizeof *f);
    f->host = host;
    f->channel = channel;
    f->bits = bits;
    f->counts = at;
    f->levels = levels;
    f->light_pin = f->light = 255;
    f->told = 0xFFFF; /* nothing yet */
    f->seen.heard_us = f->seen.sample_us = f->seen.moved_us = now_us;
}

void firmata_input(firmata_t *f, uint8_t pin, uint8_t input)
{
    f->input_of[pin % FIRMATA_PINS] = (uint8_t)(input + 1);
}

void firmata_output(firmata_t *f, uint8_t pin, uint8_t output)
{
    f->output_of[pin % FIRMATA_PINS] = (uint8_t)(output + 1);
    f->wired |= (uint16_t)(1u << output);
}

void firmata_light(firmata_t *f, uint8_t pin)
{
    f->light_pin = pin;
}

/* --- bytes kept for somebody -------------------------------------------------------------------------------------- */

static void keep(firmata_text_t *text, const uint8_t *bytes, uint32_t n)
{
    if (n > FIRMATA_ROOM - text->used) /* nobody takes them: a board that takes no bytes, or one that talks without end */
        text->used = 0;
    if (n > FIRMATA_ROOM)
        return;
    memcpy(text->bytes + text->used, bytes, n);
    text->used += n;
}

static uint32_t taken(firmata_text_t *text, uint8_t *bytes, uint32_t room)
{
    uint32_t n = text->used < room ? text->used : room;
    memcpy(bytes, text->bytes, n);
    text->used -= n;
    memmove(text->bytes, text->bytes + n, text->used);
    return n;
}

void firmata_say(firmata_t *f, const uint8_t *bytes, uint32_t n)
{
    keep(&f->out, bytes, n);
}

uint32_t firmata_out(firmata_t *f, uint8_t *bytes, uint32_t room)
{
    return taken(&f->out, bytes, room);
}

uint32_t firmata_words(firmata_t *f, uint8_t *bytes, uint32_t room)
{
    return taken(&f->words, bytes, room);
}

uint32_t firmata_said(firmata_t *f, uint8_t *bytes, uint32_t room)
{
    uint32_t n = taken(&f->said, bytes, room);
    return n + host_send(f->host, bytes + n, room - n);
}

/* --- outputs ------------------------------------------------------------------------------------------------------ */

/* The light's level is said before its gate. False: it has no pin, and must not shine at another level instead. */
static bool light_follows(firmata_t *f)
{
    uint8_t level = host_level(f->host, OUT_LASER);
    if (level == f->light)
        return true;
    if (f->light_pin == 255)
        return false;
    uint8_t message[3] = {(uint8_t)(ANALOG_MESSAGE | f->light_pin), level & 0x7F, level >> 7};
    f->light = level;
    keep(&f->out, message, sizeof message);
    return true;
}

static void say_port(firmata_t *f, uint8_t port)
{
    uint8_t levels = 0;
    for (uint8_t i = 0; i < 8; i++) {
        uint8_t output = f->output_of[8 * port + i];
        if (output && (f->wanted >> (output - 1) & 1))
            levels |= (uint8_t)(1 << i);
    }
    if (levels == f->port_levels[port])
        return;
    f->port_levels[port] = levels;
    uint8_t message[3] = {(uint8_t)(DIGITAL_MESSAGE | port), levels & 0x7F, levels >> 7};
    keep(&f->out, message, sizeof message);
}

static void outputs_follow(firmata_t *f)
{
    uint16_t active = host_outputs(f->host);
    uint16_t wanted = (uint16_t)(active | (host_tone_hz(f->host) ? 1u << TONE_GATE : 0));
    if ((active >> OUT_LASER & 1) && !light_follows(f)) {
        f->seen.dim = 1;
        return;
    }
    if (wanted == f->wanted)
        return;
    f->wanted = wanted;
    for (uint8_t port = 0; port < FIRMATA_PINS / 8; port++)
        say_port(f, port);
    f->seen.active = wanted & f->wired;
    f->seen.unwired = active & (uint16_t)~f->wired;
}

/* Several messages of one reading have put the machine some microseconds ahead: it never goes back. */
static void pass(firmata_t *f, int64_t now_us)
{
    if ((int32_t)((uint32_t)now_us - host_now(f->host)) >= 0)
        host_step(f->host, (uint32_t)now_us);
}

void firmata_step(firmata_t *f, int64_t now_us)
{
    pass(f, now_us);
    outputs_follow(f);
}

void firmata_hear(firmata_t *f, int64_t now_us, const uint8_t *bytes, uint32_t n)
{
    pass(f, now_us);
    host_receive(f->host, bytes, n);
    outputs_follow(f);
}

/* --- what the board says ------------------------------------------------------------------------------------------ */

static void take_sample(firmata_t *f, int64_t now_us, int32_t counts)
{
    int32_t change = counts - f->counts, top = (1 << f->bits) - 1;
    f->seen.sample_us = now_us;
    if (!change)
        return;
    f->seen.moved_us = now_us;
    if (f->bits > 1) {
        f->seen.jumps += (change < 0 ? -change : change) > top / 4;
        f->seen.ends += counts == 0 || counts == top;
    }
    f->counts = counts;
    host_reach(f->host, (uint32_t)now_us);
    host_lever_to(f->host, host_lever(f->host) + change);
}

static void take_levels(firmata_t *f, int64_t now_us, uint8_t port, uint16_t levels)
{
    uint16_t before = f->levels;
    for (uint8_t i = 0; i < 8; i++) {
        uint8_t input = f->input_of[8 * port + i];
        if (!input)
            continue;
        uint16_t bit = (uint16_t)(1u << (input - 1));
        f->levels = (uint16_t)((levels >> i & 1) ? f->levels | bit : f->levels & ~bit);
    }
    if (!f->bits)
        take_sample(f, now_us, f->levels >> SWITCH & 1);
    if ((uint8_t)(before ^ f->levels)) {
        host_reach(f->host, (uint32_t)now_us);
        host_input_now(f->host, (uint8_t)f->levels);
    }
}

static void take_message(firmata_t *f, int64_t now_us)
{
    uint8_t low = f->message[0] & 0x0F;
    uint16_t value = (uint16_t)(f->message[1] | f->message[2] << 7);
    if ((f->message[0] & 0xF0) == DIGITAL_MESSAGE)
        take_levels(f, now_us, low, value);
    else if (f->bits && low == f->channel)
        take_sample(f, now_us, value);
}

/* One byte that is no part of a message above: for whoever reads the rest. */
static void pass_on(firmata_t *f, uint8_t byte)
{
    if (byte >= 0x80)
        f->in_words = byte == START_SYSEX;
    keep(&f->words, &byte, 1);
}

void firmata_take(firmata_t *f, int64_t now_us, const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint8_t byte = bytes[i];
        if (f->have && byte < 0x80) {
            f->message[f->have++] = byte;
            if (f->have == 3) {
                f->have = 0;
                f->seen.heard_us = now_us;
                take_message(f, now_us);
            }
            continue;
        }
        if (f->have) { /* torn */
            keep(&f->words, f->message, f->have);
            f->have = 0;
        }
        uint8_t kind = byte & 0xF0;
        if (kind != DIGITAL_MESSAGE && kind != ANALOG_MESSAGE) {
            pass_on(f, byte);
            continue;
        }
        if (f->in_words) /* what comes after belongs to it no more */
            pass_on(f, 0xFF);
        f->message[0] = byte;
        f->have = 1;
    }
    pass(f, now_us);
    outputs_follow(f);
}

/* --- times in bins of 6 %: a percentile costs no memory of the session --------------------------------------------- */

enum { SHIFT = 4 }; /* 16 bins an octave */

void firmata_time(firmata_t *f, uint8_t which, int64_t ns)
{
    firmata_times_t *times = &f->times[which & 1];
    int64_t rest = ns = ns < 0 ? 0 : ns;
    uint32_t octave = 0;
    for (; rest >= 2 << SHIFT; rest >>= 1)
        octave++;
    uint32_t bin = (octave << SHIFT) + (uint32_t)rest;
    times->bins[bin < FIRMATA_BINS ? bin : FIRMATA_BINS - 1]++;
    times->n++;
    if (ns > times->worst_ns)
        times->worst_ns = ns;
}

uint32_t firmata_timed(const firmata_t *f, uint8_t which)
{
    return f->times[which & 1].n;
}

int64_t firmata_percentile_ns(const firmata_t *f, uint8_t which, double percent)
{
    const firmata_times_t *times = &f->times[which & 1];
    double left = times->n * percent / 100;
    for (uint32_t bin = 0; bin < FIRMATA_BINS - 1 && times->n; bin++) {
        left -= times->bins[bin];
        if (left > 0)
            continue;
        uint32_t octave = bin < 2 << SHIFT ? 0 : (bin >> SHIFT) - 1;
        int64_t edge_ns = (((int64_t)bin - (octave << SHIFT) + 1) << octave) - 1;
        return edge_ns < times->worst_ns ? edge_ns : times->worst_ns;
    }
    return times->worst_ns;
}
