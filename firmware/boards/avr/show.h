/* The output pins, and what interrupts may set there ahead of the step: the gate's other half. Part of avr.c. */

static void show(uint16_t outputs)
{
    uint8_t wave = LEVEL_WAVE;
    OUT_PORT = port_image((uint8_t)(outputs ^ core.safe_levels));
    if (outputs & 1 << OUT_LASER)
        wave |= LEVEL_LASER_ON;
    if (outputs & 1 << OUT_MASK)
        wave |= LEVEL_MASK_ON;
    LEVEL_CONTROL = wave;
}

/* A light that is on has its level; one that is off has ready the level with which it may come on. Not while an interrupt
 * is ahead, which has shown a ramp's next step already. */
static void show_levels(void)
{
    LEVEL_LASER = core.active_outputs & 1 << OUT_LASER ? core.level[OUT_LASER] : core.gate.level[OUT_LASER];
    LEVEL_MASK = core.active_outputs & 1 << OUT_MASK ? core.level[OUT_MASK] : core.gate.level[OUT_MASK];
}

/* What is decided, unless an interrupt was ahead: of that the step does not know yet. */
void board_show(void)
{
    cli();
    if (core.gate.waiting && (!ahead || !core.armed)) {
        show_levels(); /* before the light is connected to it */
        show(core.active_outputs);
    }
    sei();
}

/* --- the gate ----------------------------------------------------------------------------------------------------- */

static uint8_t flip(uint16_t outputs)
{
    return outputs == GATE_NO_PINS ? 0 : port_image((uint8_t)(outputs ^ core.active_outputs));
}

/* Set compare A to the deadline before the gate opens; one that is past already keeps it shut. */
void board_aimed(const void *aimed)
{
    const gate_t *g = aimed;
    uint32_t left_us = g->until_us - clock_us();
    flip_lo = flip(g->at_lo);
    flip_hi = flip(g->at_hi);
    near = g->timed && left_us < 30000;
    cli();
    if (!near || OCR1A != (uint16_t)(g->until_us << 1)) { /* else it stands, and may come while we look */
        OCR1A = near ? (uint16_t)(g->until_us << 1) : TCNT1 - 1;
        TIFR1 = 1 << OCF1A;
    }
    expired = 0;
    sei();
    if (g->timed && (int32_t)(g->until_us - clock_us()) <= 0)
        expired = 1;
}

uint8_t board_opens(void)
{
    if (expired || encoder_head != encoder_tail)
        return 0;
    show_levels();
    show(core.active_outputs);
    flip_due = near ? flip(core.gate.at_due) : 0;
    encoder_up = core.gate.pos + 1 == core.gate.hi ? flip_hi : 0;
    encoder_down = core.gate.pos - 1 == core.gate.lo ? flip_lo : 0;
    return 1;
}

/* With the gate shut: does what was foreseen for deadline and inputs hold all the same? Interrupts are off. */
uint8_t board_stands(void)
{
    const gate_t *g = &core.gate;
    int16_t pos = g->pos;
    if (!g->stands || expired || encoder_merged || (uint8_t)((encoder_head - encoder_tail) & (4 * KEPT - 1)) > 4 * STANDS_MOST)
        return 0;
    for (uint8_t at = g->tail; at != g->head; at = (uint8_t)((at + 1) & (RIG_EDGE_RING - 1))) {
        pos = (int16_t)(pos + g->ring[at].delta);
        if (pos <= g->far_lo || pos >= g->far_hi)
            return 0;
    }
    for (uint8_t at = encoder_tail; at != encoder_head; at = (uint8_t)((at + 4) & (4 * KEPT - 1))) {
        pos = (int16_t)(pos + (int8_t)rings.kept[at + 2]);
        if (pos <= g->far_lo || pos >= g->far_hi)
            return 0;
    }
    return 1;
}
