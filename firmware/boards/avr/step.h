/* The step: takes what interrupts kept, decides, looks ahead and says when it is due again. Part of avr.c. */

static bool is_after(uint16_t ticks, uint32_t t_us)
{
    return (int16_t)((ticks & 0xFFFE) - (uint16_t)(t_us << 1)) > 0; /* in whole microseconds, as it will be told */
}

uint8_t board_more(void)
{
    return given || expired;
}

/* Is a timer due by then? It has its turn first. */
static bool due_by(uint16_t ticks, uint32_t now_us)
{
    uint8_t first = timer_first(&core);
    return first != TIMERS && !later(core.due_us[first], now_us) && is_after(ticks, core.due_us[first]);
}

/* Edges that the interrupt kept. Most lie within what is foreseen: only their count is taken. The first one that does not
 * goes to the core. Returns up to when the step may go: to that edge, to a deadline or a sample before the next, or to now. */
static uint32_t take_edges(uint32_t now_us)
{
    gate_t *g = &core.gate;
    uint32_t sample_due_us = core.due_us[TIMER_SAMPLE];
    bool sample = timer_waits(&core, TIMER_SAMPLE) && !core.glimpsed && !later(sample_due_us, now_us);
    while (encoder_tail != encoder_head) {
        const uint8_t *kept = rings.kept + encoder_tail;
        uint16_t ticks = (uint16_t)(kept[0] | kept[1] << 8);
        int8_t delta = (int8_t)kept[2];
        int16_t pos = (int16_t)(g->pos + delta);
        if (expired && core.aimed && is_after(ticks, g->until_us)) {
            given = 1;
            return g->until_us;
        }
        if (sample && is_after(ticks, sample_due_us)) {
            given = 1;
            return sample_due_us;
        }
        uint8_t next = (uint8_t)((encoder_tail + 4) & (4 * KEPT - 1));
        if (core.bounded && g->lo < pos && pos < g->hi && core.input_head == core.input_tail &&
            (core.aimed || !due_by(ticks, now_us))) {
            cli();
            encoder_tail = next;
            g->pos = pos;
            sei();
            continue;
        }
        cli();
        uint32_t t_us = time_at(ticks, TCNT1);
        encoder_tail = next;
        gate_keep(g, t_us, delta);
        sei();
        given = 1;
        return t_us;
    }
    if (encoder_merged) {
        cli();
        int16_t merged = encoder_merged;
        encoder_merged = 0;
        sei();
        gate_keep(g, now_us, merged);
        g->merged = 1;
    }
    return now_us;
}

static void step(void)
{
    static uint16_t tone_hz;
    uint32_t now_us;
    uint8_t turns = 8;
    do { /* edge by edge; only when none is left is it time to look ahead */
        uint8_t before = ahead;
        given = ahead = 0;
        now_us = clock_us();
        uint32_t upto_us = take_edges(now_us);
        if (given)
            ahead |= before; /* what was set by an interrupt is for later */
        if (!later(core.gate.until_us, upto_us))
            expired = 0;
        core_step_to(&core, upto_us, now_us);
    } while (given && !core.aimed && --turns);
    given = 0;
    step_ms = (uint8_t)(now_us >> 10);
    while (core.aimed && !expired && encoder_tail != encoder_head) {
        take_edges(clock_us()); /* what came meanwhile: mostly nothing, and the gate can open */
        if (given)
            break;
        gate_aim(&core);
    }
    board_show();
    if (!core.gate.waiting && !near)
        board_aimed(&core.gate); /* look again whether the deadline has come near */
    cli();
    if (!ahead)
        show_levels();
    sei();
    if (core.tone_hz != tone_hz)
        tone_set(tone_hz = core.tone_hz);
}

/* Set compare B to the next sample, or to some time soon. False where it is past already. Interrupts are off at the end. */
static bool sleep_until_sample(void)
{
    uint32_t due_us = sample_us = core.due_us[TIMER_SAMPLE];
    int32_t left_us = timer_waits(&core, TIMER_SAMPLE) ? (int32_t)(due_us - clock_us()) : 30000;
    cli();
    uint16_t now = TCNT1, at = left_us < 15000 ? (uint16_t)(due_us << 1) : now + 30000u;
    TIFR1 = 1 << OCF1B;
    OCR1B = at;
    return left_us > 0 && (int16_t)(at - now) > 2;
}

static bool more_to_do(void)
{
    return pending || core.gate.waiting || core.input_head != core.input_tail || core.due_us[TIMER_SAMPLE] != sample_us;
}

static bool main_waits(void)
{
    return (uint8_t)(step_ms - main_ms) >= MAIN_PATIENCE_MS;
}

/* Step until nothing is left, unless a step is being made already: then that one goes on. When steps follow each other too
 * closely, the main loop has its turn in between. Interrupts are off at the end. */
static void run(void)
{
    cli();
    pending = 1;
    if (stepping)
        return;
    stepping = 1;
    do {
        pending = 0;
        sei();
        step();
    } while ((!sleep_until_sample() || more_to_do()) && !main_waits());
    if (main_waits())
        TIMSK1 = 1 << TOIE1 | 1 << OCIE1A;
    stepping = 0;
}

/* The main loop's turn is over: what steps are waiting may come. */
static void let_steps(void)
{
    bool waited = main_waits();
    main_ms = step_ms;
    if (!waited)
        return;
    cli();
    TIMSK1 = 1 << TOIE1 | 1 << OCIE1A | 1 << OCIE1B;
    run();
    sei();
}

void board_lock(void)
{
    stepping = 1;
    for (uint8_t n = 0; encoder_tail != encoder_head && n < 4; n++)
        step(); /* what happened before a command comes before it */
}

void board_unlock(void)
{
    cli();
    stepping = 0;
    if (more_to_do())
        run();
    sei();
}

/* Have a step come as soon as this interrupt is over; interrupts are off. */
static void ask_for_step(void)
{
    if (stepping)
        pending = 1;
    else
        OCR1B = TCNT1 + 6;
}
