/* The serial line, 1 Mbaud 8N1: rings of bytes in, whole frames out. Part of avr.c. */

/* Each interrupt is as short as can be, for at full rate there is one of each every 160 cycles: they leave the flags alone,
 * and where the next byte is stands in two spare registers. A frame ends with its only zero. */
static uint8_t frame[FRAME_MAX];
volatile uint8_t receive_head SEEN_BY_ASSEMBLY, receive_tail SEEN_BY_ASSEMBLY, sending SEEN_BY_ASSEMBLY;
#define QUIET (1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0)

#ifdef __AVR_ATmega328P__
ISR(UART_RX_vect)
{
    uint8_t head = receive_head, next = (uint8_t)((head + 1) & (RECEIVE_RING - 1));
    rings.received[head] = UDR0;
    if (next != receive_tail) /* else the byte is lost, its frame damaged, and sent again by the host */
        receive_head = next;
}
#else
ISR(UART_RX_vect, ISR_NAKED)
{
    __asm__ volatile(
        "   push r24\n"
        "   push r30\n"
        "   push r31\n"
        "   lds r30, receive_head\n"
        "   ldi r31, hi8(%[ring])\n"
        "   lds r24, %[data]\n"
        "   st Z+, r24\n"
        "   lds r24, receive_tail\n"
        "   cpse r24, r30\n"           /* full: the byte is lost, its frame damaged, and sent again by the host */
        "   sts receive_head, r30\n"
        "   pop r31\n"
        "   pop r30\n"
        "   pop r24\n"
        "   reti\n"
        ::[ring] "i"(rings.received), [data] "i"(_SFR_MEM_ADDR(UDR0)));
}
#endif

ISR(UART_UDRE_vect, ISR_NAKED)
{
    __asm__ volatile(
        "   push r24\n"
        "   push r30\n"
        "   push r31\n"
        "   in r30, %[lo]\n"
        "   in r31, %[hi]\n"
        "   ld r24, Z+\n"
        "   sts %[data], r24\n"
        "   out %[lo], r30\n"
        "   out %[hi], r31\n"
        "   ldi r31, 0\n"
        "   cpse r24, r31\n"
        "   rjmp 1f\n"
        "   ldi r24, %[quiet]\n"
        "   sts %[control], r24\n"
        "   sts sending, r31\n"
        "1: pop r31\n"
        "   pop r30\n"
        "   pop r24\n"
        "   reti\n"
        ::[lo] "I"(_SFR_IO_ADDR(GPIOR1)), [hi] "I"(_SFR_IO_ADDR(GPIOR2)), [data] "i"(_SFR_MEM_ADDR(UDR0)),
        [control] "i"(_SFR_MEM_ADDR(UCSR0B)), [quiet] "M"(QUIET));
}

static void serial_begin(void)
{
    UBRR0 = F_CPU / 8 / 1000000 - 1;
    UCSR0A = 1 << U2X0;
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    UCSR0B = QUIET;
}

static void serial_receive(void)
{
    while (receive_tail != receive_head) {
        uint8_t byte = rings.received[receive_tail];
        receive_tail = (uint8_t)((receive_tail + 1) & (RECEIVE_RING - 1));
        link_receive(&host_link, &core, byte, byte ? 0 : clock_us());
    }
}

/* Send the next frame once the last one is out; true where there is nothing to say. */
static bool serial_send(void)
{
    if (sending)
        return false;
    uint8_t size = link_send(&host_link, &core, frame, clock_us());
    if (!size)
        return true;
    GPIOR1 = (uint8_t)(uint16_t)frame;
    GPIOR2 = (uint8_t)((uint16_t)frame >> 8);
    sending = 1;
    UCSR0B = QUIET | 1 << UDRIE0;
    return false;
}

/* Begin anew as after power-on: the watchdog sees to it. */
static void start_over(void)
{
    restarted = RESTARTED;
    cli();
    for (;;)
        ;
}
