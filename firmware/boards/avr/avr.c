/* The AVR body (Mega 2560, Uno): pins, timer, serial line and watchdog around the core. Bare registers, no library.
 *
 * Three levels, see limits.h. What an interrupt may decide it takes from the gate (core/gate.h); what it cannot decide it
 * keeps for the step, and asks for one. Timer 1 counts half microseconds: compare A is the next deadline, compare B the
 * next sample, or a step asked for. */
#include <avr/eeprom.h>
#include <avr/wdt.h>
#include "../../core/link.h"
#include "../pins.h"

static core_t core;
static link_t host_link;
static volatile uint32_t clock_high_us;
static volatile uint8_t stepping, pending, expired, near;
static uint32_t sample_us; /* the sample for which compare B is set */
static uint8_t given; /* the core has been given an edge, others may follow */
static volatile uint8_t ahead; /* an interrupt has set pins of which the step does not know yet */
static uint8_t main_ms, step_ms; /* when the main loop had its last turn, and the step (units of 1024 us) */
static uint8_t reset_cause __attribute__((section(".noinit")));
static uint16_t restarted __attribute__((section(".noinit")));

#define RESTARTED 0x5AFE
#define MAIN_PATIENCE_MS 3
#define STANDS_MOST 8 /* kept edges that an interrupt looks through, 1 us each */
#define REASON_RESTART 16 /* beside the bits of MCUSR */

#include "chip.h"
#include "encoder.h"

/* --- before main: outputs low, watchdog understood ---------------------------------------------------------------- */

void board_safe(void) __attribute__((naked, used, section(".init3")));
void board_safe(void)
{
    OUT_PORT = 0;
    OUT_DDR = OUT_MASK_ALL;
    reset_cause = MCUSR;
    MCUSR = 0;
    wdt_disable();
}

/* --- time --------------------------------------------------------------------------------------------------------- */

ISR(TIMER1_OVF_vect)
{
    clock_high_us += 32768;
}

/* The time at which the timer stood at `ticks`, no longer than 32 ms ago; interrupts are off. */
static uint32_t time_at(uint16_t ticks, uint16_t now)
{
    uint32_t high_us = clock_high_us;
    if ((TIFR1 & 1 << TOV1) && now < 0x8000)
        high_us += 32768;
    if (ticks > now)
        high_us -= 32768;
    return high_us + (ticks >> 1);
}

static uint32_t clock_us(void)
{
    cli();
    uint16_t now = TCNT1;
    uint32_t now_us = time_at(now, now);
    sei();
    return now_us;
}

/* --- outputs ------------------------------------------------------------------------------------------------------ */

static void show(uint16_t outputs)
{
    uint8_t wave = LEVEL_WAVE;
    OUT_PORT = port_image((uint8_t)(outputs ^ core.safe_levels));
    if (outputs & 1 << OUT_LASER)
        wave |= LEVEL_LASER_ON;
    if (outputs & 1 << OUT_MASK)
        wave |= LEVEL_MASK_ON;
    LEVEL_CONTROL = wave;
}

/* A light that is on has its level; one that is off has ready the level with which it may come on. */
static void show_levels(void)
{
    LEVEL_LASER = core.active_outputs & 1 << OUT_LASER ? core.level[OUT_LASER] : core.gate.level[OUT_LASER];
    LEVEL_MASK = core.active_outputs & 1 << OUT_MASK ? core.level[OUT_MASK] : core.gate.level[OUT_MASK];
}

/* What is decided, unless an interrupt was ahead: of that the step does not know yet. */
void board_show(void)
{
    cli();
    if (core.gate.waiting && (!ahead || !core.armed)) {
        show_levels(); /* before the light is connected to it */
        show(core.active_outputs);
    }
    sei();
}

/* --- the gate ----------------------------------------------------------------------------------------------------- */

static uint8_t flip(uint16_t outputs)
{
    return outputs == GATE_NO_PINS ? 0 : port_image((uint8_t)(outputs ^ core.active_outputs));
}

