/* The serial line, 1 Mbaud 8N1: rings of bytes in, whole frames out. Part of avr.c. */

#ifdef __AVR_ATmega328P__
#define RECEIVE_RING 32 /* a power of two */
#else
#define RECEIVE_RING 256
#endif

static uint8_t received[RECEIVE_RING], frame[FRAME_MAX];
static volatile uint8_t receive_head, receive_tail;
static const uint8_t *volatile send_at;
static volatile uint8_t send_left;

ISR(UART_RX_vect)
{
    uint8_t head = receive_head, next = (uint8_t)((head + 1) & (RECEIVE_RING - 1));
    received[head] = UDR0;
    if (next != receive_tail) /* else the byte is lost, its frame damaged, and sent again by the host */
        receive_head = next;
}

ISR(UART_UDRE_vect)
{
    const uint8_t *at = send_at;
    UDR0 = *at++;
    send_at = at;
    if (--send_left == 0)
        UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
}

static void serial_begin(void)
{
    UBRR0 = F_CPU / 8 / 1000000 - 1;
    UCSR0A = 1 << U2X0;
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
}

static void serial_receive(void)
{
    while (receive_tail != receive_head) {
        uint8_t byte = received[receive_tail];
        receive_tail = (uint8_t)((receive_tail + 1) & (RECEIVE_RING - 1));
        link_receive(&host_link, &core, byte, byte ? 0 : clock_us());
    }
}

/* Send the next frame once the last one is out; true where there is nothing to say. */
static bool serial_send(void)
{
    if (send_left)
        return false;
    uint8_t size = link_send(&host_link, &core, frame, clock_us());
    if (!size)
        return true;
    send_at = frame;
    send_left = size;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0 | 1 << UDRIE0;
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
