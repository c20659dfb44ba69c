/* The whole firmware of an AVR board as one piece: Arduino compiles only what lies beside the sketch, and an 8-bit chip
 * gains from seeing everything at once. Other boards compile the files one by one. */
#ifdef __AVR__
#ifdef ARDUINO
#pragma GCC optimize("O2")
#endif
#include "core/core.c"
#include "core/timers.c"
#include "core/trial.c"
#include "core/rules.c"
#include "core/ahead.c"
#include "core/generators.c"
#include "core/safety.c"
#include "core/queue.c"
#include "core/frame.c"
#include "core/link.c"
#include "boards/avr/avr.c"
#endif
