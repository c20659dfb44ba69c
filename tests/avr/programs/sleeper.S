; Sleeps in idle mode between the overflows of timer 0 (every 2048 cycles); each wakes it and toggles pin B0.
; From the overflow to the toggle: waking (4 or 5) + entry (4 or 5) + JMP (3) + SBI (2).
#include <avr/io.h>

.global main
main:   sbi _SFR_IO_ADDR(DDRB), 0
        ldi r16, 1 << CS01
        out _SFR_IO_ADDR(TCCR0B), r16
        ldi r16, 1 << TOIE0
        sts TIMSK0, r16
        ldi r16, 1 << SE
        out _SFR_IO_ADDR(SMCR), r16
        sei
again:  sleep
        rjmp again

.global TIMER0_OVF_vect
TIMER0_OVF_vect:
        sbi _SFR_IO_ADDR(PINB), 0
        reti
