/* The EEPROM's times: the library stores a byte at once, the chip takes 3.3 ms and meanwhile shows EEPE.
 *
 * 26,368 periods of the 8 MHz oscillator for a write, and the CPU halted for 4 cycles by a read and 2 by a write
 * (ATmega328P data sheet, section "EEPROM Data Memory").
 */
#include <avr_eeprom.h>

#include "internal.h"

enum { WRITE_PERIODS = 26368, OSCILLATOR_HZ = 8000000, HALT_BY_READ = 4, HALT_BY_WRITE = 2 };
enum { EERE = 0x01, EEPE = 0x02, EEMPE = 0x04 };

static avr_cycle_count_t on_written(avr_t *avr, avr_cycle_count_t when, void *param)
{
    const watched *w = param;
    (void)when;
    avr->data[w->at] &= (uint8_t)~EEPE;
    return 0;
}

/* Behind the library's own handling of a write to EECR, which was `before`. */
void eeprom_after_write(emulator *e, const watched *w, uint8_t before, uint8_t value)
{
    avr_t *avr = e->avr;
    if (before & EEPE)
        avr->data[w->at] |= EEPE;
    else if ((before & EEMPE) && (value & EEPE)) {
        avr->data[w->at] |= EEPE;
        avr->cycle += HALT_BY_WRITE;
        avr_cycle_count_t duration = (uint64_t)WRITE_PERIODS * avr->frequency / OSCILLATOR_HZ;
        avr_cycle_timer_register(avr, duration, on_written, (void *)(uintptr_t)w);
    } else if (value & EERE)
        avr->cycle += HALT_BY_READ;
}

void eeprom_take_over(emulator *e)
{
    const avr_eeprom_t *io = (const avr_eeprom_t *)peripheral(e, "eeprom", 0);
    if (on(e, FIX_EEPROM))
        register_watch(e, io->r_eecr)->is_eeprom = 1;
}
