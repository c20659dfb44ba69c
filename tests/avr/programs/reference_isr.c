/* The yardstick in C: what a bare interrupt needs to decide on an encoder, with nothing of the product in it.
 *
 * Quadrature in two external interrupts; an armed threshold sets pin B0; each edge becomes an event of 8 bytes that
 * a transmit interrupt sends at 1 Mbaud. The main program clears the pin and arms the next threshold, THRESHOLD_STEP
 * counts on. Options: POSITION (int32_t or int16_t); TWO_BODIES, which gives each interrupt a copy of
 * the code; SATURATED, which fills the line with zeros when there is no event to send.
 */
#include <avr/interrupt.h>
#include <stdint.h>

#include "encoder.h"

#ifndef POSITION
#define POSITION int32_t
#endif

#ifdef SATURATED
#define AT_START (1 << TXEN0 | 1 << UDRIE0)
#else
#define AT_START (1 << TXEN0)
#endif

enum { RING = 256, EVENT = 8 };

volatile POSITION position;
volatile uint16_t events_lost;
static volatile POSITION threshold = THRESHOLD_STEP;
static volatile uint8_t armed = 1;
static uint8_t state, number;
static uint8_t ring[RING];
static volatile uint8_t head, tail;
static const int8_t step_of[16] = { 0, 1, -1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 0, -1, 1, 0 };

static inline __attribute__((always_inline)) void put_event(POSITION now)
{
    uint8_t at = head;
    uint16_t time = TCNT1;
    if ((uint8_t)(tail - at - 1) < EVENT) {
        events_lost++;
        return;
    }
    ring[at++] = 0xe7;
    ring[at++] = number++;
    ring[at++] = (uint8_t)time;
    ring[at++] = (uint8_t)(time >> 8);
    ring[at++] = (uint8_t)now;
    ring[at++] = (uint8_t)(now >> 8);
    ring[at++] = sizeof now > 2 ? (uint8_t)((int32_t)now >> 16) : 0;
    ring[at++] = sizeof now > 2 ? (uint8_t)((int32_t)now >> 24) : 0;
    head = at;
    UCSR0B = 1 << TXEN0 | 1 << UDRIE0;
}

static inline __attribute__((always_inline)) void edge(void)
{
    uint8_t levels = ENCODER_PIN >> ENCODER_SHIFT & 3;
    uint8_t turn = (uint8_t)(state << 2 | levels);
    POSITION now = position + step_of[turn];
    position = now;
    if (armed && now >= threshold) {
        PORTB |= 1;
        armed = 0;
    }
    state = levels;
    put_event(now);
}

ISR(A_vect) { edge(); }
#ifdef TWO_BODIES
ISR(B_vect) { edge(); }
#else
ISR(B_vect, ISR_ALIASOF(A_vect));
#endif

ISR(UDRE_vect)
{
#ifdef SATURATED
    UDR0 = tail == head ? 0 : ring[tail++];
#else
    UDR0 = ring[tail++];
    if (tail == head)
        UCSR0B = 1 << TXEN0;
#endif
}

int main(void)
{
    DDRB = 1;
    TCCR1B = 1 << CS11;
    UBRR0 = 1;
    UCSR0A = 1 << U2X0;
    UCSR0B = AT_START;
    ENCODER_SENSE = ENCODER_ANY;
    EIMSK = ENCODER_MASK;
    sei();
    for (;;)
        if (!armed) {
            cli();
            PORTB &= (uint8_t)~1;
            threshold += THRESHOLD_STEP;
            armed = 1;
            sei();
        }
}
