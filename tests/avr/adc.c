/* The analogue inputs: each channel has a level in counts, sampled when a conversion starts.
 *
 * The library looks at the input when the program reads the result, and knows channels 0 to 7 only. The chip samples
 * 1.5 converter clocks after the start; the harness samples at the start.
 */
#include "internal.h"

static int channel_selected(const emulator *e)
{
    avr_adc_t *io = e->adc.io;
    uint8_t setting = avr_regbit_get_array(e->avr, io->mux, ARRAY_SIZE(io->mux));
    avr_adc_mux_t mux = io->muxmode[setting];
    return mux.kind == ADC_MUX_SINGLE ? (int)mux.src : -1;
}

static void on_start(avr_irq_t *irq, uint32_t value, void *param)
{
    emulator *e = param;
    (void)irq, (void)value;
    int channel = channel_selected(e);
    e->adc.sampled = channel < 0 ? 0 : e->adc.counts[channel];
}

static void on_done(avr_irq_t *irq, uint32_t value, void *param)
{
    emulator *e = param;
    const avr_adc_t *io = e->adc.io;
    (void)irq;
    if (!value)
        return;                            /* the flag was cleared, not raised */
    uint16_t result = (uint16_t)(e->adc.sampled << (avr_regbit_get(e->avr, io->adlar) ? 6 : 0));
    e->avr->data[io->r_adcl] = (uint8_t)result;
    e->avr->data[io->r_adch] = (uint8_t)(result >> 8);
}

void adc_take_over(emulator *e)
{
    avr_adc_t *io = e->adc.io = (avr_adc_t *)peripheral(e, "adc", 0);
    if (!on(e, FIX_ADC))
        return;
    avr_irq_register_notify(&io->io.irq[ADC_IRQ_OUT_TRIGGER], on_start, e);
    avr_irq_register_notify(&io->adc.irq[AVR_INT_IRQ_PENDING], on_done, e);
    e->avr->io[AVR_DATA_TO_IO(io->r_adcl)].r.c = NULL;
    e->avr->io[AVR_DATA_TO_IO(io->r_adch)].r.c = NULL;
}
