/* Writes three bytes to the UART without asking for room: the third finds the buffer full. */
#include <avr/io.h>

int main(void)
{
    UBRR0 = 1;
    UCSR0A = 1 << U2X0;
    UCSR0B = 1 << TXEN0;
    UDR0 = 'a';
    UDR0 = 'b';
    UDR0 = 'c';
    for (;;)
        ;
}
