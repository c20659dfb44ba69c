/* The whole firmware of a board as one piece: Arduino compiles only what lies beside the sketch, and an 8-bit chip gains
 * from seeing everything at once. Other bodies compile the files one by one. */
#if defined(__AVR__) || defined(__IMXRT1062__)
#if defined(__AVR_ATmega2560__) && defined(ARDUINO) /* the Uno has no room for it */
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
#ifdef __AVR__
#include "boards/avr/avr.c"
#else
#include "boards/teensy/teensy.c"
#endif
#endif
