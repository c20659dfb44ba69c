/* See frame.h. Payloads are at most 64 bytes, so a COBS code never reaches 255. */
#include "frame.h"

/* CRC-16/CCITT, polynomial 0x1021, without a table: a few shifts, which suits an 8-bit chip. */
uint16_t frame_crc(uint16_t crc, uint8_t byte)
{
    uint8_t x = (uint8_t)((crc >> 8) ^ byte);
    x = (uint8_t)(x ^ (x >> 4));
    return (uint16_t)((uint16_t)(crc << 8) ^ (uint16_t)((uint16_t)x << 12) ^ (uint16_t)((uint16_t)x << 5) ^ x);
}

static void trailer(uint8_t *to, uint16_t crc, uint8_t size)
{
    to[0] = (uint8_t)(0x80 | crc >> 9);
    to[1] = (uint8_t)(0x80 | (crc >> 2 & 0x7F));
    to[2] = (uint8_t)(0x80 | (uint8_t)((crc & 3) << 5) | (size & 31));
}

uint8_t frame_write(uint8_t *to, const uint8_t *payload, uint8_t size)
{
    uint8_t code_at = 0, at = 1;
    uint16_t crc = 0xFFFF;
    for (uint8_t i = 0; i < size; i++) {
        if (payload[i]) {
            to[at++] = payload[i];
        } else {
            to[code_at] = (uint8_t)(at - code_at);
            code_at = at++;
        }
    }
    to[code_at] = (uint8_t)(at - code_at);
    for (uint8_t i = 0; i < at; i++)
        crc = frame_crc(crc, to[i]);
    trailer(to + at, crc, at);
    to[at + 3] = 0;
    return (uint8_t)(at + 4);
}

/* Undo COBS in place; 0 where the codes do not end with the frame. */
static uint8_t uncobs(uint8_t *bytes, uint8_t size)
{
    uint8_t to = 0, from = 0;
    while (from < size) {
        uint8_t code = bytes[from], end = (uint8_t)(from + code);
        if (code == 0 || code > size - from)
            return 0;
        for (from++; from < end; from++)
            bytes[to++] = bytes[from];
        if (from < size)
            bytes[to++] = 0;
    }
    return to;
}

static uint8_t check(frame_reader_t *reader, uint8_t size)
{
    uint8_t expected[3], encoded = (uint8_t)(size - 3);
    uint16_t crc = 0xFFFF;
    for (uint8_t i = 0; i < encoded; i++)
        crc = frame_crc(crc, reader->bytes[i]);
    trailer(expected, crc, encoded);
    for (uint8_t i = 0; i < 3; i++)
        if (reader->bytes[encoded + i] != expected[i])
            return 0;
    return uncobs(reader->bytes, encoded);
}

uint8_t frame_read(frame_reader_t *reader, uint8_t byte)
{
    if (byte) {
        if (reader->used < FRAME_MAX - 1)
            reader->bytes[reader->used++] = byte;
        else
            reader->overlong = 1;
        return 0;
    }
    uint8_t size = reader->used, overlong = reader->overlong, payload = 0;
    reader->used = 0;
    reader->overlong = 0;
    if (size == 0)
        return 0;
    if (size >= 5 && !overlong)
        payload = check(reader, size);
    if (!payload)
        reader->damaged++;
    return payload;
}
