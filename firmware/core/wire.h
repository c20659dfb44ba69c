/* Made from rig/wire.py by `python -m rig.wiregen`. Change the list there, never this file. */
#ifndef RIG_WIRE_H
#define RIG_WIRE_H
#include <stdint.h>

static inline uint8_t wire_get_u8(const uint8_t *b) { return b[0]; }
static inline uint16_t wire_get_u16(const uint8_t *b) { return (uint16_t)(b[0] | (uint16_t)((uint16_t)b[1] << 8)); }
static inline uint32_t wire_get_u32(const uint8_t *b)
{
    return (uint32_t)wire_get_u16(b) | ((uint32_t)wire_get_u16(b + 2) << 16);
}
static inline uint8_t *wire_put_u8(uint8_t *b, uint8_t v) { b[0] = v; return b + 1; }
static inline uint8_t *wire_put_u16(uint8_t *b, uint16_t v)
{
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    return b + 2;
}
static inline uint8_t *wire_put_u32(uint8_t *b, uint32_t v)
{
    return wire_put_u16(wire_put_u16(b, (uint16_t)v), (uint16_t)(v >> 16));
}

#define WIRE_VERSION 1
#define WIRE_END 255
#define WIRE_NO_INPUT 255
#define WIRE_MAX_PAYLOAD 64
#define WIRE_WHEN_PER_STATE 6
#define WIRE_MAX_TIMER_US 1073741824UL
#define WIRE_HASH 0x8d1b5554UL
#define ON_RULE 0x10
#define ON_INPUT 0x20
#define ON_HOST 0x40
#define ON_GENERATOR 0x50

#define OUT_VALVE 0
#define OUT_LASER 1
#define OUT_MASK 2
#define OUT_SYNC 3
#define OUT_SCAN_START 4
#define OUT_SCAN_STOP 5
#define OUT_NEXT_FILE 6
#define OUT_SPARE 7
#define IN_LICK 0
#define IN_FRAME 1
#define IN_SOUND_SYNC 2
#define IN_LASER_BACK 3
#define IN_INTERLOCK 4
#define IN_TOUCH 5
#define IN_SPARE1 6
#define IN_SPARE2 7

#define RULE_WINDOW 1
#define RULE_PRESS 2

#define DECISION_ENTER 0
#define DECISION_LEAVE 1
#define DECISION_HELD 2
#define DECISION_PRESS 3
#define DECISION_LEFT_REST 4
#define DECISION_REFUSED 5
#define DECISION_AT_REST 6
#define DECISION_AWAY 7

#define GENERATOR_PULSE 1
#define GENERATOR_TRAIN 2
#define GENERATOR_TONE 3
#define GENERATOR_CODE 4
#define GENERATOR_SOUND 5

#define GENERATOR_MARK_START 0
#define GENERATOR_MARK_END 1
#define GENERATOR_MARK_STOPPED 2
#define GENERATOR_MARK_RAMP 3

#define CAUSE_START 0
#define CAUSE_TIMER 1

#define INPUT_EDGE_RISE 0
#define INPUT_EDGE_FALL 1
#define INPUT_EDGE_HIGH 2
#define INPUT_EDGE_LOW 3

#define STATE_FLAG_ZERO_LEVER 1

#define END_REASON_DONE 0
#define END_REASON_STOPPED 1
#define END_REASON_FAULT 2

#define FAULT_DEADMAN 1
#define FAULT_INTERLOCK 2
#define FAULT_CEILING 3
#define FAULT_DUTY 4
#define FAULT_FIRMWARE 5
#define FAULT_NOT_ARMED 6

#define STATUS_OK 0
#define STATUS_UNKNOWN 1
#define STATUS_BAD_INDEX 2
#define STATUS_BAD_VALUE 3
#define STATUS_LOCKED 4
#define STATUS_NOT_LOCKED 5
#define STATUS_BAD_TABLE 6
#define STATUS_NOT_ARMED 7
#define STATUS_FAULTED 8

#define BOARD_KIND_SIMULATOR 1
#define BOARD_KIND_MEGA2560 2
#define BOARD_KIND_UNO328P 3
#define BOARD_KIND_TEENSY4 4
#define BOARD_KIND_PTY 5
#define BOARD_KIND_FIRMATA 6

#define MSG_HELLO_ASK 0x01
#define MSG_PING 0x02
#define MSG_ACK 0x03
#define MSG_HELLO 0x41
#define MSG_PONG 0x42
#define MSG_COMMAND_ACK 0x43
#define MSG_SET_OUTPUT 0x10
#define MSG_SET_LEVER 0x11
#define MSG_SET_SAFETY 0x12
#define MSG_SET_INPUTS 0x13
#define MSG_LOCK 0x14
#define MSG_ARM 0x15
#define MSG_STOP 0x16
#define MSG_TABLE_BEGIN 0x17
#define MSG_TABLE_STATE 0x18
#define MSG_TABLE_RULE 0x19
#define MSG_TABLE_GENERATOR 0x1a
#define MSG_TABLE_COMMIT 0x1b
#define MSG_HOST_EVENT 0x1c
#define MSG_ZERO_LEVER 0x1d
#define MSG_RESTART 0x1e
#define MSG_BOOT 0x80
#define MSG_TRIAL_BEGIN 0x81
#define MSG_STATE 0x82
#define MSG_TRIAL_END 0x83
#define MSG_LEVER 0x84
#define MSG_RULE 0x85
#define MSG_INPUT 0x86
#define MSG_OUTPUT 0x87
#define MSG_GENERATOR 0x88
#define MSG_FAULT 0x89
#define MSG_ARMED 0x8a
#define MSG_LOST 0x8b
#define MSG_APPLIED 0x8c
#define MSG_INPUT_ERROR 0x8d
#define MSG_THINNED 0x8e
#define MSG_ZEROED 0x8f
#define MSG_SOUND_DUE 0x90
#define MSG_SOUND_OFF 0x91

