/* Sends back what it receives, interrupt to interrupt, at 1 Mbaud in both directions. */
#include <avr/interrupt.h>
#include <avr/io.h>

#ifdef __AVR_ATmega2560__
#define USART_RX_vect USART0_RX_vect
#define USART_UDRE_vect USART0_UDRE_vect
#endif

static volatile uint8_t ring[256], head, tail;

ISR(USART_RX_vect)
{
    ring[head++] = UDR0;
    UCSR0B |= 1 << UDRIE0;
}

ISR(USART_UDRE_vect)
{
    UDR0 = ring[tail++];
    if (tail == head)
        UCSR0B &= ~(1 << UDRIE0);
}

int main(void)
{
    UBRR0 = 1;
    UCSR0A = 1 << U2X0;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
    sei();
    for (;;)
        ;
}
