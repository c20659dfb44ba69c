/* A force transducer on an analogue pin as the lever. Part of teensy.c. */

/* The lever is the encoder (0) or the transducer (1): 12 bits a thousand times a second, each the mean of sixteen. */
static void force_follow(void)
{
    static uint32_t due_us;
    static int last;
    static uint8_t source;
    if (core.lever_source != source)
        encoder_follows(!(source = core.lever_source));
    uint32_t now_us = clock_now_us();
    if (!source || !later(now_us, due_us))
        return;
    due_us = now_us + FORCE_US - 1;
    int counts = analogRead(AT_lever_force), delta = counts - last;
    last = counts;
    __disable_irq();
    if (delta)
        foreseen(gate_edge(&core.gate, clock_us(), (int16_t)delta));
    __enable_irq();
}
