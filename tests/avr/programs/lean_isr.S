; The chip's limit: the shortest interrupts that count, decide and send. Registers r2 to r15 are theirs alone.
;
; An edge on A counts up when A and B differ after it, an edge on B when they are equal; this trusts the edges to be
; clean. No event is built here: the main program does that from the position when it finds the time.
#include "encoder.h"
#include "lean.h"

#define A_BIT ENCODER_SHIFT

.macro differ                           ; bit A_BIT of r8 := A xor B
        in SREG_SAVED, _SFR_IO_ADDR(SREG)
        in TEMP, _SFR_IO_ADDR(ENCODER_PIN)
        mov r8, TEMP
        lsr r8
        eor r8, TEMP
.endm

.global A_vect
A_vect: differ
        sbrs r8, A_BIT
        rjmp back
forth:  add POSITION_L, ONE
        adc POSITION_H, ZERO
        cp POSITION_L, THRESHOLD_L
        cpc POSITION_H, THRESHOLD_H
        brlt done
        sbic _SFR_IO_ADDR(GPIOR0), ARMED
        sbi _SFR_IO_ADDR(PORTB), 0
        cbi _SFR_IO_ADDR(GPIOR0), ARMED
done:   out _SFR_IO_ADDR(SREG), SREG_SAVED
        reti

.global B_vect
B_vect: differ
        sbrs r8, A_BIT
        rjmp forth
back:   sub POSITION_L, ONE
        sbc POSITION_H, ZERO
        out _SFR_IO_ADDR(SREG), SREG_SAVED
        reti

; The ring lies on a page of 256 bytes, so that its pointers wrap by themselves.
.global UDRE_vect
UDRE_vect:
        in SREG_SAVED, _SFR_IO_ADDR(SREG)
        movw Z_SAVED_L, r30
        movw r30, TAIL_L
        ld TEMP, Z
        sts UDR0, TEMP
#ifdef SATURATED                        /* the last byte again and again while there is nothing new */
        cpse TAIL_L, HEAD_L
        inc TAIL_L
#else
        inc TAIL_L
        cp TAIL_L, HEAD_L
        brne 1f
        sts UCSR0B, IDLE_UCSRB
#endif
1:      movw r30, Z_SAVED_L
        out _SFR_IO_ADDR(SREG), SREG_SAVED
        reti
