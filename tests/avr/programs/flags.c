/* Two flags of timer 1 and two of the external interrupts stand; one of each pair is cleared by writing a one. */
#include "edge.h"

volatile uint8_t timer_before, timer_after, edge_before, edge_after;

int main(void)
{
    OCR1A = 1000;
    TCNT1 = 0xff00;
    TCCR1B = 1 << CS10;
    EICRA = 0xff;
#ifdef EICRB
    EICRB = 0xff;
#endif
    while ((TIFR1 & (1 << TOV1 | 1 << OCF1A)) != (1 << TOV1 | 1 << OCF1A))
        ;
    timer_before = TIFR1 & (1 << TOV1 | 1 << OCF1A);
    TIFR1 = 1 << OCF1A;
    timer_after = TIFR1 & (1 << TOV1 | 1 << OCF1A);
    while (!(EIFR & 1 << EDGE_FLAG))
        ;
    edge_before = EIFR;
    EIFR = 1 << EDGE_FLAG;
    edge_after = EIFR;
    for (;;)
        ;
}
