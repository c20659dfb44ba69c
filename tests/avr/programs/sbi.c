/* SBI on a PINx register toggles its own pin only; on a flag register it clears its own flag only. */
#include "edge.h"

volatile uint8_t port_after, flags_after;

int main(void)
{
    DDRB = 0x0f;
    PORTB = 0x05;
    __asm__ volatile("sbi %0, 1" ::"I"(_SFR_IO_ADDR(PINB)));
    port_after = PORTB;
    OCR1A = 100;
    OCR1B = 200;
    TCCR1B = 1 << CS10;
    while (!(TIFR1 & 1 << OCF1B))
        ;
    __asm__ volatile("sbi %0, %1" ::"I"(_SFR_IO_ADDR(TIFR1)), "I"(OCF1A));
    flags_after = TIFR1 & (1 << OCF1A | 1 << OCF1B);
    for (;;)
        ;
}
