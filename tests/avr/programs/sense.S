; Chooses "any edge" and opens the mask only at cycle 4000 or so: what the pin did before must not count.
#include "edge.h"

.global main
main:   sbi _SFR_IO_ADDR(DDRB), 0
        sei
        ldi r24, lo8(1000)
        ldi r25, hi8(1000)
wait:   sbiw r24, 1
        brne wait
        ldi r16, EDGE_ANY
        sts EDGE_SENSE, r16
        sbi _SFR_IO_ADDR(EIMSK), EDGE_FLAG
idle:   rjmp idle

.global EDGE_vect
EDGE_vect:
        sbi _SFR_IO_ADDR(PINB), 0
        reti
