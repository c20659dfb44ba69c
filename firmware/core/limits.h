/* Sizes, per board. A board's build may define any of them; all are reported in hello. */
#ifndef RIG_LIMITS_H
#define RIG_LIMITS_H

#ifdef __AVR__
#include "../boards/avr/limits.h"
#elif defined(__IMXRT1062__)
#include "../boards/teensy/limits.h"
#endif

#ifndef RIG_STATES
#define RIG_STATES 32
#endif
#ifndef RIG_RULES
#define RIG_RULES 4
#endif
#ifndef RIG_GENERATORS
#define RIG_GENERATORS 8
#endif
#ifndef RIG_OUTPUTS
#define RIG_OUTPUTS 8
#endif
#ifndef RIG_INPUTS
#define RIG_INPUTS 8
#endif
#ifndef RIG_QUEUE_BYTES
#define RIG_QUEUE_BYTES 2048
#endif
#ifndef RIG_PAYLOAD /* the longest that this board says or is told, at most WIRE_MAX_PAYLOAD */
#define RIG_PAYLOAD 64
#endif
#ifndef RIG_EDGE_RING /* a power of two */
#define RIG_EDGE_RING 128
#endif
#ifndef RIG_INPUT_RING /* a power of two */
#define RIG_INPUT_RING 32
#endif
#ifndef RIG_AHEAD_INPUTS /* changes of inputs whose outcome is kept ready */
#define RIG_AHEAD_INPUTS 7
#endif
#ifndef RIG_AHEAD_TABLES /* 2: the old ones hold while new ones are made; 1 saves room */
#define RIG_AHEAD_TABLES 2
#endif
#ifndef RIG_DUTY_OUTPUTS /* outputs, from the first, whose duty can be watched */
#define RIG_DUTY_OUTPUTS RIG_OUTPUTS
#endif
#ifndef RIG_DUTY_BINS /* the duty window is watched in this many parts; a power of two */
#define RIG_DUTY_BINS 8
#define RIG_DUTY_SHIFT 3
#endif
#ifndef RIG_BATCH
#define RIG_BATCH 20
#endif

/* The board's own hard caps: no set_output may ask for more. */
#ifndef RIG_CAP_VALVE_US
#define RIG_CAP_VALVE_US 2000000UL
#endif
#ifndef RIG_CAP_LASER_US
#define RIG_CAP_LASER_US 30000000UL
#endif
#ifndef RIG_CAP_DEADMAN_US
#define RIG_CAP_DEADMAN_US 5000000UL
#endif

/* Kept out of line, so that the path taken often saves no registers for it. */
#ifdef __GNUC__
#define RIG_SELDOM __attribute__((noinline))
#else
#define RIG_SELDOM
#endif

/* Interrupts off and on again, around what an interrupt shares with the step: a few instructions at most. */
#ifndef RIG_ATOMIC_BEGIN
#define RIG_ATOMIC_BEGIN() do {} while (0)
#define RIG_ATOMIC_END() do {} while (0)
#endif

/* The step kept out and let in again, around what the link shares with it, where steps come in interrupts. */
#ifndef RIG_LOCK
#define RIG_LOCK() do {} while (0)
#define RIG_UNLOCK() do {} while (0)
#endif

/* For a board that keeps its own short form of the gate: it was shut; it is aimed anew; may it open (interrupts off)? */
#ifndef RIG_GATE_SHUT
#define RIG_GATE_SHUT() do {} while (0)
#define RIG_GATE_AIMED(gate) do {} while (0)
#define RIG_GATE_OPENS(core) 1
#define RIG_GATE_STANDS(gate) 0 /* shut: does what was foreseen for deadline and inputs hold all the same? */
#define RIG_MORE() 0 /* the body still keeps something that came before now: too early to look ahead */
#define RIG_SHOW() do {} while (0) /* outputs are decided: a step that goes on for long shows them already */
#endif

#endif
