; Timer 1 toggles OC1A every 101 cycles by itself, while the program runs instructions of up to five cycles.
#include <avr/io.h>

#ifdef __AVR_ATmega2560__
#define OC1A_BIT 5
#else
#define OC1A_BIT 1
#endif

.global main
main:   sbi _SFR_IO_ADDR(DDRB), OC1A_BIT
        ldi r16, 0
        sts OCR1AH, r16
        ldi r16, 100
        sts OCR1AL, r16
        ldi r16, 1 << COM1A0
        sts TCCR1A, r16
        ldi r16, (1 << WGM12) | (1 << CS10)
        sts TCCR1B, r16
busy:   call nothing
        rjmp busy
nothing:
        ret
