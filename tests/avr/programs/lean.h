/* The registers that the lean interrupts keep for themselves, so that they need not save any. */
#define ONE r2
#define ZERO r3
#define POSITION_L r4
#define POSITION_H r5
#define TEMP r6
#define SREG_SAVED r7
#define Z_SAVED_L r8
#define THRESHOLD_L r10
#define THRESHOLD_H r11
#define TAIL_L r12
#define HEAD_L r14
#define IDLE_UCSRB r15
#define ARMED 0