/* bytes of the fields of a command, after its number and sequence */
#define LEN_SET_OUTPUT 14
#define LEN_SET_LEVER 6
#define LEN_SET_SAFETY 5
#define LEN_SET_INPUTS 4
#define LEN_LOCK 0
#define LEN_ARM 0
#define LEN_STOP 1
#define LEN_TABLE_BEGIN 7
#define LEN_TABLE_STATE 24
#define LEN_TABLE_RULE 21
#define LEN_TABLE_GENERATOR 25
#define LEN_TABLE_COMMIT 0
#define LEN_HOST_EVENT 1
#define LEN_ZERO_LEVER 0
#define LEN_RESTART 0

typedef struct {
    uint16_t outputs;
    uint8_t start;
    uint8_t stop;
    uint8_t rules;
    uint8_t flags;
    uint32_t after_us;
    uint8_t after_to;
    uint8_t on0;
    uint8_t to0;
    uint8_t on1;
    uint8_t to1;
    uint8_t on2;
    uint8_t to2;
    uint8_t on3;
    uint8_t to3;
    uint8_t on4;
    uint8_t to4;
    uint8_t on5;
    uint8_t to5;
} wire_state_t;

static inline void wire_state_read(wire_state_t *to, const uint8_t *from)
{
    to->outputs = (uint16_t)wire_get_u16(from + 0);
    to->start = (uint8_t)wire_get_u8(from + 2);
    to->stop = (uint8_t)wire_get_u8(from + 3);
    to->rules = (uint8_t)wire_get_u8(from + 4);
    to->flags = (uint8_t)wire_get_u8(from + 5);
    to->after_us = (uint32_t)wire_get_u32(from + 6);
    to->after_to = (uint8_t)wire_get_u8(from + 10);
    to->on0 = (uint8_t)wire_get_u8(from + 11);
    to->to0 = (uint8_t)wire_get_u8(from + 12);
    to->on1 = (uint8_t)wire_get_u8(from + 13);
    to->to1 = (uint8_t)wire_get_u8(from + 14);
    to->on2 = (uint8_t)wire_get_u8(from + 15);
    to->to2 = (uint8_t)wire_get_u8(from + 16);
    to->on3 = (uint8_t)wire_get_u8(from + 17);
    to->to3 = (uint8_t)wire_get_u8(from + 18);
    to->on4 = (uint8_t)wire_get_u8(from + 19);
    to->to4 = (uint8_t)wire_get_u8(from + 20);
    to->on5 = (uint8_t)wire_get_u8(from + 21);
    to->to5 = (uint8_t)wire_get_u8(from + 22);
}
#define WIRE_STATE_BYTES 23

typedef struct {
    uint8_t kind;
    uint8_t gate;
    int32_t lo_counts;
    int32_t hi_counts;
    uint16_t hysteresis_counts;
    uint32_t time_us;
    uint32_t refractory_us;
} wire_rule_t;

static inline void wire_rule_read(wire_rule_t *to, const uint8_t *from)
{
    to->kind = (uint8_t)wire_get_u8(from + 0);
    to->gate = (uint8_t)wire_get_u8(from + 1);
    to->lo_counts = (int32_t)wire_get_u32(from + 2);
    to->hi_counts = (int32_t)wire_get_u32(from + 6);
    to->hysteresis_counts = (uint16_t)wire_get_u16(from + 10);
    to->time_us = (uint32_t)wire_get_u32(from + 12);
    to->refractory_us = (uint32_t)wire_get_u32(from + 16);
}
#define WIRE_RULE_BYTES 20

typedef struct {
    uint8_t kind;
    uint8_t output;
    uint8_t level;
    uint8_t sound;
    uint32_t delay_us;
    uint32_t width_us;
    uint32_t period_us;
    uint16_t count;
    uint32_t ramp_us;
    uint16_t tone_hz;
} wire_generator_t;

static inline void wire_generator_read(wire_generator_t *to, const uint8_t *from)
{
    to->kind = (uint8_t)wire_get_u8(from + 0);
    to->output = (uint8_t)wire_get_u8(from + 1);
    to->level = (uint8_t)wire_get_u8(from + 2);
    to->sound = (uint8_t)wire_get_u8(from + 3);
    to->delay_us = (uint32_t)wire_get_u32(from + 4);
    to->width_us = (uint32_t)wire_get_u32(from + 8);
    to->period_us = (uint32_t)wire_get_u32(from + 12);
    to->count = (uint16_t)wire_get_u16(from + 16);
    to->ramp_us = (uint32_t)wire_get_u32(from + 18);
    to->tone_hz = (uint16_t)wire_get_u16(from + 22);
}
#define WIRE_GENERATOR_BYTES 24

#endif
