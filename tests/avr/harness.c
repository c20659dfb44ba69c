/* The emulator itself: makes a chip, runs it block by block in virtual time, and hands out what it recorded.
 *
 * A block is a run of instructions in which nothing from outside can happen: libsimavr executes it in one go. All
 * events (the library's cycle timers, the UART, the stimuli) happen between instructions, in the order of their
 * cycles, each seeing its own cycle as the present. A run stops at the first boundary at or after the cycle asked
 * for, and *before* the events of that boundary: so a caller may add events from that cycle on, and the result
 * does not depend on how a run is cut into pieces.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <avr_watchdog.h>
#include <sim_elf.h>

#include "internal.h"

enum { OPCODE_RETI = 0x9518, SMCR = 0x53, SLEEP_ENABLED = 0x01, SLEEP_MODE = 0x0e };
#define BLOCK_LIMIT ((avr_cycle_count_t)1 << 30)

static void fault(emulator *e, const char *format, ...)
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

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t next_of_ours(const emulator *e)
{
    return least(e->stop_cycle, least(uart_next(e), stimuli_next(e)));
}

static uint64_t next_due(const emulator *e)
{
    const avr_cycle_timer_slot_t *first = e->avr->cycle_timers.timer;
    return least(next_of_ours(e), first ? first->when : NEVER);
}

static avr_cycle_count_t fence_reached(avr_t *avr, avr_cycle_count_t when, void *param)
{
    (void)avr, (void)when, (void)param;
    return 0;
}

/* The core may lengthen its block when an instruction sets a timer, and would then run past what is due from us.
 * An idle timer of our own, standing at that cycle, keeps every block this side of it. */
void fence(emulator *e)
{
    uint64_t at = next_of_ours(e), now = e->avr->cycle;
    if (avr_cycle_timer_status(e->avr, fence_reached, e) != 1 + at - now)
        avr_cycle_timer_register(e->avr, at > now ? at - now : 0, fence_reached, e);
}

static void happen_at(emulator *e, uint64_t when)
{
    const avr_cycle_timer_slot_t *first = e->avr->cycle_timers.timer;
    if (first && first->when <= when)
        avr_cycle_timer_process(e->avr);
    if (e->avr->run != avr_callback_run_raw)       /* how the library announces that its watchdog bit */
        reset_chip(e, (uint8_t)(1 << e->avr->reset_flags.wdrf.bit));
    uart_happen(e, when);
    stimuli_happen(e, when);
}

static void happen(emulator *e)
{
    uint64_t now = e->avr->cycle, when;
    while ((when = next_due(e)) <= now) {
        if (on(e, FIX_EXACT))
            e->avr->cycle = when;
        happen_at(e, when);
    }
    e->avr->cycle = now;
    fence(e);
    interrupts_settle(e);
}

static void after_sleep_instruction(emulator *e)
{
    avr_t *avr = e->avr;
    avr->state = cpu_Running;
    if (!(avr->data[SMCR] & SLEEP_ENABLED))
        return;
    if (avr->data[SMCR] & SLEEP_MODE)
        fault(e, "sleep mode %d: only idle (mode 0) is modelled", (avr->data[SMCR] & SLEEP_MODE) >> 1);
    e->asleep = 1;
    if (!on(e, FIX_SLEEP))
        avr->sleep(avr, next_due(e) - avr->cycle);
}

static void execute(emulator *e)
{
    avr_t *avr = e->avr;
    int single = e->shadow > 0;
    int returns = single && opcode_now(e) == OPCODE_RETI;
    e->shadow -= single;
    e->blocks++;
    avr->interrupt_state = 0;
    avr->run_cycle_limit = single ? 1 : BLOCK_LIMIT;
    avr->run_cycle_count = single ? 1 : next_due(e) - avr->cycle;
    e->in_instruction = 1;
    avr->pc = avr_run_one(avr);
    e->in_instruction = 0;
    if (avr->interrupt_state < 0 || returns)       /* the last instruction switched interrupts on */
        e->shadow = on(e, FIX_RETURN) ? 1 : 2;
    if (avr->state == cpu_Sleeping)
        after_sleep_instruction(e);
    else if (avr->state != cpu_Running)
        fault(e, "the program crashed");
}

static void pass_time(emulator *e, uint64_t until)
{
    e->avr->cycle = least(until, next_due(e));
}

static void wake(emulator *e)
{
    e->asleep = 0;
    if (on(e, FIX_ENTRY))
        e->avr->cycle += 2 + e->avr->address_size;
}

static void step(emulator *e)
{
    source *due = e->avr->sreg[S_I] && !e->shadow ? interrupt_due(e) : NULL;
    if (e->avr->cycle < e->halted_until)
        pass_time(e, e->halted_until);
    else if (due && e->asleep)
        wake(e);
    else if (due)
        interrupt_enter(e, due);
    else if (e->asleep)
        pass_time(e, NEVER);
    else
        execute(e);
}

int emu_run_until(emulator *e, uint64_t cycle)
{
    if (cycle < e->stop_cycle)
        return -1;
    e->stop_cycle = cycle;
    while (e->avr->cycle < cycle && !e->fault[0]) {
        happen(e);
        step(e);
    }
    return e->fault[0] != 0;
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
