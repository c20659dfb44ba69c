/* Pins: what the outside drives into them, and a record of what the chip drives out of them.
 *
 * Outputs are recorded at the cycle at which the instruction that changes them ends, or at which the timer that
 * toggles them fires. Levels reach the program without the two to three cycles of the input synchroniser.
 */
#include <stddef.h>

#include "internal.h"

port *port_named(const emulator *e, uint8_t name)
{
    for (int i = 0; i < e->port_count; i++)
        if (e->ports[i].io->name == (char)name)
            return (port *)&e->ports[i];
    return NULL;
}

static void record(port *p, uint8_t driven, uint8_t level)
{
    list *changes = &p->e->pin_changes;
    uint64_t cycle = cycle_of_write(p->e);
    pin_change *last = (pin_change *)changes->items + changes->count - 1;
    if (driven == p->driven && level == p->level)
        return;
    p->driven = driven;
    p->level = level;
    if (!changes->count || last->cycle != cycle || last->port != (uint8_t)p->io->name)
        last = list_add(changes, 1);       /* several bits of a port that change together are one change */
    *last = (pin_change){ .cycle = cycle, .port = (uint8_t)p->io->name, .driven = driven, .level = level };
}

void pins_note(port *p)
{
    const uint8_t *data = p->e->avr->data;
    uint8_t driven = data[p->io->r_ddr];
    record(p, driven, data[p->io->r_pin] & driven);
}

/* Called before the library has taken the new level over, for pins that a timer moves. */
static void on_pin(avr_irq_t *irq, uint32_t value, void *param)
{
    port *p = param;
    const uint8_t *data = p->e->avr->data;
    uint8_t driven = data[p->io->r_ddr], bit = (uint8_t)(1 << irq->irq);
    if (!(driven & bit))
        return;
    uint8_t others = data[p->io->r_pin] & (uint8_t)~bit;
    record(p, driven, (others | (value & 0xff ? bit : 0)) & driven);
}

/* The library falls back on `external` when a pin turns into an input, and prefers it to the pull-up. */
static void tell_library(port *p)
{
    if (!on(p->e, FIX_PULLUP))
        return;
    p->io->external.pull_mask = p->outside;
    p->io->external.pull_value = p->outside_level & p->outside;
}

void pins_drive(emulator *e, uint8_t name, uint8_t bit, uint32_t level)
{
    port *p = port_named(e, name);
    uint8_t mask = (uint8_t)(1 << bit);
    p->outside = (uint8_t)(level == LEVEL_FREE ? p->outside & ~mask : p->outside | mask);
    p->outside_level = (uint8_t)(level == 1 ? p->outside_level | mask : p->outside_level & ~mask);
    tell_library(p);
    if (e->avr->data[p->io->r_ddr] & mask)
        return;                            /* the chip's own driver holds the pin: the outside loses */
    if (level == LEVEL_FREE)
        level = (e->avr->data[p->io->r_port] | e->avr->data[p->io->r_pin]) >> bit & 1;
    avr_raise_irq(&p->io->io.irq[IOPORT_IRQ_PIN0 + bit], level);
}

static void external_after_reset(emulator *e)
{
    for (int n = 0; n < EXTINT_COUNT && e->extint->eint[n].port_ioctl; n++) {
        const port *p = port_named(e, (uint8_t)(e->extint->eint[n].port_ioctl & 0xff));
        e->extint->io.irq[n].value = e->avr->data[p->io->r_pin] >> e->extint->eint[n].port_pin & 1;
        if (on(e, FIX_LEVEL))
            avr_extint_set_strict_lvl_trig(e->avr, (uint8_t)n, 0);
    }
}

/* A reset turns all pins into inputs at once, without an edge that an interrupt could see. */
void pins_after_reset(emulator *e)
{
    for (int i = 0; i < e->port_count; i++) {
        port *p = &e->ports[i];
        uint8_t level = p->outside & p->outside_level;
        e->avr->data[p->io->r_pin] = level;
        tell_library(p);
        for (int bit = 0; bit < 8; bit++) {
            avr_irq_t *irq = &p->io->io.irq[IOPORT_IRQ_PIN0 + bit];
            irq->value = level >> bit & 1;
            irq->flags &= (uint8_t)~IRQ_FLAG_INIT;
        }
        pins_note(p);
    }
    external_after_reset(e);
}

static void take_over(emulator *e, avr_ioport_t *io)
{
    port *p = &e->ports[e->port_count++];
    *p = (port){ .e = e, .io = io };
    for (int bit = 0; bit < 8; bit++)
        avr_irq_register_notify(&io->io.irq[IOPORT_IRQ_PIN0 + bit], on_pin, p);
    register_watch(e, io->r_port)->port = p;
    register_watch(e, io->r_ddr)->port = p;
    watched *pin = register_watch(e, io->r_pin);
    pin->port = p;
    pin->is_pin = 1;
}

void pins_take_over(emulator *e)
{
    avr_io_t *io;
    for (int nth = 0; nth < PORT_COUNT && (io = peripheral(e, "port", nth)) != NULL; nth++)
        take_over(e, (avr_ioport_t *)io);
}

/* The levels at a port's pins as the program would read them, or -1 for a port that the chip does not have. */
int emu_port_level(const emulator *e, uint8_t name)
{
    const port *p = port_named(e, name);
    if (!p)
        return -1;
    uint8_t ddr = e->avr->data[p->io->r_ddr];
    return (e->avr->data[p->io->r_pin] & ~ddr) | (e->avr->data[p->io->r_port] & ddr);
}
