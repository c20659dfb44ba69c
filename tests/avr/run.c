/* The run: blocks of instructions, events between them, interrupts, sleep.
 *
 * A block is a run of instructions in which nothing from outside can happen: libsimavr executes it in one go. All
 * events (the library's cycle timers, the UART, the stimuli) happen between instructions, in the order of their
 * cycles, each seeing its own cycle as the present. A run stops at the first boundary at or after the cycle asked
 * for, and *before* the events of that boundary: so a caller may add events from that cycle on, and the result
 * does not depend on how a run is cut into pieces.
 */
#include "internal.h"

enum { OPCODE_RETI = 0x9518, SMCR = 0x53, SLEEP_ENABLED = 0x01, SLEEP_MODE = 0x0e };
#define BLOCK_LIMIT ((avr_cycle_count_t)1 << 30)

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

/* The core lengthens its block when an instruction (WDR, a write to OCRnx) sets a timer, and would run past what is due from us.
 * An idle timer of our own, standing at that cycle, keeps every block this side of it. */
static void fence(emulator *e)
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
