/* Reads nothing until pin 2 goes high, then everything that the receiver has kept. With FLUSH it switches the receiver
 * off and on again first, and waits for one more byte.
 */
#include "edge.h"

volatile uint8_t kept[16], kept_count, status_first, status_last, ready;

int main(void)
{
    UBRR0 = 1;
    UCSR0A = 1 << U2X0;
    UCSR0B = 1 << RXEN0;
    ready = 1;
    while (!(EDGE_PIN & 1 << EDGE_BIT))
        ;
#ifdef FLUSH
    UCSR0B = 0;
    UCSR0B = 1 << RXEN0;
    while (!(UCSR0A & 1 << RXC0))
        ;
#endif
    status_first = UCSR0A;
    while (UCSR0A & 1 << RXC0)
        kept[kept_count++] = UDR0;
    status_last = UCSR0A;
    for (;;)
        ;
}