/* Set compare A to the deadline before the gate opens; one that is past already keeps it shut. */
void board_aimed(const void *aimed)
{
    const gate_t *g = aimed;
    uint32_t left_us = g->until_us - clock_us();
    flip_lo = flip(g->at_lo);
    flip_hi = flip(g->at_hi);
    near = g->timed && left_us < 30000;
    cli();
    if (!near || OCR1A != (uint16_t)(g->until_us << 1)) { /* else it stands, and may come while we look */
        OCR1A = near ? (uint16_t)(g->until_us << 1) : TCNT1 - 1;
        TIFR1 = 1 << OCF1A;
    }
    expired = 0;
    sei();
    if (g->timed && (int32_t)(g->until_us - clock_us()) <= 0)
        expired = 1;
}

uint8_t board_opens(void)
{
    if (expired || encoder_head != encoder_tail)
        return 0;
    show_levels();
    show(core.active_outputs);
    flip_due = near ? flip(core.gate.at_due) : 0;
    encoder_up = core.gate.pos + 1 == core.gate.hi ? flip_hi : 0;
    encoder_down = core.gate.pos - 1 == core.gate.lo ? flip_lo : 0;
    return 1;
}

/* With the gate shut: does what was foreseen for deadline and inputs hold all the same? Interrupts are off. */
uint8_t board_stands(void)
{
    const gate_t *g = &core.gate;
    int16_t pos = g->pos;
    if (!g->stands || expired || encoder_merged || (uint8_t)((encoder_head - encoder_tail) & (4 * KEPT - 1)) > 4 * STANDS_MOST)
        return 0;
    for (uint8_t at = g->tail; at != g->head; at = (uint8_t)((at + 1) & (RIG_EDGE_RING - 1))) {
        pos = (int16_t)(pos + g->ring[at].delta);
        if (pos <= g->far_lo || pos >= g->far_hi)
            return 0;
    }
    for (uint8_t at = encoder_tail; at != encoder_head; at = (uint8_t)((at + 4) & (4 * KEPT - 1))) {
        pos = (int16_t)(pos + (int8_t)rings.kept[at + 2]);
        if (pos <= g->far_lo || pos >= g->far_hi)
            return 0;
    }
    return 1;
}

/* --- the step ----------------------------------------------------------------------------------------------------- */

static bool is_after(uint16_t ticks, uint32_t t_us)
{
    return (int16_t)((ticks & 0xFFFE) - (uint16_t)(t_us << 1)) > 0; /* in whole microseconds, as it will be told */
}

uint8_t board_more(void)
{
    return given || expired;
}

/* Is a timer due by then? It has its turn first. */
static bool due_by(uint16_t ticks, uint32_t now_us)
{
    uint8_t first = timer_first(&core);
    return first != TIMERS && !later(core.due_us[first], now_us) && is_after(ticks, core.due_us[first]);
}

/* Edges that the interrupt kept. Most lie within what is foreseen: only their count is taken. The first one that does not
 * goes to the core. Returns up to when the step may go: to that edge, to a deadline or a sample before the next, or to now. */
static uint32_t take_edges(uint32_t now_us)
{
    gate_t *g = &core.gate;
    uint32_t sample_due_us = core.due_us[TIMER_SAMPLE];
    bool sample = timer_waits(&core, TIMER_SAMPLE) && !core.glimpsed && !later(sample_due_us, now_us);
    while (encoder_tail != encoder_head) {
        const uint8_t *kept = rings.kept + encoder_tail;
        uint16_t ticks = (uint16_t)(kept[0] | kept[1] << 8);
        int8_t delta = (int8_t)kept[2];
        int16_t pos = (int16_t)(g->pos + delta);
        if (expired && core.aimed && is_after(ticks, g->until_us)) {
            given = 1;
            return g->until_us;
        }
        if (sample && is_after(ticks, sample_due_us)) {
            given = 1;
            return sample_due_us;
        }
        uint8_t next = (uint8_t)((encoder_tail + 4) & (4 * KEPT - 1));
        if (core.bounded && g->lo < pos && pos < g->hi && core.input_head == core.input_tail &&
            (core.aimed || !due_by(ticks, now_us))) {
            cli();
            encoder_tail = next;
            g->pos = pos;
            sei();
            continue;
        }
        cli();
        uint32_t t_us = time_at(ticks, TCNT1);
        encoder_tail = next;
        gate_keep(g, t_us, delta);
        sei();
        given = 1;
        return t_us;
    }
    if (encoder_merged) {
        cli();
        int16_t merged = encoder_merged;
        encoder_merged = 0;
        sei();
        gate_keep(g, now_us, merged);
        g->merged = 1;
    }
    return now_us;
}

