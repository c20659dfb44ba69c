/* The trial machine. It knows the rules and does no I/O: time, edges and inputs come in as arguments, outputs are read
 * from it, bytes are the link's (link.h). No heap, no globals, no pointers inside the state: a memcpy is a snapshot.
 *
 * A body does this, forever:
 *     on an encoder edge    gate_edge(&core.gate, t, +-1)      (interrupt; gate.h)
 *     on an input edge      core_input(&core, t, levels)       (interrupt)
 *     whenever it can       core_step(&core, now), then write core_pins(&core), core.level[], core.tone_hz
 *     no later than         core_next(&core, now)
 *
 * Everything is decided in the order and at the times it happened, however late the step comes. At one and the same
 * microsecond: lever, inputs, then timers in the order of `timer_id`. */
#ifndef RIG_CORE_H
#define RIG_CORE_H
#include <stdbool.h>
#include <stdint.h>
#include "gate.h"
#include "limits.h"
#include "queue.h"
#include "wire.h"

_Static_assert(RIG_OUTPUTS <= 8 && RIG_INPUTS <= 8 && RIG_GENERATORS <= 8 && RIG_RULES <= 4, "masks are 8 bits wide");

#define GO_NONE 0xFE /* no transition is asked for */

enum timer_id {
    TIMER_DEADMAN,
    TIMER_LIMIT, /* one per output: ceiling or duty */
    TIMER_RULE = TIMER_LIMIT + RIG_OUTPUTS,
    TIMER_GENERATOR = TIMER_RULE + RIG_RULES,
    TIMER_STATE = TIMER_GENERATOR + RIG_GENERATORS,
    TIMER_SAMPLE,
    TIMERS,
    TIMER_UNKNOWN = 0xFF /* which is first has to be looked up */
};

typedef struct {
    uint32_t trial;
    uint8_t states, rules, generators;
    wire_state_t state[RIG_STATES];
    wire_rule_t rule[RIG_RULES];
    wire_generator_t generator[RIG_GENERATORS];
} table_t;

typedef struct { /* how a lever rule stands */
    uint8_t on;  /* window: inside; press: away from rest */
    uint8_t done; /* window: held told; press: this push is decided */
    uint8_t late;    /* press: this push is too slow */
    uint8_t resting; /* press: in the refractory time */
    uint16_t peak_counts;
    uint32_t since_us;
} rule_run_t;

typedef struct { /* how a generator stands */
    uint8_t phase;
    uint8_t step;   /* of the ramp */
    uint16_t begun; /* pulses; slots of a code */
} generator_run_t;

/* What a generator waits for, or will do next. */
enum { GENERATOR_DELAYS = 1, GENERATOR_COMES_ON, GENERATOR_GOES_OFF, GENERATOR_ENDS };

typedef struct { /* the positions strictly between which no rule decides anything */
    int32_t lo, hi;
    uint8_t lo_code, hi_code; /* the transition code that an end raises, or 0 */
} span_t;

typedef struct { /* how long an output may be on within a moving window, and how long it was lately */
    uint32_t bin_us, max_duty_us; /* 0: not watched */
    uint32_t counted_us, bin_start_us;
    uint32_t bins[RIG_DUTY_BINS + 1];
    uint8_t bin;
} duty_t;

typedef struct { /* how long an output may be on at a time */
    uint32_t max_on_us, on_since_us;
} limit_t;

typedef struct {
    /* time */
    uint32_t now_us; /* the step's time */
    uint32_t t_us;   /* the time of what is being decided, never later than now */
    uint32_t due_us[TIMERS];
    uint8_t waiting[(TIMERS + 7) / 8]; /* bit per timer */
    uint8_t first; /* the first timer due, or TIMER_UNKNOWN */
    /* lever */
    gate_t gate;
    uint8_t aimed;   /* what the gate foresees still holds */
    uint8_t bounded; /* ... or at least its ends do, for edges that were kept */
    uint8_t lo_code, hi_code; /* what the ends raise, or 0 */
    uint8_t aim_is_near; /* what is foreseen for deadline and inputs rests on the gate's interval, too */
    int32_t origin_counts;
    uint32_t period_us;
    int32_t first_counts, last_counts;
    int16_t offsets[RIG_BATCH];
    uint8_t batch, sampled;
    int32_t glimpse_counts; /* where the lever was when the sample was due, where an interrupt has looked */
    volatile uint8_t glimpsed;
    uint8_t lever_source;
    uint32_t thinned;
    volatile uint16_t illegal, merged_inputs; /* counted by interrupts */
    uint16_t illegal_told, merged_edges, merged_told;
    /* inputs */
    struct { uint32_t t_us; uint8_t levels; } input_ring[RIG_INPUT_RING];
    volatile uint8_t input_head, input_tail;
    uint8_t raw_levels, levels, enabled, invert; /* pins; what they mean, as wired */
    /* trial */
    table_t table[2];
    uint8_t active;  /* which table runs; the other one is being filled */
    uint8_t running, filling, staged, last_trial;
    uint8_t filled[(RIG_STATES + 7) / 8]; /* the states of the next table that were sent */
    uint8_t state, go, go_cause, hops;
    uint16_t state_at; /* where the present state lies within `table`, in bytes */
    uint8_t armed_rules;
    uint8_t sounds_due; /* generators whose sound was announced for this state's timer */
    uint32_t ended_us;
    uint8_t ever_ran;
    rule_run_t rule[RIG_RULES];
    generator_run_t generator[RIG_GENERATORS];
    uint8_t generators_live, generators_on; /* bit each: not idle; driving its output */
    /* outputs */
    uint16_t active_outputs, generator_outputs, safe_levels;
    uint8_t level[RIG_OUTPUTS];
    uint16_t tone_hz;
    uint8_t tone_by; /* the generator that sounds */
    limit_t limit[RIG_OUTPUTS];
    duty_t duty[RIG_DUTY_OUTPUTS];
    /* safety */
    uint8_t armed, locked, interlock;
    uint16_t faults;
    uint32_t deadman_us;
    queue_t queue;
    uint16_t boot;
    uint8_t restart; /* the body must start over, as after power-on */
    uint8_t news; /* something a host would want at once was told; a body may clear it */
} core_t;

