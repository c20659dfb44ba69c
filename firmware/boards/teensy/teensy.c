/* The Teensy 4 body: pins, cycle counter, USB serial and watchdog around the core, through the Arduino API in C.
 *
 * It is fast enough to step in its main loop. All pins share one interrupt, so edges never cut each other short; what such
 * an interrupt may decide it takes from the gate (core/gate.h), and the pin is set at once. */
#include <Arduino.h>
#include <avr/eeprom.h>
#include <usb_serial.h>
#include "../../core/link.h"
#include "../pins.h"
#include "pins_teensy4.h"

#define PIN_NUMBER(role, pin) AT_##role = pin,
enum { RIG_PINS(PIN_NUMBER) };

#define FORCE_US 1000
#define LEVEL_HZ 31250
#define TONE_DUTY 128

static const uint8_t output_pins[RIG_OUTPUTS] = {AT_valve,      AT_laser,     AT_mask,      AT_sync,
                                                 AT_scan_start, AT_scan_stop, AT_next_file, AT_spare};
static const uint8_t input_pins[RIG_INPUTS] = {AT_lick,      AT_frame, AT_sound_sync, AT_laser_back,
                                               AT_interlock, AT_touch, AT_spare1,     AT_spare2};
static const char pins_text[] = RIG_PINS(PINS_LINE);

static core_t core;
static link_t host_link;
static uint32_t clock_at_us, clock_cycles, cycles_a_us;
static uint8_t encoder_lines, level_shown[2];
static volatile uint8_t ahead; /* an interrupt has set pins of which the step does not know yet */

/* --- before main: outputs low ------------------------------------------------------------------------------------- */

void startup_middle_hook(void)
{
    for (uint8_t o = 0; o < RIG_OUTPUTS; o++) {
        digitalWriteFast(output_pins[o], 0);
        pinMode(output_pins[o], OUTPUT);
    }
}

/* --- time --------------------------------------------------------------------------------------------------------- */

/* Microseconds, from the cycle counter; it must be asked once in seven seconds. Interrupts are off. */
static uint32_t clock_us(void)
{
    uint32_t passed_us = (ARM_DWT_CYCCNT - clock_cycles) / cycles_a_us;
    clock_cycles += passed_us * cycles_a_us;
    return clock_at_us += passed_us;
}

static uint32_t clock_now_us(void)
{
    __disable_irq();
    uint32_t now_us = clock_us();
    __enable_irq();
    return now_us;
}

/* --- outputs ------------------------------------------------------------------------------------------------------ */

static void show_level(uint16_t outputs, uint8_t o, uint8_t pin)
{
    uint8_t *shown = &level_shown[o - OUT_LASER], level = 0;
    if (outputs >> o & 1) /* one that comes on does so with the level that was foreseen for it */
        level = core.active_outputs >> o & 1 ? core.level[o] : core.gate.level[o];
    if (level != *shown)
        analogWrite(pin, (*shown = level) == 255 ? 256 : level); /* all of 256 is always on */
}

/* Interrupts are off, or this is one. */
static void show(uint16_t outputs)
{
    uint16_t pins = outputs ^ core.safe_levels;
    show_level(outputs, OUT_LASER, AT_laser_level);
    show_level(outputs, OUT_MASK, AT_mask_level);
    for (uint8_t o = 0; o < RIG_OUTPUTS; o++)
        digitalWriteFast(output_pins[o], pins >> o & 1);
}

static void show_tone(void)
{
    static uint16_t tone_hz;
    if (core.tone_hz == tone_hz)
        return;
    tone_hz = core.tone_hz;
    if (tone_hz)
        analogWriteFrequency(AT_tone, tone_hz);
    analogWrite(AT_tone, tone_hz ? TONE_DUTY : 0);
}

/* --- interrupts --------------------------------------------------------------------------------------------------- */

static void foreseen(uint16_t pins)
{
    if (pins == GATE_NO_PINS)
        return;
    ahead = 1;
    show(pins);
}

static void on_encoder(void)
{
    uint32_t t_us = clock_us();
    uint8_t lines = (uint8_t)(digitalReadFast(AT_encoder_a) | digitalReadFast(AT_encoder_b) << 1), was = encoder_lines;
    encoder_lines = lines;
    if (lines == was)
        return;
    if ((lines ^ was) == 3) /* both at once: the count may be wrong */
        core.illegal++;
    else
        foreseen(gate_edge(&core.gate, t_us, (was ^ lines >> 1) & 1 ? -1 : 1));
}

static uint8_t input_levels(void)
{
    uint8_t levels = 0;
    for (uint8_t i = 0; i < RIG_INPUTS; i++)
        levels |= (uint8_t)(digitalReadFast(input_pins[i]) << i);
    return levels;
}

static void on_input(void)
{
    uint32_t t_us = clock_us();
    uint8_t levels = input_levels();
    foreseen(gate_input(&core.gate, t_us, levels));
    core_input(&core, t_us, levels);
}

static void encoder_follows(bool follows)
{
    encoder_lines = (uint8_t)(digitalReadFast(AT_encoder_a) | digitalReadFast(AT_encoder_b) << 1);
    for (uint8_t pin = 0; pin < 2; pin++)
        if (follows)
            attachInterrupt(pin ? AT_encoder_b : AT_encoder_a, on_encoder, CHANGE);
        else
            detachInterrupt(pin ? AT_encoder_b : AT_encoder_a);
}

/* --- the main loop ------------------------------------------------------------------------------------------------ */

static void step(void)
{
    __disable_irq();
    ahead = 0;
    uint32_t now_us = clock_us();
    __enable_irq();
    core_step(&core, now_us);
    __disable_irq();
    if (!ahead || !core.armed) /* else the next step knows of what was set, and comes at once */
        show(core.active_outputs);
    __enable_irq();
    show_tone();
}

#include "serial.h"
#include "force.h"
#include "life.h"

/* --- from power-on ------------------------------------------------------------------------------------------------ */

void board_begin(void)
{
    uint32_t cause = SRC_SRSR;
    SRC_SRSR = cause;
    CCM_CCGR5 |= CCM_CCGR5_WDOG3(3);
    cycles_a_us = F_CPU_ACTUAL / 1000000;
    analogReadResolution(12);
    analogReadAveraging(16);
    analogWriteFrequency(AT_laser_level, LEVEL_HZ);
    analogWriteFrequency(AT_mask_level, LEVEL_HZ);
    for (uint8_t i = 0; i < RIG_INPUTS; i++)
        pinMode(input_pins[i], INPUT_PULLUP);
    pinMode(AT_encoder_a, INPUT_PULLUP);
    pinMode(AT_encoder_b, INPUT_PULLUP);
    live(cause & SRC_SRSR_WDOG3_RST_B ? REASON_WATCHDOG : REASON_POWER);
    for (uint8_t i = 0; i < RIG_INPUTS; i++)
        attachInterrupt(input_pins[i], on_input, CHANGE);
    encoder_follows(true);
}

void board_loop(void)
{
    WDOG3_CNT = 0xB480A602; /* fed */
    step();
    serial_receive();
    bool idle = serial_send();
    force_follow();
    if (core.restart && idle)
        live(REASON_RESTART); /* USB stays, so the host needs not open its port again */
}
