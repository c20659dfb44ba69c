; An edge comes while its interrupt is masked; 1000 turns of a loop later the mask is opened.
#include "edge.h"

.global main
main:   sbi _SFR_IO_ADDR(DDRB), 0
        ldi r16, EDGE_ANY
        sts EDGE_SENSE, r16
        sei
        ldi r24, lo8(1000)
        ldi r25, hi8(1000)
wait:   sbiw r24, 1
        brne wait
        sbi _SFR_IO_ADDR(PORTB), 1
        sbi _SFR_IO_ADDR(DDRB), 1
        sbi _SFR_IO_ADDR(EIMSK), EDGE_FLAG
idle:   rjmp idle

.global EDGE_vect
EDGE_vect:
        sbi _SFR_IO_ADDR(PORTB), 0
        reti
