/* Sends 0, 1, 2, … as fast as the UART takes them; then waits for the last to have left and raises pin B0. */
#include <avr/io.h>

#ifndef DIVISOR
#define DIVISOR 1
#endif

int main(void)
{
    DDRB = 1;
    UBRR0 = DIVISOR;
    UCSR0A = 1 << U2X0;
    UCSR0B = 1 << TXEN0;
    for (uint8_t n = 0; n < 20; n++) {
        while (!(UCSR0A & 1 << UDRE0))
            ;
        UDR0 = n;
    }
    while (!(UCSR0A & 1 << TXC0))
        ;
    PORTB = 1;
    for (;;)
        ;
}
