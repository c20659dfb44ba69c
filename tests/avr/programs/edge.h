/* The one external interrupt that the test programs use: Arduino pin 2 on either board. */
#include <avr/io.h>

#ifdef __AVR_ATmega2560__
#define EDGE_vect INT4_vect
#define EDGE_PORT PORTE
#define EDGE_PIN PINE
#define EDGE_DDR DDRE
#define EDGE_BIT 4
#define EDGE_SENSE EICRB
#define EDGE_ANY (1 << ISC40)
#define EDGE_FLAG INT4
#else
#define EDGE_vect INT0_vect
#define EDGE_PORT PORTD
#define EDGE_PIN PIND
#define EDGE_DDR DDRD
#define EDGE_BIT 2
#define EDGE_SENSE EICRA
#define EDGE_ANY (1 << ISC00)
#define EDGE_FLAG INT0
#endif
