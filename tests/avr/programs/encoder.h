/* Where the reference programs have their encoder: Arduino pins 2 (A) and 3 (B) on either board; output on B0. */
#include <avr/io.h>

#ifdef __AVR_ATmega2560__
#define A_vect INT4_vect
#define B_vect INT5_vect
#define ENCODER_PIN PINE
#define ENCODER_SHIFT 4
#define ENCODER_SENSE EICRB
#define ENCODER_ANY (1 << ISC40 | 1 << ISC50)
#define ENCODER_MASK (1 << INT4 | 1 << INT5)
#define UDRE_vect USART0_UDRE_vect
#else
#define A_vect INT0_vect
#define B_vect INT1_vect
#define ENCODER_PIN PIND
#define ENCODER_SHIFT 2
#define ENCODER_SENSE EICRA
#define ENCODER_ANY (1 << ISC00 | 1 << ISC10)
#define ENCODER_MASK (1 << INT0 | 1 << INT1)
#define UDRE_vect USART_UDRE_vect
#endif

#define THRESHOLD_STEP 7
