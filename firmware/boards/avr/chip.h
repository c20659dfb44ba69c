/* The two chips under one set of names. The pins themselves stand in pins_<board>.h. */
#ifndef RIG_AVR_CHIP_H
#define RIG_AVR_CHIP_H
#include <avr/io.h>
#include <avr/interrupt.h>
#include <avr/pgmspace.h>

#ifdef __AVR_ATmega328P__
#include "pins_uno328p.h"
#define BOARD_KIND BOARD_KIND_UNO328P
#define OUT_PORT PORTB
#define OUT_DDR DDRB
#define OUT_FLIP PINB
#define OUT_MASK_ALL 0x37
#define ENCODER_PIN PIND
#define ENCODER_PULL_UPS PORTD
#define ENCODER_A 2
#define ENCODER_B 3
#define ENCODER_A_vect INT0_vect
#define ENCODER_B_vect INT1_vect
#define ENCODER_SENSE EICRA
#define ENCODER_ANY (1 << ISC00 | 1 << ISC10)
#define ENCODER_MASK (1 << INT0 | 1 << INT1)
#define INPUT_PIN PINC
#define INPUT_PULL_UPS PORTC
#define INPUT_ALL 0x1F
#define INPUT_vect PCINT1_vect
#define INPUT_ENABLE (1 << PCIE1)
#define INPUT_SELECT PCMSK1
#define UART_RX_vect USART_RX_vect
#define UART_UDRE_vect USART_UDRE_vect
#define FORCE_CHANNEL 5
#define LEVEL_CONTROL TCCR0A
#define LEVEL_WAVE (1 << WGM01 | 1 << WGM00)
#define LEVEL_LASER OCR0A
#define LEVEL_LASER_ON (1 << COM0A1)
#define LEVEL_MASK OCR0B
#define LEVEL_MASK_ON (1 << COM0B1)
#define LEVEL_DDR DDRD
#define LEVEL_PINS (1 << 5 | 1 << 6)

/* Outputs 0-2 are B0-B2, 3 and 4 are B4 and B5: the tone is between them. */
static inline uint8_t port_image(uint8_t outputs) { return (uint8_t)((outputs & 0x07) | (outputs & 0x18) << 1); }

static inline void level_begin(void) { TCCR0B = 1 << CS00; }
static inline void tone_begin(void) { DDRB |= 1 << 3; }

#else
#include "pins_mega2560.h"
#define BOARD_KIND BOARD_KIND_MEGA2560
#define OUT_PORT PORTA
#define OUT_DDR DDRA
#define OUT_FLIP PINA
#define OUT_MASK_ALL 0xFF
#define ENCODER_PIN PINE
#define ENCODER_PULL_UPS PORTE
#define ENCODER_A 4
#define ENCODER_B 5
#define ENCODER_A_vect INT4_vect
#define ENCODER_B_vect INT5_vect
#define ENCODER_SENSE EICRB
#define ENCODER_ANY (1 << ISC40 | 1 << ISC50)
#define ENCODER_MASK (1 << INT4 | 1 << INT5)
#define INPUT_PIN PINB
#define INPUT_PULL_UPS PORTB
#define INPUT_ALL 0xFF
#define INPUT_vect PCINT0_vect
#define INPUT_ENABLE (1 << PCIE0)
#define INPUT_SELECT PCMSK0
#define UART_RX_vect USART0_RX_vect
#define UART_UDRE_vect USART0_UDRE_vect
#define FORCE_CHANNEL 0
#define LEVEL_CONTROL TCCR4A
#define LEVEL_WAVE (1 << WGM40)
#define LEVEL_LASER OCR4AL
#define LEVEL_LASER_ON (1 << COM4A1)
#define LEVEL_MASK OCR4BL
#define LEVEL_MASK_ON (1 << COM4B1)
#define LEVEL_DDR DDRH
#define LEVEL_PINS (1 << 3 | 1 << 4)

static inline uint8_t port_image(uint8_t outputs) { return outputs; }

static inline void level_begin(void)
{
    TCCR4B = 1 << WGM42 | 1 << CS40;
    OCR4AH = OCR4BH = 0;
}
static inline void tone_begin(void) { DDRE |= 1 << 3; }
#endif

/* A square wave on the tone pin; 0 for none. */
static inline void tone_set(uint16_t tone_hz)
{
#ifdef __AVR_ATmega328P__
    static const uint8_t shifts[] PROGMEM = {0, 3, 5, 6, 7, 8, 10};
    uint8_t clock = 1;
    TCCR2A = TCCR2B = 0;
    if (!tone_hz)
        return;
    uint32_t half = F_CPU / 2 / tone_hz;
    while (clock < 7 && half >> pgm_read_byte(shifts + clock - 1) > 256)
        clock++;
    OCR2A = (uint8_t)((half >> pgm_read_byte(shifts + clock - 1)) - 1);
    TCNT2 = 0;
    TCCR2A = 1 << COM2A0 | 1 << WGM21;
    TCCR2B = clock;
#else
    TCCR3A = TCCR3B = 0;
    if (!tone_hz)
        return;
    uint32_t half = F_CPU / 2 / tone_hz;
    uint8_t slow = half > 65536;
    OCR3A = (uint16_t)((slow ? half >> 3 : half) - 1);
    TCNT3 = 0;
    TCCR3A = 1 << COM3A0;
    TCCR3B = (uint8_t)(1 << WGM32 | (slow ? 1 << CS31 : 1 << CS30));
#endif
}

#endif
