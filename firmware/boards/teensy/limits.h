/* Sizes of the Teensy 4, and how its interrupts are kept out for a moment. Arduino.h comes after the core: it names as
 * macros what the core names otherwise (INPUT, HIGH). */
#ifndef RIG_TEENSY_LIMITS_H
#define RIG_TEENSY_LIMITS_H

#define RIG_QUEUE_BYTES 32768

#ifndef RIG_ATOMIC_BEGIN
#define RIG_ATOMIC_BEGIN() __asm__ volatile("cpsid i" ::: "memory")
#define RIG_ATOMIC_END() __asm__ volatile("cpsie i" ::: "memory")
#endif

#endif
