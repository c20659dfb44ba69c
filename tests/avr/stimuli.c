/* What the outside does to the chip, in the order of cycles. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const stimulus *first(const emulator *e)
{
    return (const stimulus *)e->stimuli.items + e->stimuli_done;
}

uint64_t stimuli_next(const emulator *e)
{
    return e->stimuli_done < e->stimuli.count ? first(e)->cycle : NEVER;
}

static void set_channel(emulator *e, uint8_t channel, uint32_t counts)
{
    e->adc.counts[channel] = (uint16_t)counts;
    if (!on(e, FIX_ADC))                   /* the library wants millivolts of its 5 V reference */
        avr_raise_irq(&e->adc.io->io.irq[ADC_IRQ_ADC0 + channel], (counts * 5000 + 1022) / 1023);
}

static void apply(emulator *e, const stimulus *s)
{
    if (s->kind == STIMULUS_PIN)
        pins_drive(e, s->port, s->bit, s->value);
    else if (s->kind == STIMULUS_ADC)
        set_channel(e, s->bit, s->value);
    else {
        e->halted_until = s->cycle + s->value;
        reset_chip(e, s->port);
    }
}

void stimuli_happen(emulator *e, uint64_t when)
{
    while (stimuli_next(e) <= when) {
        stimulus now = *first(e);
        e->stimuli_done++;
        apply(e, &now);
    }
}

static int is_valid(const emulator *e, const stimulus *s)
{
    if (s->cycle < e->stop_cycle)
        return 0;
    if (s->kind == STIMULUS_PIN)
        return port_named(e, s->port) && s->bit < 8 && s->value <= LEVEL_FREE;
    if (s->kind == STIMULUS_ADC)
        return s->bit < CHANNEL_COUNT && s->value < 1024;
    return s->kind == STIMULUS_RESET;
}

/* Merges two sorted runs from the back, into the room behind the first; the older stimulus goes first in a tie. */
static void merge(stimulus *items, size_t old, const stimulus *new, size_t count)
{
    while (count) {
        int older_is_last = old && items[old - 1].cycle > new[count - 1].cycle;
        items[old + count - 1] = older_is_last ? items[old - 1] : new[count - 1];
        if (older_is_last)
            old--;
        else
            count--;
    }
}

/* Adds stimuli that are sorted by cycle. Returns 0, or 1 + the index of the first that cannot be. */
int emu_stimulate(emulator *e, const stimulus *what, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_valid(e, &what[i]) || (i && what[i].cycle < what[i - 1].cycle))
            return 1 + (int)i;
    list_forget(&e->stimuli, e->stimuli_done);
    e->stimuli_done = 0;
    size_t old = e->stimuli.count;
    list_add(&e->stimuli, count);
    merge((stimulus *)e->stimuli.items, old, what, count);
    return 0;
}
