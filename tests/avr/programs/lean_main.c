/* The main program around lean_isr.S: builds the events, arms the thresholds. */
#include <avr/interrupt.h>
#include <stdint.h>

#include "encoder.h"
#include "lean.h"

register uint8_t one asm("r2");
register uint8_t zero asm("r3");
register uint16_t counted asm("r4");
register uint16_t temporary asm("r6");
register uint16_t saved asm("r8");
register uint16_t threshold asm("r10");
register uint16_t tail asm("r12");
register uint8_t head asm("r14");
register uint8_t idle_ucsrb asm("r15");

uint16_t position;
uint16_t events_lost;
static uint8_t ring[256] __attribute__((aligned(256)));
static uint8_t number;

static void put_event(uint16_t now)
{
    uint8_t at = head;
    uint16_t time = TCNT1;
    if ((uint8_t)((uint8_t)tail - at - 1) < 8) {
        events_lost++;
        return;
    }
    ring[at++] = 0xe7;
    ring[at++] = number++;
    ring[at++] = (uint8_t)time;
    ring[at++] = (uint8_t)(time >> 8);
    ring[at++] = (uint8_t)now;
    ring[at++] = (uint8_t)(now >> 8);
    ring[at++] = 0;
    ring[at++] = 0;
    head = at;
    UCSR0B = 1 << TXEN0 | 1 << UDRIE0;
}

static void set_up(void)
{
    one = 1;
    zero = 0;
    counted = 0;
    threshold = THRESHOLD_STEP;
    tail = (uint16_t)ring;
    head = 0;
#ifdef SATURATED
    idle_ucsrb = 1 << TXEN0 | 1 << UDRIE0;
#else
    idle_ucsrb = 1 << TXEN0;
#endif
    DDRB = 1;
    TCCR1B = 1 << CS11;
    UBRR0 = 1;
    UCSR0A = 1 << U2X0;
    UCSR0B = idle_ucsrb;
    GPIOR0 = 1 << ARMED;
    ENCODER_SENSE = ENCODER_ANY;
    EIMSK = ENCODER_MASK;
}

int main(void)
{
    set_up();
    sei();
    for (;;) {
        uint16_t now;
        asm volatile("movw %0, r4" : "=r"(now));    /* one instruction: no interrupt can cut it in two */
        if (now != position) {
            position = now;
            put_event(now);
        }
        if (!(GPIOR0 & 1 << ARMED)) {
            PORTB &= (uint8_t)~1;
            threshold += THRESHOLD_STEP;
            GPIOR0 = 1 << ARMED;
        }
    }
}
