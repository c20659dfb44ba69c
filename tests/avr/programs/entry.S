; From an edge to the first write of its interrupt: entry (4, or 5 with a 3-byte program counter) + JMP (3) + SBI (2),
; and up to one cycle more to finish the two-cycle RJMP that it breaks into. With FEEDS the idle loop feeds the watchdog,
; which sets one of the library's timers at every turn.
#include "edge.h"

.global main
main:   sbi _SFR_IO_ADDR(DDRB), 0
        ldi r16, EDGE_ANY
        sts EDGE_SENSE, r16
        sbi _SFR_IO_ADDR(EIMSK), EDGE_FLAG
#ifdef FEEDS
        ldi r18, 1 << WDE
        sts WDTCSR, r18
        sei
idle:   wdr
        rjmp idle
#else
        sei
idle:   rjmp idle
#endif

.global EDGE_vect
EDGE_vect:
        sbi _SFR_IO_ADDR(PORTB), 0
        cbi _SFR_IO_ADDR(PORTB), 0
        reti
