/* Resets: from power-on, the reset pin, brown-out or the watchdog. RAM keeps its contents, as on the chip. */
#include "internal.h"

/* What must be put right each time the library has reset its peripherals. */
void reset_settle(emulator *e)
{
    e->asleep = 0;
    e->shadow = 0;
    if (!e->deepest_sp)
        e->deepest_sp = _avr_sp_get(e->avr);
    uart_after_reset(e);
    pins_after_reset(e);
}

/* `cause` is the bit of MCUSR that names it. A watchdog reset has been prepared by the library in `avr->run`. */
void reset_chip(emulator *e, uint8_t cause)
{
    avr_t *avr = e->avr;
    uint16_t mcusr = avr->reset_flags.porf.reg;
    uint8_t earlier = avr->data[mcusr];
    event_add(e, EVENT_RESET, cause);
    if (avr->run != avr_callback_run_raw)
        avr->run(avr);
    else
        avr_reset(avr);
    if (on(e, FIX_RESET))
        avr->data[mcusr] = cause | (cause & 1 ? 0 : earlier);
    reset_settle(e);
}
