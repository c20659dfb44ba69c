/* The face of the emulator harness: everything that Python may call, and the records that cross over.
 *
 * The part between the two cdef marks is read by cffi as it stands, so it holds plain C only.
 * A "cycle" is a cycle of the chip's clock counted from power-on; it never goes back, not even at a reset.
 */
#ifndef AVR_HARNESS_H
#define AVR_HARNESS_H

#include <stddef.h>
#include <stdint.h>

/* cdef begins */
typedef struct emulator emulator;

/* One bit for each fault of libsimavr 1.6 that the harness corrects. A cleared bit leaves the library as it is. */
enum correction {
    FIX_ENTRY = 1,             /* entering an interrupt takes 4 cycles (5 with a 3-byte program counter), not 0 */
    FIX_RETURN = 2,            /* one instruction runs after RETI or SEI before the next interrupt, not two */
    FIX_MASKED = 4,            /* a flag raised while its interrupt is masked fires once it is unmasked */
    FIX_FLAGS = 8,             /* writing a one to a flag register clears that flag and no other */
    FIX_SBI = 16,              /* SBI and CBI touch their own bit only, also in PINx and in flag registers */
    FIX_PULLUP = 32,           /* a pull-up pin that the outside drives low stays low */
    FIX_UART = 64,             /* 10-bit frames, double-buffered sending, 2 + 1 bytes of receive buffer, overrun */
    FIX_LEVEL = 128,           /* low-level external interrupts without polling the pin at every cycle */
    FIX_SLEEP = 256,           /* neither SLEEP nor a read of the UART's status puts the host to sleep */
    FIX_QUIET = 512,           /* loading a program prints nothing */
    FIX_EXACT = 1024,          /* what is due inside an instruction happens at its own cycle, not at the end */
    FIX_ADC = 2048,            /* the converter samples at the start of a conversion and holds the result */
    FIX_RESET = 4096,          /* a reset adds its cause to MCUSR and leaves the earlier ones standing */
    FIX_EEPROM = 8192,         /* a byte takes 3.3 ms to write, and reads and writes halt the CPU */
    FIX_ALL = 16383
};

/* Something that the outside does to the chip. */
enum stimulus_kind { STIMULUS_PIN = 1, STIMULUS_ADC = 2, STIMULUS_RESET = 3 };
typedef struct {
    uint64_t cycle;
    uint32_t value;            /* pin: 0, 1 or 2 (let go); ADC: counts 0..1023; reset: cycles the chip is held */
    uint8_t kind;
    uint8_t port;              /* pin: 'A'..'L'; reset: the bit of MCUSR that names the cause */
    uint8_t bit;               /* pin: 0..7; ADC: channel 0..15 */
    uint8_t spare;
} stimulus;

/* The outputs of one port after a change. `level` is zero wherever `driven` is: such a pin is an input. */
typedef struct {
    uint64_t cycle;
    uint8_t port;
    uint8_t driven;
    uint8_t level;
    uint8_t spare[5];
} pin_change;

/* One byte that the chip has sent; the cycle is the end of its stop bit. */
typedef struct {
    uint64_t cycle;
    uint8_t value;
    uint8_t spare[7];
} uart_byte;

/* Something that happened to the chip as a whole. */
enum event_kind {
    EVENT_RESET = 1,           /* detail: the bit of MCUSR that names the cause */
    EVENT_OVERRUN = 2,         /* a received byte was lost; detail: the byte */
    EVENT_UNHEARD = 3,         /* a byte came while the receiver was off; detail: the byte */
    EVENT_UDR_FULL = 4,        /* the program wrote UDR while its buffer was full; detail: the byte */
    EVENT_INTERRUPT = 5        /* an interrupt was entered (only when traced); detail: the vector's number */
};
typedef struct {
    uint64_t cycle;
    uint32_t kind;
    uint32_t detail;
} chip_event;

emulator *emu_create(const char *mcu, uint32_t f_cpu_hz, uint32_t corrections);
void emu_destroy(emulator *e);
int emu_load(emulator *e, const uint8_t *code, uint32_t size, uint32_t address);
int emu_load_by_library(emulator *e, const char *path);

int emu_run_until(emulator *e, uint64_t cycle);
uint64_t emu_cycle(const emulator *e);
uint64_t emu_blocks(const emulator *e);
const char *emu_fault(const emulator *e);

int emu_stimulate(emulator *e, const stimulus *what, size_t count);
int emu_uart_write(emulator *e, uint64_t cycle, const uint8_t *bytes, size_t count);
void emu_uart_line(emulator *e, double cycles_per_byte);
size_t emu_uart_waiting(const emulator *e);
void emu_trace_interrupts(emulator *e, int on);

const pin_change *emu_pin_changes(const emulator *e, size_t *count);
const uart_byte *emu_uart_sent(const emulator *e, size_t *count);
const chip_event *emu_events(const emulator *e, size_t *count);
void emu_forget_pin_changes(emulator *e);
void emu_forget_uart_sent(emulator *e);
void emu_forget_events(emulator *e);

uint8_t *emu_data(emulator *e);
uint32_t emu_ram_end(const emulator *e);
uint32_t emu_pc(const emulator *e);
uint32_t emu_deepest_sp(const emulator *e);
void emu_watch_stack_anew(emulator *e);
int emu_port_level(const emulator *e, uint8_t port);
/* cdef ends */

#endif
