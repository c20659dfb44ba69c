; A skip over ADIW whose constant ends in 13: the chip skips one word, libsimavr two.
#include <avr/io.h>

.lcomm reached, 1
.global reached

.global main
main:   ldi r24, 0
        ldi r25, 0
        ldi r16, 1
        ldi r17, 0
        sbrc r17, 0
        rjmp idle
        sbrs r16, 0
        adiw r24, CONSTANT
        inc r17
        inc r17
        sts reached, r17
idle:   rjmp idle
