/* UART 0 and the line between it and the host.
 *
 * Plays the peripheral in place of the library's, after the data sheet's chapter "USART0": a frame is a start bit, the
 * data bits, perhaps a parity bit and the stop bits; sending has a buffer of one byte before the shift register;
 * receiving has a buffer of two bytes behind it, a third waits in the shift register, and what comes after is lost
 * and sets DOR. Noise, framing errors and the synchronous modes are not modelled; a byte is received at the end of its
 * stop bit.
 */
#include "internal.h"

enum { RXC = 0x80, TXC = 0x40, UDRE = 0x20, DOR = 0x08, U2X = 0x02, MPCM = 0x01 };      /* UCSR0A */
enum { RXEN = 0x10, TXEN = 0x08, UCSZ2 = 0x04, RXB8 = 0x02 };                           /* UCSR0B */
enum { PARITY = 0x20, TWO_STOPS = 0x08, UCSZ = 0x06, UCSRC_AT_RESET = 0x06 };           /* UCSR0C */

static uint8_t *status(const emulator *e) { return &e->avr->data[e->uart.io->r_ucsra]; }
static uint8_t control(const emulator *e) { return e->avr->data[e->uart.io->r_ucsrb]; }

static int bits_of_frame(const emulator *e)
{
    uint8_t c = e->avr->data[e->uart.io->r_ucsrc];
    int data = control(e) & UCSZ2 ? 9 : 5 + ((c & UCSZ) >> 1);
    return 1 + data + (c & PARITY ? 1 : 0) + (c & TWO_STOPS ? 2 : 1);
}

static uint64_t frame_cycles(const emulator *e)
{
    const avr_uart_t *io = e->uart.io;
    uint32_t divisor = 1u + e->avr->data[io->ubrrl.reg] + (uint32_t)((e->avr->data[io->ubrrh.reg] & 0xf) << 8);
    return (uint64_t)bits_of_frame(e) * divisor * (*status(e) & U2X ? 8 : 16);
}

/* ---- sending */

static void start_sending(emulator *e, uint8_t value, uint64_t from)
{
    e->uart.sending = value;
    e->uart.send_end = from + frame_cycles(e);
}

static void sent(emulator *e)
{
    uart *u = &e->uart;
    uart_byte *record = list_add(&e->uart_sent, 1);
    *record = (uart_byte){ .cycle = u->send_end, .value = u->sending };
    if (u->is_buffered) {
        u->is_buffered = 0;
        *status(e) |= UDRE;
        start_sending(e, u->buffered, u->send_end);
    } else {
        u->send_end = NEVER;
        *status(e) |= TXC;
    }
}

static void on_data_write(avr_t *avr, avr_io_addr_t at, uint8_t value, void *param)
{
    emulator *e = param;
    uart *u = &e->uart;
    (void)avr, (void)at;
    if (!(control(e) & TXEN))
        return;
    if (u->send_end == NEVER)
        start_sending(e, value, cycle_of_write(e));
    else if (!u->is_buffered) {
        u->buffered = value;
        u->is_buffered = 1;
        *status(e) &= (uint8_t)~UDRE;
    } else
        event_add(e, EVENT_UDR_FULL, value);
    look(e);
}

/* ---- receiving */

static const uart_byte *next_waiting(const emulator *e)
{
    const uart *u = &e->uart;
    return u->taken < u->waiting.count ? (const uart_byte *)u->waiting.items + u->taken : NULL;
}

static uint64_t next_start(const emulator *e)
{
    const uart_byte *next = next_waiting(e);
    uint64_t free_at = (uint64_t)(e->uart.line_free + 0.5);
    if (!next)
        return NEVER;
    return next->cycle > free_at ? next->cycle : free_at;
}

static void begin_receiving(emulator *e)
{
    uart *u = &e->uart;
    uint64_t start = next_start(e);
    double from = u->line_free > (double)next_waiting(e)->cycle ? u->line_free : (double)start;
    u->receiving = next_waiting(e)->value;
    u->taken++;
    u->is_heard = (control(e) & RXEN) != 0;
    u->line_free = from + (u->line_cycles > 0 ? u->line_cycles : (double)frame_cycles(e));
    u->receive_end = (uint64_t)(u->line_free + 0.5);
    if (!u->is_heard)
        event_add(e, EVENT_UNHEARD, u->receiving);
    else if (on(e, FIX_UART) && u->fifo_count == 3) {      /* a new start bit while the shift register is full */
        u->is_heard = 0;
        *status(e) |= DOR;
        event_add(e, EVENT_OVERRUN, u->receiving);
    }
}

static void received(emulator *e)
{
    uart *u = &e->uart;
    u->receive_end = NEVER;
    if (!u->is_heard || !(control(e) & RXEN))
        return;
    if (!on(e, FIX_UART)) {
        avr_raise_irq(&u->io->io.irq[UART_IRQ_INPUT], u->receiving);
        return;
    }
    u->fifo[u->fifo_count++] = u->receiving;
    *status(e) |= RXC;
}

