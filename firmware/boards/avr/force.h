/* A force transducer on an analogue pin as the lever: sixteen conversions make a sample of 12 bits, 1202 times a second.
 * Part of avr.c. */

ISR(ADC_vect)
{
    static uint16_t sum, last;
    static uint8_t conversions;
    sum += ADC;
    if (++conversions & 15)
        return;
    uint16_t counts = sum >> 2;
    int16_t delta = (int16_t)(counts - last);
    sum = 0;
    last = counts;
    if (!delta)
        return;
    uint16_t now = TCNT1;
    uint16_t pins = gate_edge(&core.gate, time_at(now, now), delta);
    if (pins != GATE_NO_PINS)
        show(pins);
    if (core.gate.waiting) {
        ahead = 1;
        ask_for_step();
    }
}

/* The lever is the encoder (0) or the transducer (1). */
static void force_follow(uint8_t source)
{
    uint8_t forced = ADCSRA & 1 << ADEN;
    if (source && !forced) {
        EIMSK = 0;
        ADMUX = 1 << REFS0 | FORCE_CHANNEL;
        ADCSRA = 1 << ADEN | 1 << ADSC | 1 << ADATE | 1 << ADIE | 1 << ADPS2 | 1 << ADPS1;
    } else if (!source && forced) {
        ADCSRA = 0;
        encoder_begin();
    }
}