static void step(void)
{
    static uint16_t tone_hz;
    uint32_t now_us;
    uint8_t turns = 8;
    do { /* edge by edge; only when none is left is it time to look ahead */
        uint8_t before = ahead;
        given = ahead = 0;
        now_us = clock_us();
        uint32_t upto_us = take_edges(now_us);
        if (given)
            ahead |= before; /* what was set by an interrupt is for later */
        if (!later(core.gate.until_us, upto_us))
            expired = 0;
        core_step_to(&core, upto_us, now_us);
    } while (given && !core.aimed && --turns);
    given = 0;
    step_ms = (uint8_t)(now_us >> 10);
    while (core.aimed && !expired && encoder_tail != encoder_head) {
        take_edges(clock_us()); /* what came meanwhile: mostly nothing, and the gate can open */
        if (given)
            break;
        gate_aim(&core);
    }
    board_show();
    if (!core.gate.waiting && !near)
        board_aimed(&core.gate); /* look again whether the deadline has come near */
    show_levels();
    if (core.tone_hz != tone_hz)
        tone_set(tone_hz = core.tone_hz);
}

/* Set compare B to the next sample, or to some time soon. False where it is past already. Interrupts are off at the end. */
static bool sleep_until_sample(void)
{
    uint32_t due_us = sample_us = core.due_us[TIMER_SAMPLE];
    int32_t left_us = timer_waits(&core, TIMER_SAMPLE) ? (int32_t)(due_us - clock_us()) : 30000;
    cli();
    uint16_t now = TCNT1, at = left_us < 15000 ? (uint16_t)(due_us << 1) : now + 30000u;
    TIFR1 = 1 << OCF1B;
    OCR1B = at;
    return left_us > 0 && (int16_t)(at - now) > 2;
}

static bool more_to_do(void)
{
    return pending || core.gate.waiting || core.input_head != core.input_tail || core.due_us[TIMER_SAMPLE] != sample_us;
}

static bool main_waits(void)
{
    return (uint8_t)(step_ms - main_ms) >= MAIN_PATIENCE_MS;
}

/* Step until nothing is left, unless a step is being made already: then that one goes on. When steps follow each other too
 * closely, the main loop has its turn in between. Interrupts are off at the end. */
static void run(void)
{
    cli();
    pending = 1;
    if (stepping)
        return;
    stepping = 1;
    do {
        pending = 0;
        sei();
        step();
    } while ((!sleep_until_sample() || more_to_do()) && !main_waits());
    if (main_waits())
        TIMSK1 = 1 << TOIE1 | 1 << OCIE1A;
    stepping = 0;
}

/* The main loop's turn is over: what steps are waiting may come. */
static void let_steps(void)
{
    bool waited = main_waits();
    main_ms = step_ms;
    if (!waited)
        return;
    cli();
    TIMSK1 = 1 << TOIE1 | 1 << OCIE1A | 1 << OCIE1B;
    run();
    sei();
}

void board_lock(void)
{
    stepping = 1;
    for (uint8_t n = 0; encoder_tail != encoder_head && n < 4; n++)
        step(); /* what happened before a command comes before it */
}

void board_unlock(void)
{
    cli();
    stepping = 0;
    if (more_to_do())
        run();
    sei();
}

/* Have a step come as soon as this interrupt is over; interrupts are off. */
static void ask_for_step(void)
{
    if (stepping)
        pending = 1;
    else
        OCR1B = TCNT1 + 6;
}

/* --- interrupts --------------------------------------------------------------------------------------------------- */

/* The deadline: the pin first. */
ISR(TIMER1_COMPA_vect, ISR_NAKED)
{
    __asm__ volatile("push r24\n lds r24, flip_due\n out %[flip], r24\n pop r24\n jmp __vector_deadline"
                     ::[flip] "I"(_SFR_IO_ADDR(OUT_FLIP)));
}

