/* The hash over a board's pin table, told in hello: over "role pin" lines in the table's order (FNV-1a, 32 bits). */
#ifndef RIG_PINS_H
#define RIG_PINS_H
#include <stdint.h>

#ifdef __AVR__
#include <avr/pgmspace.h>
#define PINS_STORED PROGMEM
#define PINS_READ(at) pgm_read_byte(at)
#else
#define PINS_STORED
#define PINS_READ(at) (*(at))
#endif

#define PINS_LINE(role, pin, ...) #role " " #pin "\n"

static inline uint32_t pins_hash(const char *text)
{
    uint32_t hash = 2166136261UL;
    for (char letter = (char)PINS_READ(text); letter; letter = (char)PINS_READ(++text))
        hash = (hash ^ (uint8_t)letter) * 16777619UL;
    return hash;
}

#endif
