/* The encoder's interrupt, in assembly: the pin first, then the count, then everything else. Part of avr.c.
 *
 * Both lines interrupt on every change and run the same code. With the lines as they were, A and B swapped, one
 * exclusive-or tells the direction: bit A is "up" (A leads), bit B "down"; both or none mean that nothing or too much changed.
 * Whether the next step leaves the gate, and what that flips, was found out when this one was counted (encoder_up and
 * encoder_down), so the pin moves after 27 cycles. While the gate is shut, steps are kept in a ring with the timer's
 * count; the step takes them from there. */
#include "chip.h"

#ifdef __AVR_ATmega328P__
#define KEPT 8 /* steps; a power of two, 4 bytes each */
#define RECEIVE_RING 64 /* bytes; a power of two */
#else
#define KEPT 64
#define RECEIVE_RING 256
#endif

/* Rings of interrupts written in assembly: an index is the low byte of an address, or added to it without a carry. */
static struct {
    uint8_t kept[4 * KEPT], received[RECEIVE_RING];
} rings __attribute__((aligned(4 * KEPT), section(".data"))); /* first in memory, where no room is lost */

/* Named in assembly: kept by that name also where the linker sees the whole program and renames (Arduino). */
#define SEEN_BY_ASSEMBLY __attribute__((used, externally_visible))
volatile uint8_t encoder_up SEEN_BY_ASSEMBLY, encoder_down SEEN_BY_ASSEMBLY, flip_due SEEN_BY_ASSEMBLY;
static volatile uint8_t encoder_head, encoder_tail; /* in bytes */
static volatile int16_t encoder_merged;       /* steps that found no room */
static uint8_t flip_lo, flip_hi;        /* what leaving the gate flips */

/* One step: WHICH is up or down, OP counts, END is the end of the gate on that side, DELTA is kept. */
#define STEP(WHICH, OTHER, OP, END, DELTA)                                                                            \
    "   lds r31, encoder_" WHICH "\n"                                                                                 \
    "   sbic %[tifr], %[ocf]\n"         /* the deadline has come first: the step decides */                           \
    "   ldi r31, 0\n"                                                                                                 \
    "   out %[flip], r31\n"                                                                                           \
    "   bst r30, %[a]\n"                /* remember the lines, swapped */                                             \
    "   bld r31, %[b]\n"                                                                                              \
    "   bst r30, %[b]\n"                                                                                              \
    "   bld r31, %[a]\n"                                                                                              \
    "   out %[was], r31\n"                                                                                            \
    "   push r24\n"                                                                                                   \
    "   push r25\n"                                                                                                   \
    "   lds r24, %[waiting]\n"                                                                                        \
    "   tst r24\n"                                                                                                    \
    "   brne 1f\n"                                                                                                    \
    "   lds r30, %[pos]\n"                                                                                            \
    "   lds r31, %[pos]+1\n"                                                                                          \
    "   " OP " r30, 1\n"                                                                                              \
    "   lds r24, %[" END "]\n"                                                                                        \
    "   lds r25, %[" END "]+1\n"                                                                                      \
    "   cp r30, r24\n"                                                                                                \
    "   cpc r31, r25\n"                                                                                               \
    "   breq 2f\n"                                                                                                    \
    "   sts %[pos]+1, r31\n"                                                                                          \
    "   sts %[pos], r30\n"                                                                                            \
    "   " OP " r30, 1\n"                /* will the next step leave? */                                               \
    "   cp r30, r24\n"                                                                                                \
    "   cpc r31, r25\n"                                                                                               \
    "   ldi r30, 0\n"                                                                                                 \
    "   sts encoder_" OTHER ", r30\n"                                                                                 \
    "   breq 3f\n"                                                                                                    \
    "   rjmp 9f\n"                                                                                                    \
    "3: lds r30, %[flip_" END "]\n"                                                                                   \
    "   sts encoder_" WHICH ", r30\n"                                                                                 \
    "   rjmp 9f\n"                                                                                                    \
    "1: lds r30, %[tcnt]\n"             /* kept; the edge was so long ago */                                          \
    "   lds r31, %[tcnt]+1\n"                                                                                         \
    "   sbiw r30, 5\n"                                                                                                \
    "   ldi r24, " DELTA "\n"                                                                                         \
    "   rjmp 7f\n"                                                                                                    \
    "2: lds r30, %[tcnt]\n"             /* left */                                                                    \
    "   lds r31, %[tcnt]+1\n"                                                                                         \
    "   sbiw r30, 7\n"                                                                                                \
    "   ldi r24, " DELTA "\n"                                                                                         \
    "   rjmp 6f\n"

