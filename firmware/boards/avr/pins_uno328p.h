/* Where the Uno has its roles: role, pin as printed on the board, port, bit. rig/pins.py reads these lines. */
#define RIG_PINS(PIN)              \
    PIN(valve, 8, B, 0)            \
    PIN(laser, 9, B, 1)            \
    PIN(mask, 10, B, 2)            \
    PIN(sync, 12, B, 4)            \
    PIN(scan_start, 13, B, 5)      \
    PIN(lick, A0, C, 0)            \
    PIN(frame, A1, C, 1)           \
    PIN(sound_sync, A2, C, 2)      \
    PIN(laser_back, A3, C, 3)      \
    PIN(interlock, A4, C, 4)       \
    PIN(encoder_a, 2, D, 2)        \
    PIN(encoder_b, 3, D, 3)        \
    PIN(lever_force, A5, C, 5)     \
    PIN(tone, 11, B, 3)            \
    PIN(laser_level, 6, D, 6)      \
    PIN(mask_level, 5, D, 5)
