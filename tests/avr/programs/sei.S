; Exactly one instruction runs between SEI and an interrupt that has been waiting: r16 counts them. With FEEDS that one
; is a WDR, which sets one of the library's timers.
#include "edge.h"

.lcomm counted, 1
.global counted

.global main
main:   ldi r16, EDGE_ANY
        sts EDGE_SENSE, r16
        sbi _SFR_IO_ADDR(EIMSK), EDGE_FLAG
        clr r16
wait:   sbis _SFR_IO_ADDR(EIFR), EDGE_FLAG
        rjmp wait
#ifdef FEEDS
        ldi r18, 1 << WDE
        sts WDTCSR, r18
        sei
        wdr
#else
        sei
#endif
        inc r16
        inc r16
        inc r16
        inc r16
idle:   rjmp idle

.global EDGE_vect
EDGE_vect:
        sts counted, r16
        reti