void core_init(core_t *c, uint32_t now_us, uint16_t boot, uint8_t reason);
void core_input(core_t *c, uint32_t t_us, uint8_t levels); /* raw pin levels, bit per input */
void core_step(core_t *c, uint32_t now_us);
void core_step_to(core_t *c, uint32_t upto_us, uint32_t now_us); /* only what happened up to then; it is later now */
uint32_t core_next(core_t *c, uint32_t now_us); /* when the next step is due, at most 2^30 us ahead */
uint8_t core_command(core_t *c, uint32_t now_us, uint8_t message, const uint8_t *fields, uint8_t size);
void core_host_heard(core_t *c, uint32_t now_us); /* any good frame from the host */
int32_t core_lever(core_t *c);
void core_glimpse(core_t *c); /* a sample is due now, the gate is open, and the step may come later (interrupt) */
static inline uint16_t core_pins(const core_t *c) { return (uint16_t)(c->active_outputs ^ c->safe_levels); }

/* Within the core */
static inline bool later(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }
void trial_signal(core_t *c, uint8_t code); /* something happened that may move the trial */
uint8_t *event(core_t *c, uint8_t message, uint8_t size); /* where its fields go, or 0 where there is no room */
void emit(core_t *c, uint8_t message, const uint8_t *body, uint8_t size);
extern const uint8_t BIT[8]; /* 1 << i: a chip that shifts by one at a time does without */
static inline const table_t *running_table(const core_t *c) { return c->active ? &c->table[1] : &c->table[0]; }
static inline const wire_state_t *present_state(const core_t *c)
{
    return (const wire_state_t *)(const void *)((const uint8_t *)c->table + c->state_at);
}

/* timers.c */
void timer_set(core_t *c, uint8_t timer, uint32_t due_us);
void timer_clear(core_t *c, uint8_t timer);
bool timer_waits(const core_t *c, uint8_t timer);
uint8_t timer_first(core_t *c);

/* rules.c */
void rules_arm(core_t *c, uint8_t wanted);
void rules_moved(core_t *c);
void rules_sampled(core_t *c, uint16_t change_counts);
void rule_timer(core_t *c, uint8_t r);
void rules_switch(core_t *c, const table_t *old); /* a push goes on across trials whose rule is the same */
bool rule_level(const core_t *c, uint8_t code);
bool rule_level_ahead(core_t *c, uint8_t rules, uint8_t code, int32_t pos, span_t *narrower);
uint8_t rule_timer_code(const core_t *c, uint8_t r); /* what the rule's timer will raise, or 0 */
uint8_t rules_gates(const core_t *c);
span_t rules_span(core_t *c, span_t *far);
void span_narrow(span_t *all, span_t span);

/* ahead.c */
void gate_aim(core_t *c);
void gate_bound(core_t *c); /* only while the gate is shut */

/* generators.c */
void generator_start(core_t *c, uint8_t g);
void generator_stop(core_t *c, uint8_t g);
void generators_halt(core_t *c);
void generator_timer(core_t *c, uint8_t g);
uint8_t generator_ahead(const core_t *c, uint8_t g);
uint8_t generator_level_ahead(const core_t *c, uint8_t g);

/* trial.c */
void trial_begin(core_t *c);
void trial_end(core_t *c, uint8_t reason);
void trial_follow(core_t *c); /* take the transitions asked for */
uint8_t trial_target(const core_t *c, uint8_t code); /* where a code leads from here, or GO_NONE */
bool input_holds(uint8_t levels, uint8_t code);
void lever_zero(core_t *c);
uint8_t table_command(core_t *c, uint8_t message, const uint8_t *fields, uint8_t size);

/* safety.c */
void safety_apply(core_t *c, uint16_t wanted); /* the last act of every step */
bool safety_allows(core_t *c, uint8_t outputs); /* may these come on? */
void safety_limit_timer(core_t *c, uint8_t output);
void safety_fault(core_t *c, uint8_t fault, uint16_t detail);
void safety_disarm(core_t *c);
bool safety_interlock_fault(core_t *c);
bool safety_holds_wiring(const core_t *c, uint8_t changed_inputs);
uint8_t safety_command(core_t *c, uint8_t message, const uint8_t *fields, uint8_t size);

#endif