static uint8_t on_data_read(avr_t *avr, avr_io_addr_t at, void *param)
{
    emulator *e = param;
    uart *u = &e->uart;
    if (!u->fifo_count)
        return avr->data[at];
    uint8_t value = u->fifo[0];
    u->fifo[0] = u->fifo[1];
    u->fifo[1] = u->fifo[2];
    *status(e) &= (uint8_t)~DOR;
    if (--u->fifo_count == 0)
        *status(e) &= (uint8_t)~RXC;
    return value;
}

/* ---- status and control */

static void on_status_write(avr_t *avr, avr_io_addr_t at, uint8_t value, void *param)
{
    emulator *e = param;
    uint8_t kept = avr->data[at] & (uint8_t)~(U2X | MPCM | (value & TXC));
    avr->data[at] = kept | (value & (U2X | MPCM));
    look(e);
}

static void on_control_write(avr_t *avr, avr_io_addr_t at, uint8_t value, void *param)
{
    emulator *e = param;
    avr->data[at] = (uint8_t)((value & ~RXB8) | (avr->data[at] & RXB8));
    if (!(value & RXEN)) {                 /* "Disabling the Receiver will flush the receive buffer" */
        e->uart.fifo_count = 0;
        *status(e) &= (uint8_t)~(RXC | DOR);
    }
    look(e);
}

static void on_library_output(avr_irq_t *irq, uint32_t value, void *param)
{
    emulator *e = param;
    (void)irq;
    uart_byte *record = list_add(&e->uart_sent, 1);
    *record = (uart_byte){ .cycle = cycle_of_write(e), .value = (uint8_t)value };
}

static void hook(emulator *e, avr_io_addr_t at, avr_io_write_t write, avr_io_read_t read)
{
    int io = AVR_DATA_TO_IO(at);
    e->avr->io[io].w.c = write;
    e->avr->io[io].w.param = e;
    e->avr->io[io].r.c = read;
    e->avr->io[io].r.param = e;
}

static void leave_to_library(emulator *e, avr_uart_t *io)
{
    avr_irq_register_notify(&io->io.irq[UART_IRQ_OUTPUT], on_library_output, e);
    if (on(e, FIX_SLEEP))
        io->flags &= ~(uint32_t)AVR_UART_FLAG_POLL_SLEEP;
    io->flags &= ~(uint32_t)AVR_UART_FLAG_STDIO;
}

void uart_find(emulator *e)
{
    int nth = 0;
    do {
        e->uart.io = (avr_uart_t *)peripheral(e, "uart", nth++);
    } while (e->uart.io->name != '0');
    e->uart.receive_end = NEVER;
}

void uart_take_over(emulator *e)
{
    avr_uart_t *io = e->uart.io;
    if (!on(e, FIX_UART)) {
        leave_to_library(e, io);
        return;
    }
    hook(e, io->r_udr, on_data_write, on_data_read);
    hook(e, io->r_ucsra, on_status_write, NULL);
    hook(e, io->r_ucsrb, on_control_write, NULL);
}

void uart_after_reset(emulator *e)
{
    uart *u = &e->uart;
    u->send_end = NEVER;
    u->is_buffered = u->fifo_count = u->is_heard = 0;
    if (!on(e, FIX_UART))
        return;
    *status(e) = UDRE;
    e->avr->data[u->io->r_ucsrb] = 0;
    e->avr->data[u->io->r_ucsrc] = UCSRC_AT_RESET;
}

uint64_t uart_next(const emulator *e)
{
    const uart *u = &e->uart;
    uint64_t receive = u->receive_end != NEVER ? u->receive_end : next_start(e);
    return u->send_end < receive ? u->send_end : receive;
}

void uart_happen(emulator *e, uint64_t when)
{
    if (e->uart.send_end <= when)
        sent(e);
    if (e->uart.receive_end <= when)
        received(e);
    if (e->uart.receive_end == NEVER && next_start(e) <= when)
        begin_receiving(e);
}

/* ---- the host's end */

/* Queues bytes for the line, none to start before `cycle`. Returns 0, or 1 when the cycle has passed. */
int emu_uart_write(emulator *e, uint64_t cycle, const uint8_t *bytes, size_t count)
{
    uart *u = &e->uart;
    if (cycle < e->stop_cycle)
        return 1;
    list_forget(&u->waiting, u->taken);
    u->taken = 0;
    uart_byte *new = list_add(&u->waiting, count);
    for (size_t i = 0; i < count; i++)
        new[i] = (uart_byte){ .cycle = cycle, .value = bytes[i] };
    return 0;
}

void emu_uart_line(emulator *e, double cycles_per_byte) { e->uart.line_cycles = cycles_per_byte; }

size_t emu_uart_waiting(const emulator *e)
{
    return e->uart.waiting.count - e->uart.taken + (e->uart.receive_end != NEVER);
}
