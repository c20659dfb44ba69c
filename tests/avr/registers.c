/* Registers whose writes the harness must see: flag and enable registers, ports, and the stack pointer. */
#include "internal.h"

enum { OPCODE_SBI = 0x9a, OPCODE_CBI = 0x98 };

/* On these chips SBI and CBI act on one bit, whereas the core reads the register and writes all of it back
 * (data sheet, "I/O Memory": "the CBI and SBI instructions will only operate on the specified bit"). */
static uint8_t meant(const emulator *e, uint8_t value)
{
    uint16_t opcode = opcode_now(e);
    if (!on(e, FIX_SBI) || !e->in_instruction)
        return value;
    if (opcode >> 8 == OPCODE_SBI)
        return (uint8_t)(1 << (opcode & 7));
    return opcode >> 8 == OPCODE_CBI ? 0 : value;
}

static void on_write(avr_t *avr, avr_io_addr_t at, uint8_t value, void *param)
{
    emulator *e = param;
    const watched *w = &e->watched[at];
    uint8_t before = avr->data[at];
    if (w->flags || w->is_pin)
        value = meant(e, value);
    if (w->is_sense)
        interrupts_forget_levels(e);
    if (w->library)
        w->library(avr, at, value, w->param);
    else
        avr->data[at] = value;
    if (w->flags && on(e, FIX_FLAGS)) {
        avr->data[at] = (uint8_t)((avr->data[at] & ~w->flags) | (before & ~value & w->flags));
        interrupts_flag_cleared(e, at, value & w->flags);
    }
    if (w->port)
        pins_note(w->port);
    if (w->is_eeprom)
        eeprom_after_write(e, w, before, value);
    look(e);
}

/* Puts `on_write` in front of whatever the library does at a register. */
watched *register_watch(emulator *e, avr_io_addr_t at)
{
    watched *w = &e->watched[at];
    avr_io_addr_t io = AVR_DATA_TO_IO(at);
    if (e->avr->io[io].w.c != on_write) {
        w->library = e->avr->io[io].w.c;
        w->param = e->avr->io[io].w.param;
        w->at = at;
        e->avr->io[io].w.c = on_write;
        e->avr->io[io].w.param = e;
    }
    return w;
}

void stack_note(emulator *e)
{
    uint16_t sp = _avr_sp_get(e->avr);
    if (sp < e->deepest_sp)
        e->deepest_sp = sp;
}

/* A program moves the stack pointer a byte at a time, high byte first, and between the two it points nowhere;
 * the core's own pushes and calls write the low byte first. */
static void on_stack_write(avr_t *avr, avr_io_addr_t at, uint8_t value, void *param)
{
    emulator *e = param;
    avr->data[at] = value;
    int by_out = (opcode_now(e) & 0xf800) == 0xb800;
    if (e->in_instruction && at == (by_out ? R_SPL : R_SPH))
        stack_note(e);
}

static int is_write_one_to_clear(const emulator *e, const source *s)
{
    const avr_uart_t *uart0 = e->uart.io;
    return s->raised_at && !s->vector->raise_sticky && s->raised_at != uart0->r_ucsra;
}

void registers_take_over(emulator *e)
{
    for (int i = 0; i < e->source_count; i++) {
        const source *s = &e->sources[i];
        if (s->enable_at)
            register_watch(e, s->enable_at);
        if (is_write_one_to_clear(e, s))
            register_watch(e, s->raised_at)->flags |= s->raised_mask;
    }
    for (int n = 0; n < EXTINT_COUNT && e->extint->eint[n].port_ioctl; n++)
        register_watch(e, e->extint->eint[n].isc[0].reg)->is_sense = 1;
    for (avr_io_addr_t at = R_SPL; at <= R_SPH; at++) {
        e->avr->io[AVR_DATA_TO_IO(at)].w.c = on_stack_write;
        e->avr->io[AVR_DATA_TO_IO(at)].w.param = e;
    }
}
