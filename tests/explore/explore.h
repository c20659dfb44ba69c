/* What the exploration's parts share: a life is the real machine and link, and beside them a monitor with books of its own.
 *
 * A snapshot is a memcpy of `life_t`. The monitor (monitor.c) sees what the world sees – pins, events, when it is to be
 * woken – and what the host said; it never asks the machine how long something was on, or whether it may be. */
#ifndef EXPLORE_H
#define EXPLORE_H
#include "link.h" /* the core under exploration is where -I says */

enum { PINS = 2, INTERVALS = 24, NO_TABLE = 0xFF, LICK = 1 << 0, INTERLOCK = 4, LOCK_BIT = 1 << INTERLOCK };

typedef struct {
    uint32_t begin_us, end_us;
} interval_t;

typedef struct { /* an output, and what was promised of it */
    uint32_t max_on_us, window_us, duty_us;
    uint32_t since_us;
    uint8_t on, intervals;
    interval_t was_on[INTERVALS]; /* within the last window, where there is one */
} pin_t;

typedef struct {
    pin_t pin[PINS];
    uint32_t heard_us, deadman_us, due_us; /* the host's last word; how long it may be silent; when a step was due */
    uint8_t interlock, enabled, invert, raw; /* inputs as they were wired, and their pins */
    uint8_t met, locked, armed, may_arm, stopped;
    uint8_t running, table, state, live;     /* the trial, as the events tell it */
    uint8_t committed, offered, filling;     /* tables the host sent, or NO_TABLE */
    uint8_t shown, told, safe;               /* outputs on the pins, and in the record; safe levels */
    uint8_t acts, expects;                   /* edges and inputs since the last step; due_us counts */
    uint16_t foreseen;                       /* what an interrupt showed ahead of the step, or GATE_NO_PINS */
    uint32_t foreseen_us;
    int8_t lever;
} monitor_t;

typedef struct {
    core_t core;
    link_t link;
    monitor_t monitor;
    uint32_t now_us;
    uint32_t faults[8], armings, trials; /* how often: counted, not part of the state */
} life_t;

typedef struct {
    const char *name;
    uint32_t start_us, valve_max_us, laser_max_us, window_us, duty_us, deadman_us;
    uint8_t interlock, table; /* NO_TABLE: a board just powered on, nothing said yet */
} world_t;

extern const world_t WORLDS[];
extern const int WORLDS_COUNT;
extern const char *broken; /* the promise that was broken, or 0 */

/* choices.c */
extern const char *const CHOICES[];
extern const int CHOICES_COUNT;
void life_begin(life_t *l, const world_t *world);
int life_choose(life_t *l, int choice); /* 0: it makes no sense here */

/* tables.c */
const wire_state_t *table_states(uint8_t table, uint8_t *count);
const wire_generator_t *table_generators(uint8_t table, uint8_t *count);
const wire_rule_t *table_rule(void);

/* monitor.c */
void monitor_power_on(life_t *l, uint8_t raw);
void monitor_expect(life_t *l); /* something happens, or time passes: from here on a step is due, or soon will be */
void monitor_heard(life_t *l);
void monitor_shown(life_t *l, uint16_t pins); /* by an interrupt, ahead of the step */
void monitor_look(life_t *l);                 /* after anything that let the machine act */

/* canon.c */
typedef struct {
    uint64_t a, b;
} key_t128;
key_t128 canon_key(const life_t *l);

#endif
