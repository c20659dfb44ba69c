/* Which interrupt is due, and how it is entered.
 *
 * Replaces the library's queue of pending interrupts: on the chip an interrupt is due while its flag and its enable
 * bit are both set, whichever came first (ATmega328P data sheet DS40002061, section "Reset and Interrupt Handling").
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int by_priority(const void *a, const void *b)
{
    return ((const source *)a)->vector->vector - ((const source *)b)->vector->vector;
}

static int external_number(const emulator *e, const avr_int_vector_t *vector)
{
    for (int n = 0; e->extint && n < EXTINT_COUNT; n++)
        if (vector == &e->extint->eint[n].vector)
            return n;
    return -1;
}

static int of_uart0(const emulator *e, const avr_int_vector_t *vector)
{
    const avr_uart_t *io = e->uart.io;
    return vector == &io->rxc || vector == &io->txc || vector == &io->udrc;
}

void interrupts_list(emulator *e)
{
    avr_int_table_t *table = &e->avr->interrupts;
    e->extint = (avr_extint_t *)peripheral(e, "extint", 0);
    for (int i = 0; i < table->vector_count; i++) {
        avr_int_vector_t *v = table->vector[i];
        e->sources[e->source_count++] = (source){
            .vector = v,
            .enable_at = v->enable.reg,
            .enable_mask = (uint8_t)(v->enable.mask << v->enable.bit),
            .raised_at = v->raised.reg,
            .raised_mask = (uint8_t)(v->raised.mask << v->raised.bit),
            .by_flag = v->raised.reg && on(e, FIX_MASKED),
            .external = external_number(e, v),
        };
    }
    qsort(e->sources, (size_t)e->source_count, sizeof(source), by_priority);
}

/* The library asks for an interrupt only once until it has entered it itself, which it never does here. */
void interrupts_settle(emulator *e)
{
    avr_int_pending_t *pending = &e->avr->interrupts.pending;
    if (pending->read == pending->write)
        return;
    for (int i = 0; i < e->source_count; i++)
        if (e->sources[i].by_flag)
            e->sources[i].vector->pending = 0;
    pending->read = pending->write;
}

void interrupts_flag_cleared(emulator *e, avr_io_addr_t at, uint8_t mask)
{
    for (int i = 0; i < e->source_count; i++)
        if (e->sources[i].raised_at == at && (e->sources[i].raised_mask & mask))
            e->sources[i].vector->pending = 0;
}

/* A low-level interrupt has no flag: it is due for as long as the pin is low. */
static int is_level(const emulator *e, const source *s)
{
    const avr_regbit_t *sense = e->extint->eint[s->external].isc;
    return on(e, FIX_LEVEL) && sense[1].reg && !avr_regbit_get(e->avr, sense[0])
        && !avr_regbit_get(e->avr, sense[1]);
}

/* The library raises the flag at a falling edge in this mode too; it must not outlast a change of mode. */
void interrupts_forget_levels(emulator *e)
{
    for (int i = 0; i < e->source_count; i++) {
        const source *s = &e->sources[i];
        if (s->external >= 0 && is_level(e, s))
            e->avr->data[s->raised_at] &= (uint8_t)~s->raised_mask;
    }
}

static int is_low(const emulator *e, const source *s)
{
    const port *p = port_named(e, (uint8_t)(e->extint->eint[s->external].port_ioctl & 0xff));
    return !(e->avr->data[p->io->r_pin] >> e->extint->eint[s->external].port_pin & 1);
}

static int is_raised(const emulator *e, source *s)
{
    if (s->external >= 0 && is_level(e, s))
        return is_low(e, s);
    if (s->by_flag || (on(e, FIX_UART) && of_uart0(e, s->vector)))
        return e->avr->data[s->raised_at] & s->raised_mask;
    return s->vector->pending;
}

/* The most urgent interrupt that is enabled and raised, or NULL. The global enable bit is the caller's business. */
source *interrupt_due(emulator *e)
{
    for (int i = 0; i < e->source_count; i++) {
        source *s = &e->sources[i];
        int enabled = e->avr->data[s->enable_at] & s->enable_mask;
        if (enabled && is_raised(e, s))
            return s;
        if (!enabled && !s->by_flag)
            s->vector->pending = 0;        /* the library forgets a request whose interrupt is masked */
    }
    return NULL;
}

void interrupt_enter(emulator *e, source *s)
{
    avr_t *avr = e->avr;
    if (e->trace_interrupts)
        event_add(e, EVENT_INTERRUPT, s->vector->vector);
    avr_clear_interrupt(avr, s->vector);
    _avr_push_addr(avr, avr->pc);
    stack_note(e);
    avr_sreg_set(avr, S_I, 0);
    avr->pc = (avr_flashaddr_t)s->vector->vector * avr->vector_size;
    if (on(e, FIX_ENTRY))
        avr->cycle += 2 + avr->address_size;
}
