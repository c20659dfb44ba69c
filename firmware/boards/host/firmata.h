/* The pins of a StandardFirmata board beside the trial machine on this computer.
 *
 * The messages that decide – a sample of the lever, the levels of a port – are read here, and outputs follow the machine,
 * in one call from bytes to bytes. Whatever else the board says is handed on as it came (to pyfirmata2, which has also set
 * the board up). firmata.c is pure: bytes and times in, bytes out. firmata_wait (firmata_loop.c) is the same in real time,
 * asleep between descriptors; POSIX only. Messages and modes are those of Firmata's protocol 2.5 (github
 * firmata/protocol). Below this line everything is read by cffi as it stands. */
#ifndef RIG_FIRMATA_H
#define RIG_FIRMATA_H
#include "host.h"

/* cffi: begin */
typedef struct firmata firmata_t;

enum firmata_wants { /* what firmata_wait returns for; bits */
    FIRMATA_TIME = 1,     /* it is as late as was asked for, or a signal came */
    FIRMATA_WORDS = 2,    /* the board said something else */
    FIRMATA_HEAR = 4,     /* the session has said something, or ended */
    FIRMATA_TELL = 8,     /* there are bytes for the session, or it takes bytes again */
    FIRMATA_GUARD = 16,   /* the guard has ended */
    FIRMATA_GONE = 32,    /* the board has gone: see `error` */
    FIRMATA_TROUBLE = 64  /* the machine asks for what has no pin: see `unwired` and `dim` */
};
enum firmata_times { FIRMATA_REPLY = 0, FIRMATA_LATE = 1 };

typedef struct { /* what was seen so far; times are the caller's, 0 before the first */
    int64_t heard_us, sample_us, moved_us; /* when the board spoke, a sample came, the lever was another */
    uint32_t jumps, ends;                  /* samples a quarter of the range off the one before; at an end of it */
    uint16_t active;                       /* wired outputs that are on; the tone's gate above them */
    uint16_t unwired;                      /* outputs the machine has on that have no pin */
    uint8_t dim;                           /* a level of light is asked for and has no pin */
    int32_t error;                         /* errno, where the board is gone; 0 at an end of file */
} firmata_seen_t;

size_t firmata_size(void);
/* `channel`: the lever's, with a converter of so many bits; 0 bits: the lever is a switch on an input pin instead.
 * `at`: where it is, in counts. `levels`: of the inputs, as the pins have them, the switch above them. */
void firmata_start(firmata_t *f, host_t *host, int64_t now_us, uint8_t channel, uint8_t bits, int32_t at, uint16_t levels);
void firmata_input(firmata_t *f, uint8_t pin, uint8_t input);   /* after the last of the inputs: the lever's switch */
void firmata_output(firmata_t *f, uint8_t pin, uint8_t output); /* after the last of the outputs: the tone's gate */
void firmata_light(firmata_t *f, uint8_t pin);                  /* PWM for the laser's level */

void firmata_take(firmata_t *f, int64_t now_us, const uint8_t *bytes, uint32_t n); /* from the board, arriving now */
void firmata_hear(firmata_t *f, int64_t now_us, const uint8_t *bytes, uint32_t n); /* from the session */
void firmata_step(firmata_t *f, int64_t now_us);                                   /* time has passed */
void firmata_say(firmata_t *f, const uint8_t *bytes, uint32_t n);                  /* a whole message for the board */
uint32_t firmata_out(firmata_t *f, uint8_t *bytes, uint32_t room);                 /* bytes for the board */
uint32_t firmata_said(firmata_t *f, uint8_t *bytes, uint32_t room);                /* bytes for the session */
uint32_t firmata_words(firmata_t *f, uint8_t *bytes, uint32_t room); /* what else the board said, as it came */
const firmata_seen_t *firmata_seen(const firmata_t *f);

/* Asleep until `until_ns` (CLOCK_MONOTONIC) or until the caller is wanted. Samples and levels are decided upon, and the
 * answer written, before this looks at anything else. `full`: the session has not taken the last bytes yet. */
int firmata_wait(firmata_t *f, int port, int session, int guard, int64_t until_ns, int full);
int firmata_flush(firmata_t *f, int port); /* write what there is now; 0, or what is wanted */

/* How long replies took from the waking to the write, and how late timers were: within 7 %, the worst exact. */
void firmata_time(firmata_t *f, uint8_t which, int64_t ns);
uint32_t firmata_timed(const firmata_t *f, uint8_t which);
int64_t firmata_percentile_ns(const firmata_t *f, uint8_t which, double percent); /* 0 before the first; 100: the worst */
/* cffi: end */

/* Within the body */
#define FIRMATA_ROOM 4096
#define FIRMATA_PINS 128
#define FIRMATA_BINS 640

typedef struct {
    uint32_t n, bins[FIRMATA_BINS];
    int64_t worst_ns;
} firmata_times_t;

typedef struct {
    uint32_t used;
    uint8_t bytes[FIRMATA_ROOM];
} firmata_text_t;

struct firmata {
    host_t *host;
    firmata_seen_t seen;
    uint8_t channel, bits, light_pin, light;
    int32_t counts;
    uint16_t levels;                 /* of inputs as the pins have them, the switch above */
    uint8_t input_of[FIRMATA_PINS], output_of[FIRMATA_PINS]; /* role + 1, or 0 */
    uint8_t port_levels[FIRMATA_PINS / 8];
    uint16_t wired, wanted;
    uint8_t message[3], have, in_words; /* the message that is coming; a longer one of others has begun */
    firmata_text_t out, words, said; /* for the board; of the board; for the session */
    uint16_t told;                   /* to the guard */
    int64_t beat_ns, tell_ns, others_ns; /* when the guard was told; the session; both after an answer */
    int64_t owed_ns;                     /* after an answer: when both are to be told; 0: nothing is owed */
    firmata_times_t times[2];
};

#endif
