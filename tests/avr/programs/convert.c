/* Converts channel CHANNEL again and again, one conversion after the other; clock of the converter: 125 kHz. */
#include <avr/io.h>

volatile uint16_t result;
volatile uint8_t conversions;

int main(void)
{
    DDRB = 1;
    ADMUX = 1 << REFS0 | (CHANNEL & 7);
#ifdef MUX5
    ADCSRB = CHANNEL & 8 ? 1 << MUX5 : 0;
#endif
    ADCSRA = 1 << ADEN | 7;
    for (;;) {
        PINB = 1;
        ADCSRA |= 1 << ADSC;
        while (ADCSRA & 1 << ADSC)
            ;
        result = ADC;
        conversions++;
    }
}
