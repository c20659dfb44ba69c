/* Everything that can befall a board: time, its two kinds of interrupts, the host's words, damage on the way. See explore.h.
 *
 * The body here is the pessimist's: interrupts act on pins as soon as they may, steps come in time, a tick late or far too
 * late, and words reach the link as frames, byte by byte. */
#include "explore.h"
#include <string.h>

/* 0xFFFFFFFF - 700: the clock comes round while it is watched. */
const world_t WORLDS[] = {
    {"cued", 0xFFFFFD43u, 150, 300, 8000, 500, 1000, INTERLOCK, 0},
    {"trains", 5000, 120, 3000, 9000, 700, 5000, INTERLOCK, 1},
    {"no interlock", 0x7FFFFD00u, 100, 30000000, 0, 0, 2000, WIRE_NO_INPUT, 2},
    {"power-on", 77, 150, 300, 8000, 500, 1000, INTERLOCK, NO_TABLE},
};
const int WORLDS_COUNT = sizeof WORLDS / sizeof WORLDS[0];

/* --- the host's words --------------------------------------------------------------------------------------------- */

static void power_on(life_t *l, uint16_t boot)
{
    uint8_t raw = l->monitor.raw;
    core_init(&l->core, l->now_us, boot, boot > 1);
    link_init(&l->link, (link_board_t){BOARD_KIND_SIMULATOR, 1, 0});
    monitor_power_on(l, raw);
    gate_input(&l->core.gate, l->now_us, raw);
    core_input(&l->core, l->now_us, raw);
    core_step(&l->core, l->now_us);
    monitor_look(l);
}

static void receive(life_t *l, const uint8_t *payload, uint8_t size, int damage)
{
    uint8_t frame[FRAME_MAX], n;
    l->monitor.acts++;
    memcpy(frame + 1, payload, size);
    n = frame_write(frame, frame + 1, size);
    if (damage)
        frame[1] ^= 2;
    else
        monitor_heard(l);
    monitor_expect(l);
    for (uint8_t i = 0; i < n; i++)
        link_receive(&l->link, &l->core, frame[i], l->now_us);
    if (!l->core.restart) {
        monitor_look(l);
        return;
    }
    if (l->core.active_outputs)
        broken = "an output stays on before a restart";
    power_on(l, 2);
}

/* `off`: how far the command's number is from the one that the board waits for. */
static void command(life_t *l, uint8_t message, const uint8_t *fields, uint8_t size, int off)
{
    uint8_t payload[WIRE_MAX_PAYLOAD] = {message, (uint8_t)(l->link.next_command + off)};
    if (size)
        memcpy(payload + 2, fields, size);
    receive(l, payload, (uint8_t)(size + 2), 0);
}

static void say(life_t *l, uint8_t message, const uint8_t *fields, uint8_t size)
{
    command(l, message, fields, size, 0);
}

static void hello(life_t *l)
{
    uint8_t payload[5] = {MSG_HELLO_ASK, 7};
    l->monitor.met = 1;
    receive(l, payload, sizeof payload, 0);
}

static void ping(life_t *l)
{
    uint8_t payload[9] = {MSG_PING, 9};
    receive(l, payload, sizeof payload, 0);
}

/* While `ok`, this is what the board must hold from now on. */
static void set_output(life_t *l, uint8_t output, uint32_t max_on_us, uint32_t window_us, uint32_t duty_us)
{
    monitor_t *m = &l->monitor;
    uint8_t fields[LEN_SET_OUTPUT] = {output, output == OUT_LASER};
    wire_put_u32(wire_put_u32(wire_put_u32(fields + 2, max_on_us), window_us), duty_us);
    if (m->met && !m->locked) {
        pin_t *p = &m->pin[output];
        p->max_on_us = max_on_us;
        p->window_us = window_us;
        p->duty_us = duty_us;
        m->safe = (uint8_t)(output == OUT_LASER ? m->safe | 1 << OUT_LASER : m->safe);
    }
    say(l, MSG_SET_OUTPUT, fields, sizeof fields);
}

static void set_safety(life_t *l, uint32_t deadman_us, uint8_t interlock)
{
    uint8_t fields[LEN_SET_SAFETY];
    wire_put_u32(fields, deadman_us);
    fields[4] = interlock;
    if (l->monitor.met && !l->monitor.locked) {
        l->monitor.deadman_us = deadman_us;
        l->monitor.interlock = interlock;
    }
    say(l, MSG_SET_SAFETY, fields, sizeof fields);
}

