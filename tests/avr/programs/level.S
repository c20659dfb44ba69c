; A low-level interrupt whose pin stays low comes again after each RETI plus one instruction of the main program:
; entry (4 or 5) + JMP (3) + SBI (2) + CBI (2) + RETI (4 or 5) + one NOP (1) or RJMP (2).
#include "edge.h"

.global main
main:   sbi _SFR_IO_ADDR(DDRB), 0
        sbi _SFR_IO_ADDR(EIMSK), EDGE_FLAG
        sei
idle:   .rept 61
        nop
        .endr
        rjmp idle

.global EDGE_vect
EDGE_vect:
        sbi _SFR_IO_ADDR(PORTB), 0
        cbi _SFR_IO_ADDR(PORTB), 0
        reti