void __vector_deadline(void) __attribute__((signal, used, externally_visible));
void __vector_deadline(void)
{
    if (near && OCR1A == (uint16_t)(core.gate.until_us << 1)) { /* else the deadline is another by now */
        uint16_t pins = gate_due(&core.gate);
        expired = 1;
        if (pins != GATE_NO_PINS) {
            ahead = 1;
            show(pins);
        }
    }
    run();
}

/* A step was asked for, or a sample is due: where the lever is now, for the step may come late. With the gate shut, edges
 * are kept and the step finds it out by itself. */
ISR(TIMER1_COMPB_vect, ISR_NOBLOCK)
{
    bool sample = !core.glimpsed && OCR1B == (uint16_t)(sample_us << 1) && sample_us == core.due_us[TIMER_SAMPLE];
    cli();
    if (sample && !core.gate.waiting)
        core_glimpse(&core);
    sei();
    run();
}

ISR(INPUT_vect)
{
    uint16_t ticks = TCNT1 - 5;
    uint8_t levels = INPUT_PIN & INPUT_ALL, late = TIFR1 & 1 << OCF1A;
    uint8_t changed = gate_watch(&core.gate, levels), before = stepping;
    if (changed && !late) {
        uint16_t pins = gate_foreseen(&core.gate, changed, levels);
        if (pins != GATE_NO_PINS) {
            ahead = 1;
            show(pins);
        }
    }
    PCICR = 0; /* not twice at once, nor a step that does not know of this yet; edges of the encoder do not wait */
    stepping = 1;
    uint32_t t_us = time_at(ticks, TCNT1);
    sei();
    core_input(&core, t_us, levels);
    cli();
    stepping = before;
    ask_for_step();
    PCICR = INPUT_ENABLE;
}

#include "serial.h"
#include "force.h"

/* --- from power-on ------------------------------------------------------------------------------------------------ */

static const char pins_text[] PINS_STORED = RIG_PINS(PINS_LINE);

static uint16_t count_boots(void)
{
    uint16_t *at = 0, boot = (uint16_t)(eeprom_read_word(at) + 1);
    eeprom_write_word(at, boot);
    return boot;
}

void board_begin(void)
{
    uint8_t cause = reset_cause;
    if ((cause & 1 << WDRF) && restarted == RESTARTED)
        cause = REASON_RESTART;
    restarted = 0;
    ENCODER_PULL_UPS |= 1 << ENCODER_A | 1 << ENCODER_B;
    INPUT_PULL_UPS |= INPUT_ALL;
    TIMSK0 = 0; /* an Arduino's own clock would interrupt every 16 us on a timer that is ours now */
    TCCR1A = 0;
    TCCR1B = 1 << CS11;
    LEVEL_CONTROL = LEVEL_WAVE;
    level_begin();
    LEVEL_DDR |= LEVEL_PINS;
    tone_begin();
    core_init(&core, clock_us(), count_boots(), cause);
    link_init(&host_link, (link_board_t){BOARD_KIND, LINK_FIRMWARE, pins_hash(pins_text)});
    cli();
    uint8_t levels = INPUT_PIN & INPUT_ALL;
    core.gate.levels = levels;
    core_input(&core, core.now_us, levels);
    PCICR = INPUT_ENABLE;
    INPUT_SELECT = INPUT_ALL;
    encoder_begin();
    serial_begin();
    TIFR1 = 1 << OCF1A | 1 << OCF1B | 1 << TOV1;
    TIMSK1 = 1 << TOIE1 | 1 << OCIE1A | 1 << OCIE1B;
    wdt_enable(WDTO_15MS);
    run();
    sei();
}

void board_loop(void)
{
    wdt_reset();
    let_steps();
    serial_receive();
    bool idle = serial_send();
    force_follow(core.lever_source);
    if (core.restart && idle)
        start_over();
}

#ifndef ARDUINO
int main(void)
{
    board_begin();
    for (;;)
        board_loop();
}
#endif
