/* The emulator's face: makes a chip with the harness around it, loads programs, and hands out what was recorded. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sim_elf.h>

#include "internal.h"

void fault(emulator *e, const char *format, ...)
{
    if (e->fault[0])
        return;                /* the first fault is the cause, the others are its consequences */
    va_list args;
    va_start(args, format);
    vsnprintf(e->fault, sizeof e->fault, format, args);
    va_end(args);
}

/* The library reports a broken program only through its log: an invalid opcode would otherwise pass as a NOP. */
static void on_log(avr_t *avr, const int level, const char *format, va_list args)
{
    emulator *e = avr ? avr->custom.data : NULL;
    if (!e || level != LOG_ERROR)
        return;
    char text[120], *from;
    vsnprintf(text, sizeof text, format, args);
    if ((from = strstr(text, "CORE: *** ")) == NULL)
        return;
    from += strlen("CORE: *** ");
    from[strcspn(from, "\n\033")] = 0;
    fault(e, "%s", from);
}

avr_io_t *peripheral(const emulator *e, const char *kind, int nth)
{
    for (avr_io_t *io = e->avr->io_port; io; io = io->next)
        if (strcmp(io->kind, kind) == 0 && nth-- == 0)
            return io;
    return NULL;
}

void event_add(emulator *e, uint32_t kind, uint32_t detail)
{
    chip_event *record = list_add(&e->events, 1);
    *record = (chip_event){ .cycle = e->avr->cycle, .kind = kind, .detail = detail };
}

uint16_t opcode_now(const emulator *e)
{
    const uint8_t *at = e->avr->flash + e->avr->pc;
    return (uint16_t)(at[0] | at[1] << 8);
}

/* A register changes at the end of the instruction that writes it: OUT takes one cycle, all other stores two. */
uint64_t cycle_of_write(const emulator *e)
{
    if (!e->in_instruction)
        return e->avr->cycle;
    return e->avr->cycle + ((opcode_now(e) & 0xf800) == 0xb800 ? 1 : 2);
}

static void lists_init(emulator *e)
{
    e->stimuli.size = sizeof(stimulus);
    e->pin_changes.size = sizeof(pin_change);
    e->uart_sent.size = sizeof(uart_byte);
    e->events.size = sizeof(chip_event);
    e->uart.waiting.size = sizeof(uart_byte);
}

emulator *emu_create(const char *mcu, uint32_t f_cpu_hz, uint32_t corrections)
{
    avr_global_logger_set(on_log);
    avr_t *avr = avr_make_mcu_by_name(mcu);
    emulator *e = avr ? calloc(1, sizeof *e) : NULL;
    if (!e)
        return NULL;
    e->avr = avr;
    e->corrections = corrections;
    lists_init(e);
    avr_init(avr);
    avr->custom.data = e;
    avr->frequency = f_cpu_hz;
    avr->vcc = avr->avcc = avr->aref = 5000;
    uart_find(e);
    interrupts_list(e);
    registers_take_over(e);
    pins_take_over(e);
    uart_take_over(e);
    adc_take_over(e);
    eeprom_take_over(e);
    reset_settle(e);
    event_add(e, EVENT_RESET, 1u << avr->reset_flags.porf.bit);
    return e;
}

void emu_destroy(emulator *e)
{
    list *lists[] = { &e->stimuli, &e->pin_changes, &e->uart_sent, &e->events, &e->uart.waiting };
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        free(lists[i]->items);
    avr_terminate(e->avr);
    free(e->avr);
    free(e);
}

int emu_load(emulator *e, const uint8_t *code, uint32_t size, uint32_t address)
{
    if (size > e->avr->flashend + 1 || address > e->avr->flashend + 1 - size)
        return -1;
    memcpy(e->avr->flash + address, code, size);
    return 0;
}

int emu_load_by_library(emulator *e, const char *path)
{
    elf_firmware_t firmware;
    avr_global_logger_set(NULL);
    int failed = elf_read_firmware(path, &firmware);
    avr_global_logger_set(on_log);
    return failed ? -1 : emu_load(e, firmware.flash, firmware.flashsize, firmware.flashbase);
}

uint64_t emu_cycle(const emulator *e) { return e->avr->cycle; }
uint64_t emu_blocks(const emulator *e) { return e->blocks; }
const char *emu_fault(const emulator *e) { return e->fault; }
void emu_trace_interrupts(emulator *e, int yes) { e->trace_interrupts = yes; }
uint8_t *emu_data(emulator *e) { return e->avr->data; }
uint32_t emu_ram_end(const emulator *e) { return e->avr->ramend; }
uint32_t emu_pc(const emulator *e) { return e->avr->pc; }
uint32_t emu_deepest_sp(const emulator *e) { return e->deepest_sp; }
void emu_watch_stack_anew(emulator *e) { e->deepest_sp = _avr_sp_get(e->avr); }

const pin_change *emu_pin_changes(const emulator *e, size_t *count)
{
    *count = e->pin_changes.count;
    return (const pin_change *)e->pin_changes.items;
}

const uart_byte *emu_uart_sent(const emulator *e, size_t *count)
{
    *count = e->uart_sent.count;
    return (const uart_byte *)e->uart_sent.items;
}

const chip_event *emu_events(const emulator *e, size_t *count)
{
    *count = e->events.count;
    return (const chip_event *)e->events.items;
}

void emu_forget_pin_changes(emulator *e) { e->pin_changes.count = 0; }
void emu_forget_uart_sent(emulator *e) { e->uart_sent.count = 0; }
void emu_forget_events(emulator *e) { e->events.count = 0; }
