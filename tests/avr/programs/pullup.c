/* A pin with its pull-up on is driven low from outside; another bit of the same port is written meanwhile. */
#include "edge.h"

volatile uint8_t at_rest, pressed, pressed_after_write;

int main(void)
{
    EDGE_PORT |= 1 << EDGE_BIT;
    EDGE_DDR |= 1 << 5;
    while (!(EDGE_PIN & 1 << EDGE_BIT))
        ;
    at_rest = EDGE_PIN >> EDGE_BIT & 1;
    while (EDGE_PIN & 1 << EDGE_BIT)
        ;
    pressed = EDGE_PIN >> EDGE_BIT & 1;
    EDGE_PORT |= 1 << 5;
    pressed_after_write = EDGE_PIN >> EDGE_BIT & 1;
    for (;;)
        ;
}
