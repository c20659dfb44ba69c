/* Writes a byte of EEPROM and waits for it: pin B1 rises when the write begins, B0 when it is done. */
#include <avr/io.h>

volatile uint8_t found[2];

static uint8_t read(uint16_t at)
{
    EEAR = at;
    EECR |= 1 << EERE;
    return EEDR;
}

int main(void)
{
    DDRB = 3;
    found[0] = read(7);
    EEAR = 7;
    EEDR = 0x5a;
    EECR |= 1 << EEMPE;
    EECR |= 1 << EEPE;
    PORTB |= 2;
    while (EECR & 1 << EEPE)
        ;
    PORTB |= 1;
    found[1] = read(7);
    for (;;)
        ;
}
