/* Reads the UART's status 2000 times with nothing to read, then raises pin B0. */
#include <avr/io.h>

int main(void)
{
    DDRB = 1;
    UCSR0B = 1 << RXEN0;
    for (uint16_t i = 0; i < 2000; i++)
        if (UCSR0A & 1 << RXC0)
            (void)UDR0;
    PORTB = 1;
    for (;;)
        ;
}
