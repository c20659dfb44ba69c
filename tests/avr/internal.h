/* What the files of the harness share with each other. Nothing here is seen from Python.
 *
 * The harness drives libsimavr's core one block of instructions at a time and does the rest itself: it decides
 * when an interrupt is entered, plays the UART, and wraps the registers whose behaviour it corrects. The library
 * is never patched; whatever is replaced is replaced through the fields of its public structures.
 */
#ifndef AVR_INTERNAL_H
#define AVR_INTERNAL_H

#include <avr_adc.h>
#include <avr_extint.h>
#include <avr_ioport.h>
#include <avr_uart.h>
#include <sim_avr.h>
#include <sim_core.h>

#include "harness.h"

enum { PORT_COUNT = 11, SOURCE_COUNT = 64, CHANNEL_COUNT = 16, REGISTER_COUNT = MAX_IOs + 32 };
enum { LEVEL_FREE = 2 };
#define NEVER UINT64_MAX

/* A growing array of records of one size. */
typedef struct {
    char *items;
    size_t count, room, size;
} list;

/* One interrupt of the chip, with its two bits spelled out so that asking for it is two loads. */
typedef struct {
    avr_int_vector_t *vector;
    uint16_t enable_at, raised_at;
    uint8_t enable_mask, raised_mask;
    uint8_t by_flag;           /* the flag register is the truth, not the library's own note */
    int external;              /* number of the external interrupt, or -1 */
} source;

/* A register whose writes pass through the harness before, or instead of, the library. */
typedef struct {
    avr_io_write_t library;
    void *param;
    uint8_t flags;             /* bits that a written one clears */
    uint8_t is_pin;            /* a PINx register: a written one toggles the output latch */
    uint8_t is_eeprom;         /* the EEPROM's control register */
    uint8_t is_sense;          /* says on what an external interrupt fires */
    avr_io_addr_t at;
    struct port *port;         /* the port whose outputs may change, or NULL */
} watched;

typedef struct port {
    emulator *e;
    avr_ioport_t *io;
    uint8_t outside;           /* bits that the outside drives */
    uint8_t outside_level;
    uint8_t driven, level;     /* outputs as last recorded */
} port;

typedef struct {
    avr_uart_t *io;
    uint64_t send_end, receive_start, receive_end;
    double line_cycles;        /* length of a frame on the line, or 0 for the chip's own */
    double line_free;          /* end of the last frame on the line: a fraction, so that no rounding adds up */
    double receive_ideal_end;
    uint8_t sending, buffered, is_buffered;
    uint8_t receiving, is_heard;
    uint8_t fifo[3];           /* two bytes of buffer, the third waits in the shift register */
    uint8_t fifo_count;
    list waiting;              /* uart_byte: bytes from the host and the earliest start of each */
    size_t taken;
} uart;

typedef struct {
    avr_adc_t *io;
    uint16_t counts[CHANNEL_COUNT];
    uint16_t sampled;
} adc;

struct emulator {
    avr_t *avr;
    uint32_t corrections;
    uint64_t stop_cycle, halted_until, blocks;
    int shadow;                /* instructions still to run before an interrupt may be entered */
    int asleep, in_instruction, trace_interrupts;
    uint16_t deepest_sp;
    char fault[160];
    watched watched[REGISTER_COUNT];
    source sources[SOURCE_COUNT];
    int source_count;
    avr_extint_t *extint;
    port ports[PORT_COUNT];
    int port_count;
    uart uart;
    adc adc;
    list stimuli, pin_changes, uart_sent, events;
    size_t stimuli_done;
};

static inline int on(const emulator *e, uint32_t correction) { return (e->corrections & correction) != 0; }

/* Asks the core to come back after the present instruction, because an interrupt may now be due. */
static inline void look(emulator *e)
{
    if (e->avr->interrupt_state == 0)
        e->avr->interrupt_state = 1;
}

/* harness.c */
void fault(emulator *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
void event_add(emulator *e, uint32_t kind, uint32_t detail);
uint16_t opcode_now(const emulator *e);
uint64_t cycle_of_write(const emulator *e);
avr_io_t *peripheral(const emulator *e, const char *kind, int nth);

/* list.c */
void *list_add(list *l, size_t items);
void list_forget(list *l, size_t done);

/* registers.c */
void registers_take_over(emulator *e);
watched *register_watch(emulator *e, avr_io_addr_t at);
void stack_note(emulator *e);

/* interrupts.c */
void interrupts_list(emulator *e);
void interrupts_settle(emulator *e);
source *interrupt_due(emulator *e);
void interrupt_enter(emulator *e, source *s);
void interrupts_forget_levels(emulator *e);
void interrupts_flag_cleared(emulator *e, avr_io_addr_t at, uint8_t mask);

/* pins.c */
void pins_take_over(emulator *e);
void pins_drive(emulator *e, uint8_t name, uint8_t bit, uint32_t level);
void pins_note(port *p);
void pins_after_reset(emulator *e);
port *port_named(const emulator *e, uint8_t name);

/* uart.c */
void uart_find(emulator *e);
void uart_take_over(emulator *e);
void uart_after_reset(emulator *e);
uint64_t uart_next(const emulator *e);
void uart_happen(emulator *e, uint64_t when);

/* adc.c */
void adc_take_over(emulator *e);

/* eeprom.c */
void eeprom_take_over(emulator *e);
void eeprom_after_write(emulator *e, const watched *w, uint8_t before, uint8_t value);

/* stimuli.c */
uint64_t stimuli_next(const emulator *e);
void stimuli_happen(emulator *e, uint64_t when);

/* reset.c */
void reset_chip(emulator *e, uint8_t cause);
void reset_settle(emulator *e);

#endif