static void set_inputs(life_t *l, uint8_t enabled, uint8_t invert)
{
    monitor_t *m = &l->monitor;
    uint8_t fields[LEN_SET_INPUTS], changed = (uint8_t)((enabled ^ m->enabled) | (invert ^ m->invert));
    wire_put_u16(wire_put_u16(fields, enabled), invert);
    if (m->met && !(m->locked && m->interlock < RIG_INPUTS && changed >> m->interlock & 1)) {
        m->enabled = enabled;
        m->invert = invert;
    }
    say(l, MSG_SET_INPUTS, fields, sizeof fields);
}

static void lock(life_t *l)
{
    l->monitor.locked |= l->monitor.met;
    say(l, MSG_LOCK, 0, 0);
}

static void arm(life_t *l)
{
    l->monitor.may_arm = l->monitor.met;
    say(l, MSG_ARM, 0, 0);
    l->monitor.may_arm = 0;
}

static void damaged_arm(life_t *l)
{
    uint8_t payload[2] = {MSG_ARM, l->link.next_command};
    receive(l, payload, sizeof payload, 1);
}

static void stop(life_t *l, uint8_t at_end)
{
    say(l, MSG_STOP, &at_end, 1);
    if (!l->monitor.met)
        return;
    l->monitor.stopped = 1;
    if (!at_end && l->monitor.running)
        broken = "a trial goes on after a stop";
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static void send_state(life_t *l, uint8_t index, const wire_state_t *s)
{
    uint8_t fields[LEN_TABLE_STATE] = {index};
    wire_put_u16(fields + 1, s->outputs);
    memcpy(fields + 3, (uint8_t[]){s->start, s->stop, s->rules, s->flags}, 4);
    wire_put_u32(fields + 7, s->after_us);
    fields[11] = s->after_to;
    memcpy(fields + 12, (uint8_t[]){s->on0, s->to0, s->on1, s->to1, s->on2, s->to2}, 6);
    say(l, MSG_TABLE_STATE, fields, sizeof fields);
}

static void send_rule(life_t *l, const wire_rule_t *r)
{
    uint8_t fields[LEN_TABLE_RULE] = {0, r->kind, r->gate};
    wire_put_u32(wire_put_u32(fields + 3, (uint32_t)r->lo_counts), (uint32_t)r->hi_counts);
    wire_put_u32(fields + 13, r->time_us);
    say(l, MSG_TABLE_RULE, fields, sizeof fields);
}

static void send_generator(life_t *l, uint8_t index, const wire_generator_t *g)
{
    uint8_t fields[LEN_TABLE_GENERATOR] = {index, g->kind, g->output, g->level};
    wire_put_u32(wire_put_u32(wire_put_u32(fields + 5, g->delay_us), g->width_us), g->period_us);
    wire_put_u32(wire_put_u16(fields + 17, g->count), g->ramp_us);
    wire_put_u16(fields + 23, g->tone_hz);
    say(l, MSG_TABLE_GENERATOR, fields, sizeof fields);
}

static void begin_table(life_t *l, uint8_t table)
{
    uint8_t fields[LEN_TABLE_BEGIN], states, generators;
    table_states(table, &states);
    table_generators(table, &generators);
    wire_put_u32(fields, table + 1u);
    fields[4] = states, fields[5] = 1, fields[6] = generators;
    say(l, MSG_TABLE_BEGIN, fields, sizeof fields);
    if (l->monitor.met)
        l->monitor.committed = l->monitor.filling = NO_TABLE;
}

static void commit(life_t *l)
{
    monitor_t *m = &l->monitor;
    m->offered = m->filling;
    say(l, MSG_TABLE_COMMIT, 0, 0);
    if (m->committed == m->offered || m->running)
        m->filling = NO_TABLE;
    m->offered = NO_TABLE;
}

static void send_table(life_t *l, uint8_t table)
{
    uint8_t states, generators;
    const wire_state_t *state = table_states(table, &states);
    const wire_generator_t *generator = table_generators(table, &generators);
    begin_table(l, table);
    for (uint8_t i = 0; i < states; i++)
        send_state(l, i, state + i);
    send_rule(l, table_rule());
    for (uint8_t i = 0; i < generators; i++)
        send_generator(l, i, generator + i);
    l->monitor.filling = l->monitor.met ? table : NO_TABLE;
}

/* --- time and interrupts ------------------------------------------------------------------------------------------ */

static void step_at(life_t *l, uint32_t t_us)
{
    monitor_expect(l);
    if (later(t_us, l->now_us)) /* else it was due while nobody came */
        l->now_us = t_us;
    core_step(&l->core, l->now_us);
    monitor_look(l);
}

/* A prompt body, for so long. */
static void wait(life_t *l, uint32_t for_us)
{
    uint32_t until_us = l->now_us + for_us, due_us;
    while (!broken && !later(due_us = core_next(&l->core, l->now_us), until_us))
        step_at(l, due_us);
    step_at(l, until_us);
}

/* ... while the host says often enough that it is there. */
static void wait_heard(life_t *l, uint32_t for_us)
{
    for (; for_us && !broken; for_us -= 500) {
        wait(l, 500);
        ping(l);
    }
}

/* The deadline's interrupt comes in time, its step later. */
static int interrupt_due(life_t *l)
{
    gate_t *g = &l->core.gate;
    uint32_t due_us = core_next(&l->core, l->now_us);
    if (g->waiting || !g->timed || g->until_us != due_us || later(l->now_us, due_us))
        return 0;
    monitor_expect(l);
    l->now_us = due_us;
    l->monitor.acts++;
    monitor_shown(l, gate_due(g));
    step_at(l, due_us + 5);
    return 1;
}

static int moves(life_t *l, int8_t counts, int then_step)
{
    l->monitor.lever = (int8_t)(l->monitor.lever + counts);
    if (l->monitor.lever < -1 || l->monitor.lever > 4)
        return 0;
    for (; counts; counts = (int8_t)(counts > 0 ? counts - 1 : counts + 1)) {
        l->monitor.acts++;
        monitor_expect(l);
        monitor_shown(l, gate_edge(&l->core.gate, l->now_us, counts > 0 ? 1 : -1));
    }
    if (then_step)
        step_at(l, l->now_us);
    return 1;
}

static int input(life_t *l, uint8_t bit, int then_step)
{
    l->monitor.raw ^= bit;
    l->monitor.acts++;
    monitor_expect(l);
    monitor_shown(l, gate_input(&l->core.gate, l->now_us, l->monitor.raw));
    core_input(&l->core, l->now_us, l->monitor.raw);
    if (then_step)
        step_at(l, l->now_us);
    return 1;
}

/* --- choices ------------------------------------------------------------------------------------------------------ */

enum { DUE, BEFORE, AFTER, LATE, STALL, INTERRUPT, TICK, WAIT_A_LITTLE, WAIT, HEARD, HEARD_LONG, UP, DOWN, JUMP, FALL, TOUCH, TOUCH_ONLY, OPEN, OPEN_ONLY,
       GLITCH, PING, HELLO, ARM, ARM_AGAIN, ARM_AHEAD, ARM_DAMAGED, STOP, STOP_AT_END, TABLE_0, TABLE_1, TABLE_2,
       HALF_A_TABLE, COMMIT, HOST_EVENT, ZERO, REWIRE, LOOSEN, UNGUARD, NONSENSE, SET_UP, LOCK, RESTART };
const char *const CHOICES[] = {
    "due", "a tick before it is due", "a tick late", "40 us late", "100 us without a step", "interrupt when due, step 5 us later", "1 us", "170 us", "1 ms", "4 ms, host heard", "10 ms, host heard",
    "lever +1", "lever -1", "lever +3, no step", "lever -3, no step", "lick", "lick, no step", "interlock", "interlock, no step",
    "interlock glitch", "ping", "hello", "arm", "arm, repeated", "arm, number ahead", "arm, damaged", "stop",
    "stop at end", "table 0", "table 1", "table 2", "half a table", "commit", "host event", "zero lever",
    "rewire the interlock", "loosen ceilings", "no dead-man, no interlock", "nonsense for ceilings", "set up", "lock", "restart"};
const int CHOICES_COUNT = sizeof CHOICES / sizeof CHOICES[0];

static int pass_time(life_t *l, int choice)
{
    uint32_t due_us = core_next(&l->core, l->now_us);
    if (choice == HEARD || choice == HEARD_LONG)
        return wait_heard(l, choice == HEARD ? 4000 : 10000), 1;
    if (choice == TICK || choice == WAIT_A_LITTLE || choice == WAIT)
        return wait(l, choice == TICK ? 1 : choice == WAIT_A_LITTLE ? 170 : 1000), 1;
    if (later(l->now_us, due_us))
        due_us = l->now_us;
    if (due_us - l->now_us > 100000000) /* nothing will happen */
        return 0;
    if (choice == STALL) {
        monitor_expect(l);
        l->now_us += 100;
        return 1;
    }
    if (choice == INTERRUPT)
        return interrupt_due(l);
    if (choice == BEFORE && due_us - l->now_us < 2)
        return 0;
    step_at(l, choice == DUE ? due_us : choice == BEFORE ? due_us - 1 : choice == AFTER ? due_us + 1 : due_us + 40);
    return 1;
}

static void set_up(life_t *l, const world_t *w)
{
    hello(l);
    set_output(l, OUT_VALVE, w->valve_max_us, 0, 0);
    set_output(l, OUT_LASER, w->laser_max_us, w->window_us, w->duty_us);
    set_safety(l, w->deadman_us, w->interlock);
    set_inputs(l, LICK | LOCK_BIT, 0);
}

/* What no board may take, locked or not. */
static void say_nonsense(life_t *l)
{
    static const struct {
        uint8_t output;
        uint32_t max_on_us, window_us, duty_us;
    } WRONG[] = {{RIG_OUTPUTS, 1000, 0, 0}, {0, 0, 0, 0}, {0, RIG_CAP_VALVE_US + 1, 0, 0}, {1, RIG_CAP_LASER_US + 1, 0, 0},
                 {1, 1000, 7999, 100}, {1, 1000, 8000, 0}, {1, 1000, 8000, 8001}, {RIG_DUTY_OUTPUTS, 1000, 8000, 100}};
    uint8_t fields[LEN_SET_OUTPUT] = {0}, safety[LEN_SET_SAFETY] = {0};
    for (unsigned i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        fields[0] = WRONG[i].output;
        wire_put_u32(wire_put_u32(wire_put_u32(fields + 2, WRONG[i].max_on_us), WRONG[i].window_us), WRONG[i].duty_us);
        say(l, MSG_SET_OUTPUT, fields, sizeof fields);
    }
    for (uint32_t deadman_us = 999; deadman_us <= RIG_CAP_DEADMAN_US + 1; deadman_us += RIG_CAP_DEADMAN_US + 1 - 999) {
        wire_put_u32(safety, deadman_us);
        say(l, MSG_SET_SAFETY, safety, sizeof safety);
    }
    wire_put_u32(safety, 1000);
    safety[4] = RIG_INPUTS;
    say(l, MSG_SET_SAFETY, safety, sizeof safety);
}

static int configure(life_t *l, int choice)
{
    if (choice == REWIRE)
        set_inputs(l, l->monitor.enabled, l->monitor.invert ^ LOCK_BIT);
    else if (choice == LOOSEN)
        set_output(l, OUT_LASER, RIG_CAP_LASER_US, 0, 0);
    else if (choice == UNGUARD)
        set_safety(l, RIG_CAP_DEADMAN_US, WIRE_NO_INPUT);
    else if (choice == NONSENSE)
        say_nonsense(l);
    else if (choice == SET_UP)
        set_up(l, WORLDS);
    else
        lock(l);
    return 1;
}

static int order(life_t *l, int choice)
{
    uint8_t zero = 0;
    if (choice == ARM)
        arm(l);
    else if (choice == ARM_AGAIN || choice == ARM_AHEAD)
        command(l, MSG_ARM, 0, 0, choice == ARM_AGAIN ? -1 : 1);
    else if (choice == ARM_DAMAGED)
        damaged_arm(l);
    else if (choice == STOP || choice == STOP_AT_END)
        stop(l, choice == STOP_AT_END);
    else if (choice == HOST_EVENT)
        say(l, MSG_HOST_EVENT, &zero, 1);
    else if (choice == ZERO)
        say(l, MSG_ZERO_LEVER, 0, 0);
    else
        say(l, MSG_RESTART, 0, 0);
    return 1;
}

static int act(life_t *l, int choice)
{
    if (choice == UP || choice == DOWN)
        return moves(l, choice == UP ? 1 : -1, 1);
    if (choice == JUMP || choice == FALL)
        return moves(l, choice == JUMP ? 3 : -3, 0);
    if (choice == GLITCH)
        return input(l, LOCK_BIT, 0) && input(l, LOCK_BIT, 1);
    return input(l, choice <= TOUCH_ONLY ? LICK : LOCK_BIT, choice == TOUCH || choice == OPEN);
}

int life_choose(life_t *l, int choice)
{
    if (choice <= HEARD_LONG)
        return pass_time(l, choice);
    if (choice <= GLITCH)
        return act(l, choice);
    if (choice == PING || choice == HELLO) {
        choice == PING ? ping(l) : hello(l);
    } else if (choice >= TABLE_0 && choice <= TABLE_2) {
        send_table(l, (uint8_t)(choice - TABLE_0));
        commit(l);
    } else if (choice == HALF_A_TABLE) {
        begin_table(l, 0);
    } else if (choice == COMMIT) {
        commit(l);
    } else if (choice >= REWIRE && choice <= LOCK) {
        return configure(l, choice);
    } else {
        return order(l, choice);
    }
    return 1;
}

void life_begin(life_t *l, const world_t *w)
{
    memset(l, 0, sizeof *l);
    l->now_us = w->start_us;
    l->monitor.raw = LOCK_BIT;
    power_on(l, 1);
    if (w->table == NO_TABLE)
        return;
    set_up(l, w);
    lock(l);
    arm(l);
    send_table(l, w->table);
    commit(l);
}
