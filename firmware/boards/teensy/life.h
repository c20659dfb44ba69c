/* A life of the board: watchdog, the count of boots, the core from its beginning. Part of teensy.c. */

#define REASON_POWER 1 /* as the AVR's MCUSR has them */
#define REASON_WATCHDOG 8
#define REASON_RESTART 16
#define WATCHDOG_MS 16
#define BOOT_MS 2000 /* a page of the flash may have to be erased for the count of boots */
#define LPO_TICKS_A_MS 32

/* The reset comes `ms` after it was last fed; counted on a clock of its own. */
static void watchdog_set(uint16_t ms)
{
    __disable_irq();
    WDOG3_CNT = 0xD928C520;
    while (!(WDOG3_CS & 1 << 11)) /* unlocked */
        ;
    WDOG3_TOVAL = (uint32_t)ms * LPO_TICKS_A_MS;
    WDOG3_CS = 1 << 13 | 1 << 8 | 1 << 7 | 1 << 5; /* 32-bit commands, LPO clock, enabled, may be set again */
    while (!(WDOG3_CS & 1 << 10)) /* taken */
        ;
    __enable_irq();
}

static void live(uint8_t reason)
{
    watchdog_set(BOOT_MS);
    uint16_t boot = (uint16_t)(eeprom_read_word(0) + 1);
    eeprom_write_word(0, boot);
    watchdog_set(WATCHDOG_MS);
    __disable_irq();
    core_init(&core, clock_us(), boot, reason);
    link_init(&host_link, (link_board_t){BOARD_KIND_TEENSY4, LINK_FIRMWARE, pins_hash(pins_text)});
    __disable_irq(); /* core_init has let them in again */
    core.gate.levels = input_levels();
    core_input(&core, core.now_us, core.gate.levels);
    __enable_irq();
}
