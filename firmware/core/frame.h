/* Frames: COBS, a trailer that is never zero, a zero. Bytes in, payloads out; see rig/wire.py for the layout. */
#ifndef RIG_FRAME_H
#define RIG_FRAME_H
#include <stdint.h>
#include "limits.h"
#include "wire.h"

#define FRAME_MAX (RIG_PAYLOAD + 5) /* payload, one code byte, trailer, delimiter */

typedef struct {
    uint8_t bytes[FRAME_MAX];
    uint8_t used;
    uint8_t overlong;
    uint16_t damaged;
} frame_reader_t;

uint16_t frame_crc(uint16_t crc, uint8_t byte);
/* Writes the frame of a payload of 1..WIRE_MAX_PAYLOAD bytes; returns its length, delimiter included.
 * The payload may lie at to + 1 already. */
uint8_t frame_write(uint8_t *to, const uint8_t *payload, uint8_t size);
/* One byte came in. Returns the size of the payload it completed (in reader->bytes), or 0. */
uint8_t frame_read(frame_reader_t *reader, uint8_t byte);

#endif
