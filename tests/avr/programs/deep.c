/* Calls itself `LEVELS` deep, and moves the stack pointer as compilers do for a frame of its own. */
#include <avr/io.h>

volatile uint8_t done, sink;

static __attribute__((noinline)) uint8_t down(uint8_t levels)
{
    volatile uint8_t frame[200];
    frame[levels] = levels;
    return levels ? (uint8_t)(frame[levels] + down(levels - 1)) : 0;
}

int main(void)
{
    sink = down(LEVELS);
    done = 1;
    for (;;)
        ;
}
