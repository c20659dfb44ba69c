/* Raises pin B0, keeps why it was started and how often, sets the watchdog to 16 ms and then feeds it no more. */
#include <avr/io.h>
#include <avr/wdt.h>

volatile uint8_t starts __attribute__((section(".noinit")));
volatile uint8_t causes[8] __attribute__((section(".noinit")));

int main(void)
{
    uint8_t cause = MCUSR;
    if (cause == 1 << PORF)
        starts = 0;
    causes[starts++ & 7] = cause;
#ifdef CLEAR_CAUSE
    MCUSR = 0;
#endif
    DDRB = 1;
    PORTB = 1;
    wdt_enable(WDTO_15MS);
    for (;;)
        ;
}
