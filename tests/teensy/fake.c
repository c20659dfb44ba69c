/* A world for the Teensy's program on this computer: pins, a cycle counter that stands until it is set, and USB bytes.
 * An edge calls the program's interrupt at once, between two turns of its loop, or later where interrupts are off. */
#define __IMXRT1062__
#define RIG_ATOMIC_BEGIN() do {} while (0)
#define RIG_ATOMIC_END() do {} while (0)
#include "../../firmware/all.c"
#include <string.h>

/* cffi: begin */
void fake_begin(uint32_t now_us); /* the counter stands at 0 then */
void fake_clock(uint32_t cycles);
void fake_pins(const uint8_t *pins, const uint8_t *levels, uint32_t n); /* all at once */
void fake_analogue(int counts);
uint8_t fake_driven(uint8_t pin); /* 2: not an output */
int fake_wave(uint8_t pin);
float fake_wave_hz(uint8_t pin);
void fake_say(const uint8_t *bytes, uint32_t n);
uint32_t fake_hear(uint8_t *bytes, uint32_t room);
void fake_usb_room(int room); /* what the host's buffer takes before it must be heard */
void fake_turn(void);         /* one turn of the main loop */
uint32_t fake_next_us(void);  /* when the core wants its next step */
uint32_t fake_fed(void);      /* what was last written to the watchdog */
uint32_t fake_watchdog_ticks(void);
/* cffi: end */

uint32_t ARM_DWT_CYCCNT, F_CPU_ACTUAL = 600000000, SRC_SRSR = 1, CCM_CCGR5, WDOG3_CNT, WDOG3_TOVAL;
static uint8_t level_of[FAKE_PINS], mode_of[FAKE_PINS];
static int wave_of[FAKE_PINS], analogue, usb_room;
static float wave_hz_of[FAKE_PINS];
static void (*handler_of[FAKE_PINS])(void);
static uint8_t in[65536], out[65536];
static uint32_t in_used, in_at, out_used;
static uint16_t eeprom = 0xFFFF;
static uint32_t watchdog;

void pinMode(uint8_t pin, uint8_t mode) { mode_of[pin] = mode; }
void digitalWriteFast(uint8_t pin, uint8_t level) { level_of[pin] = level; }
uint8_t digitalReadFast(uint8_t pin) { return level_of[pin]; }
void attachInterrupt(uint8_t pin, void (*function)(void), int mode) { (void)mode; handler_of[pin] = function; }
void detachInterrupt(uint8_t pin) { handler_of[pin] = 0; }
void analogWrite(uint8_t pin, int value) { wave_of[pin] = value; }
void analogWriteFrequency(uint8_t pin, float hz) { wave_hz_of[pin] = hz; }
int analogRead(uint8_t pin) { (void)pin; return analogue; }
void analogReadResolution(unsigned bits) { (void)bits; }
void analogReadAveraging(unsigned n) { (void)n; }
int usb_serial_available(void) { return (int)(in_used - in_at); }
int usb_serial_getchar(void) { return in_at < in_used ? in[in_at++] : -1; }
int usb_serial_write_buffer_free(void) { return usb_room - (int)out_used; }
void usb_serial_flush_output(void) {}
uint32_t *fake_watchdog(void) { watchdog |= 3 << 10; return &watchdog; }
void __disable_irq(void) {}
void __enable_irq(void) {}
uint16_t eeprom_read_word(const uint16_t *at) { (void)at; return eeprom; }
void eeprom_write_word(uint16_t *at, uint16_t value) { (void)at; eeprom = value; }

int usb_serial_write(const void *bytes, uint32_t size)
{
    if (usb_serial_write_buffer_free() < (int)size)
        return 0; /* a real one would wait: the program must not come here */
    memcpy(out + out_used, bytes, size);
    out_used += size;
    return (int)size;
}

void fake_begin(uint32_t now_us)
{
    memset(level_of, 0, sizeof level_of);
    memset(mode_of, INPUT, sizeof mode_of);
    memset(wave_of, 0, sizeof wave_of);
    memset(handler_of, 0, sizeof handler_of);
    in_used = in_at = out_used = 0;
    usb_room = sizeof out;
    ARM_DWT_CYCCNT = clock_cycles = 0;
    clock_at_us = now_us;
    startup_middle_hook();
    board_begin();
}

void fake_clock(uint32_t cycles) { ARM_DWT_CYCCNT = cycles; }
void fake_analogue(int counts) { analogue = counts; }
uint8_t fake_driven(uint8_t pin) { return mode_of[pin] == OUTPUT ? level_of[pin] : 2; }
int fake_wave(uint8_t pin) { return wave_of[pin]; }
float fake_wave_hz(uint8_t pin) { return wave_hz_of[pin]; }
void fake_usb_room(int room) { usb_room = room; }
void fake_turn(void) { board_loop(); }
uint32_t fake_next_us(void) { return core_next(&core, core.now_us); }
uint32_t fake_fed(void) { return WDOG3_CNT; }
uint32_t fake_watchdog_ticks(void) { return WDOG3_TOVAL; }

void fake_pins(const uint8_t *pins, const uint8_t *levels, uint32_t n)
{
    bool changed[FAKE_PINS] = {false};
    for (uint32_t i = 0; i < n; i++) {
        changed[pins[i]] = level_of[pins[i]] != levels[i];
        level_of[pins[i]] = levels[i];
    }
    for (uint8_t pin = 0; pin < FAKE_PINS; pin++)
        if (changed[pin] && handler_of[pin])
            handler_of[pin]();
}

void fake_say(const uint8_t *bytes, uint32_t n)
{
    if (in_at == in_used)
        in_at = in_used = 0;
    memcpy(in + in_used, bytes, n);
    in_used += n;
}

uint32_t fake_hear(uint8_t *bytes, uint32_t room)
{
    uint32_t n = out_used < room ? out_used : room;
    memcpy(bytes, out, n);
    memmove(out, out + n, out_used -= n);
    return n;
}
