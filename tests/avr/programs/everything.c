/* Uses all that could make a run depend on how it is cut: edges, bytes both ways, three timers, sleep, the watchdog, a
 * pin toggled by a timer, code that runs with interrupts off, and an interrupt switched on with others allowed.
 */
#include <avr/interrupt.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <stdint.h>
#include <util/delay_basic.h>

#include "edge.h"

#ifdef __AVR_ATmega2560__
#define USART_RX_vect USART0_RX_vect
#define USART_UDRE_vect USART0_UDRE_vect
#define OC1A_PIN 5
#else
#define OC1A_PIN 1
#endif

static volatile uint8_t ring[256], head, tail;
volatile uint16_t edges, ticks, turns;

static void put(uint8_t byte)
{
    ring[head++] = byte;
    UCSR0B |= 1 << UDRIE0;
}

ISR(EDGE_vect)
{
    PINB = 1;
    edges++;
    put(TCNT1L);
}

ISR(USART_RX_vect) { put(UDR0); }

ISR(USART_UDRE_vect)
{
    if (tail == head)
        UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
    else
        UDR0 = ring[tail++];
}

ISR(TIMER0_OVF_vect)
{
    ticks++;
    PINB = 4;
}

ISR(TIMER2_COMPA_vect, ISR_NOBLOCK) { PINB = 8; }

int main(void)
{
    DDRB = 0x0d | 1 << OC1A_PIN;
    UBRR0 = 1;
    UCSR0A = 1 << U2X0;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
    TCCR0B = 1 << CS00;
    TIMSK0 = 1 << TOIE0;
    OCR1A = 333;
    TCCR1A = 1 << COM1A0;
    TCCR1B = 1 << WGM12 | 1 << CS10;
    OCR2A = 97;
    TCCR2A = 1 << WGM21;
    TCCR2B = 1 << CS21;
    TIMSK2 = 1 << OCIE2A;
    EDGE_SENSE = EDGE_ANY;
    EIMSK = 1 << EDGE_FLAG;
    sei();
    wdt_enable(WDTO_1S);
    for (;;) {
        turns++;
        UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0 | 1 << UDRIE0;
        cli();
        uint16_t sum = edges + ticks;
        sei();
        if (sum & 1)
            sleep_mode();
        wdt_reset();
        _delay_loop_1(60);
    }
}