ISR(ENCODER_A_vect, ISR_NAKED)
{
    __asm__ volatile(
        "   push r30\n"
        "   in r30, __SREG__\n"
        "   push r30\n"
        "   push r31\n"
        "   in r30, %[pin]\n"
        "   in r31, %[was]\n"
        "   eor r31, r30\n"
        "   sbrs r31, %[a]\n"
        "   rjmp 4f\n"
        "   sbrc r31, %[b]\n"
        "   rjmp 5f\n"
        STEP("up", "down", "adiw", "hi", "1")
        "4: sbrs r31, %[b]\n"
        "   rjmp 5f\n"
        STEP("down", "up", "sbiw", "lo", "-1")
        "5: push r24\n"                 /* no change, or both lines changed at once: the count may be wrong */
        "   push r25\n"
        "   in r31, %[was]\n"
        "   bst r31, %[b]\n"
        "   bld r24, %[a]\n"
        "   bst r31, %[a]\n"
        "   bld r24, %[b]\n"
        "   eor r24, r30\n"
        "   andi r24, %[both]\n"
        "   brne 3f\n"
        "   rjmp 9f\n"
        "3: bst r30, %[a]\n"
        "   bld r31, %[b]\n"
        "   bst r30, %[b]\n"
        "   bld r31, %[a]\n"
        "   out %[was], r31\n"
        "   lds r24, %[illegal]\n"
        "   lds r25, %[illegal]+1\n"
        "   adiw r24, 1\n"
        "   sts %[illegal]+1, r25\n"
        "   sts %[illegal], r24\n"
        "   rjmp 9f\n"
        "6: ldi r25, 0\n"               /* shut the gate, and have the step come soon */
        "   sts encoder_up, r25\n"
        "   sts encoder_down, r25\n"
        "   sts flip_due, r25\n"
        "   ldi r25, 1\n"
        "   sts %[waiting], r25\n"
        "   sts %[ahead], r25\n"
        "   adiw r30, 13\n"             /* 3 us from now: this will be over */
        "   sts %[ocr]+1, r31\n"
        "   sts %[ocr], r30\n"
        "   sbiw r30, 13\n"
        "7: push r26\n"                 /* keep r30:r31 ticks, r24 delta */
        "   push r27\n"
        "   lds r25, %[head]\n"
        "   mov r26, r25\n"
        "   subi r25, -4\n"
        "   andi r25, %[mask]\n"
        "   lds r27, %[tail]\n"
        "   cp r25, r27\n"
        "   breq 8f\n"
        "   sts %[head], r25\n"
        "   ldi r27, hi8(%[kept])\n"
        "   subi r26, lo8(-(%[kept]))\n"
        "   st X+, r30\n"
        "   st X+, r31\n"
        "   st X, r24\n"
        "   pop r27\n"
        "   pop r26\n"
        "   rjmp 9f\n"
        "8: lds r30, %[merged]\n"       /* no room: the count is kept, the time is not */
        "   lds r31, %[merged]+1\n"
        "   sbrc r24, 7\n"
        "   sbiw r30, 2\n"
        "   adiw r30, 1\n"
        "   sts %[merged]+1, r31\n"
        "   sts %[merged], r30\n"
        "   pop r27\n"
        "   pop r26\n"
        "9: pop r25\n"
        "   pop r24\n"
        "   pop r31\n"
        "   pop r30\n"
        "   out __SREG__, r30\n"
        "   pop r30\n"
        "   reti\n"
        ::[pin] "I"(_SFR_IO_ADDR(ENCODER_PIN)), [was] "I"(_SFR_IO_ADDR(GPIOR0)), [flip] "I"(_SFR_IO_ADDR(OUT_FLIP)),
        [tifr] "I"(_SFR_IO_ADDR(TIFR1)), [ocf] "I"(OCF1A), [a] "I"(ENCODER_A), [b] "I"(ENCODER_B),
        [both] "M"(1 << ENCODER_A | 1 << ENCODER_B), [tcnt] "i"(_SFR_MEM_ADDR(TCNT1)), [ocr] "i"(_SFR_MEM_ADDR(OCR1B)),
        [waiting] "i"(&core.gate.waiting), [ahead] "i"(&ahead), [pos] "i"(&core.gate.pos), [lo] "i"(&core.gate.lo), [hi] "i"(&core.gate.hi),
        [flip_lo] "i"(&flip_lo), [flip_hi] "i"(&flip_hi), [illegal] "i"(&core.illegal), [head] "i"(&encoder_head),
        [tail] "i"(&encoder_tail), [kept] "i"(rings.kept), [merged] "i"(&encoder_merged), [mask] "M"(4 * KEPT - 1));
}
ISR(ENCODER_B_vect, ISR_ALIASOF(ENCODER_A_vect));

static void encoder_begin(void)
{
    uint8_t lines = ENCODER_PIN;
    GPIOR0 = (uint8_t)((lines >> ENCODER_A & 1) << ENCODER_B | (lines >> ENCODER_B & 1) << ENCODER_A);
    ENCODER_SENSE |= ENCODER_ANY;
    EIFR = ENCODER_MASK;
    EIMSK = ENCODER_MASK;
}
