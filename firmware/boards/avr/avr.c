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

#include "show.h"
#include "step.h"

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
            LEVEL_LASER = core.gate.level[OUT_LASER];
            LEVEL_MASK = core.gate.level[OUT_MASK];
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
