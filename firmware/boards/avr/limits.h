/* Sizes of the AVR boards, and how their interrupts keep out of the step's way. May not: know pins or registers but SREG.
 *
 * Three levels share the chip. The link runs in the main loop. Steps run in the timer's interrupt with interrupts on, so
 * they cut the link short but never each other (board_lock). Edges, inputs, deadlines and bytes cut everything short. */
#ifndef RIG_AVR_LIMITS_H
#define RIG_AVR_LIMITS_H
#include <avr/interrupt.h>
#include <stdint.h>

#ifdef __AVR_ATmega328P__
#define RIG_STATES 16
#define RIG_RULES 2
#define RIG_GENERATORS 2
#define RIG_OUTPUTS 5
#define RIG_INPUTS 5
#define RIG_DUTY_OUTPUTS 2 /* valve and laser */
#define RIG_AHEAD_INPUTS 3
#define RIG_QUEUE_BYTES 104
#define RIG_PAYLOAD 40
#define RIG_BATCH 4
#define RIG_EDGE_RING 2
#define RIG_AHEAD_TABLES 1
#define RIG_INPUT_RING 4
#else
#define RIG_STATES 32
#define RIG_QUEUE_BYTES 2560
#define RIG_EDGE_RING 16
#define RIG_INPUT_RING 16
#endif

#define RIG_ATOMIC_BEGIN() cli()
#define RIG_ATOMIC_END() sei()
#define RIG_LOCK() board_lock()
#define RIG_UNLOCK() board_unlock()
#define RIG_GATE_SHUT() (encoder_up = encoder_down = flip_due = 0)
#define RIG_GATE_AIMED(gate) board_aimed(gate)
#define RIG_GATE_OPENS(core) board_opens()
#define RIG_GATE_STANDS(gate) board_stands()
#define RIG_SHOW() board_show()
#define RIG_MORE() board_more()

/* What the next step up or down, or the deadline, flips on the output port: not 0 only where it moves the trial. */
extern volatile uint8_t encoder_up, encoder_down, flip_due;
struct gate;
void board_lock(void);
void board_unlock(void);
void board_aimed(const void *gate);
uint8_t board_opens(void);
uint8_t board_stands(void);
uint8_t board_more(void);
void board_show(void);

#endif
