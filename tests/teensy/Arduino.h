/* As much of the Teensy's Arduino API as firmware/boards/teensy uses, for this computer: fake.c gives it a world. */
#ifndef FAKE_ARDUINO_H
#define FAKE_ARDUINO_H
#include <stdbool.h>
#include <stdint.h>

/* Macros, as the real ones are: the core must not meet them. */
#define LOW 0
#define HIGH 1
#define INPUT 0
#define OUTPUT 1
#define INPUT_PULLUP 2
#define CHANGE 4
#define FAKE_PINS 40

void pinMode(uint8_t pin, uint8_t mode);
void digitalWriteFast(uint8_t pin, uint8_t level);
uint8_t digitalReadFast(uint8_t pin);
void attachInterrupt(uint8_t pin, void (*function)(void), int mode);
void detachInterrupt(uint8_t pin);
void analogWrite(uint8_t pin, int value);
void analogWriteFrequency(uint8_t pin, float hz);
int analogRead(uint8_t pin);
void analogReadResolution(unsigned bits);
void analogReadAveraging(unsigned n);
void startup_middle_hook(void);

extern uint32_t ARM_DWT_CYCCNT, F_CPU_ACTUAL, SRC_SRSR, CCM_CCGR5, WDOG3_CNT, WDOG3_TOVAL;
uint32_t *fake_watchdog(void);
#define WDOG3_CS (*fake_watchdog())
#define SRC_SRSR_WDOG3_RST_B ((uint32_t)(1 << 7))
#define CCM_CCGR5_WDOG3(n) ((uint32_t)(n) << 4)

void __disable_irq(void);
void __enable_irq(void);
#endif
