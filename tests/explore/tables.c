/* The tables that the explored host sends. Between them: a state that holds a light, a pulse as long as its ceiling
 * allows and one that is longer, a train without end, a second rise while one generator holds the pin, a ramp, a tone,
 * states that end by lever, input, host and generator, a loop without time. */
#include "explore.h"

enum { VALVE = 1 << OUT_VALVE, LASER = 1 << OUT_LASER };
#define AT_RULE(decision) (ON_RULE + (decision))
#define AT_LICK(edge) (ON_INPUT + (edge))

static const wire_rule_t RULE = {.kind = RULE_WINDOW, .gate = WIRE_NO_INPUT, .lo_counts = 0, .hi_counts = 3, .time_us = 150};

static const wire_state_t CUED[] = {
    {.rules = 1, .on0 = AT_RULE(DECISION_ENTER), .to0 = 1, .on1 = AT_LICK(INPUT_EDGE_RISE), .to1 = 2, .on2 = ON_HOST, .to2 = 3},
    {.rules = 1, .outputs = LASER, .start = 1, .on0 = AT_LICK(INPUT_EDGE_RISE), .to0 = 2,
     .on1 = AT_RULE(DECISION_LEAVE), .to1 = 0},
    {.start = 2, .stop = 1, .after_us = 500, .after_to = 0, .on0 = ON_GENERATOR, .to0 = 3},
    {.outputs = VALVE, .start = 4, .stop = 2, .after_us = 90, .after_to = WIRE_END},
};
static const wire_generator_t CUED_GENERATORS[] = {
    {.kind = GENERATOR_PULSE, .output = OUT_VALVE, .level = 255, .width_us = 120},
    {.kind = GENERATOR_TRAIN, .output = OUT_LASER, .level = 200, .width_us = 60, .period_us = 130},
    {.kind = GENERATOR_TONE, .output = OUT_SPARE, .delay_us = 30, .width_us = 200, .tone_hz = 4000},
};

static const wire_state_t TRAINS[] = {
    {.start = 1, .after_us = 700, .after_to = 1, .on0 = AT_LICK(INPUT_EDGE_HIGH), .to0 = 1},
    {.rules = 1, .start = 2, .stop = 1, .after_us = 250, .after_to = 2, .on0 = AT_RULE(DECISION_HELD), .to0 = WIRE_END},
    {.outputs = VALVE | LASER, .start = 5, .stop = 2, .after_us = 130, .after_to = 0, .on0 = AT_RULE(DECISION_ENTER), .to0 = WIRE_END},
};
static const wire_generator_t TRAIN_GENERATORS[] = {
    {.kind = GENERATOR_TRAIN, .output = OUT_VALVE, .level = 255, .width_us = 100, .period_us = 160, .count = 3},
    {.kind = GENERATOR_PULSE, .output = OUT_LASER, .level = 255, .width_us = 100, .ramp_us = 3200},
    {.kind = GENERATOR_CODE, .output = OUT_VALVE, .level = 255, .width_us = 50, .count = 2, .ramp_us = 3},
};

static const wire_state_t LOOPS[] = {
    {.outputs = LASER, .start = 1, .on0 = AT_LICK(INPUT_EDGE_HIGH), .to0 = 1, .after_us = 200, .after_to = 1},
    {.outputs = VALVE | LASER, .on0 = AT_LICK(INPUT_EDGE_HIGH), .to0 = 0, .after_us = 80, .after_to = WIRE_END},
};
static const wire_generator_t LOOP_GENERATORS[] = {
    {.kind = GENERATOR_TRAIN, .output = OUT_VALVE, .level = 255, .width_us = 50, .period_us = 150, .delay_us = 20},
};

#define COUNT(rows) (uint8_t)(sizeof(rows) / sizeof(rows)[0])

const wire_state_t *table_states(uint8_t table, uint8_t *count)
{
    *count = table == 0 ? COUNT(CUED) : table == 1 ? COUNT(TRAINS) : COUNT(LOOPS);
    return table == 0 ? CUED : table == 1 ? TRAINS : LOOPS;
}

const wire_generator_t *table_generators(uint8_t table, uint8_t *count)
{
    *count = table == 0 ? COUNT(CUED_GENERATORS) : table == 1 ? COUNT(TRAIN_GENERATORS) : COUNT(LOOP_GENERATORS);
    return table == 0 ? CUED_GENERATORS : table == 1 ? TRAIN_GENERATORS : LOOP_GENERATORS;
}

const wire_rule_t *table_rule(void)
{
    return &RULE;
}
