/* Where the Mega 2560 has its roles: role, pin as printed on the board, port, bit. rig/pins.py reads these lines. */
#define RIG_PINS(PIN)              \
    PIN(valve, 22, A, 0)           \
    PIN(laser, 23, A, 1)           \
    PIN(mask, 24, A, 2)            \
    PIN(sync, 25, A, 3)            \
    PIN(scan_start, 26, A, 4)      \
    PIN(scan_stop, 27, A, 5)       \
    PIN(next_file, 28, A, 6)       \
    PIN(spare, 29, A, 7)           \
    PIN(lick, 53, B, 0)            \
    PIN(frame, 52, B, 1)           \
    PIN(sound_sync, 51, B, 2)      \
    PIN(laser_back, 50, B, 3)      \
    PIN(interlock, 10, B, 4)       \
    PIN(touch, 11, B, 5)           \
    PIN(spare1, 12, B, 6)          \
    PIN(spare2, 13, B, 7)          \
    PIN(encoder_a, 2, E, 4)        \
    PIN(encoder_b, 3, E, 5)        \
    PIN(lever_force, A0, F, 0)     \
    PIN(tone, 5, E, 3)             \
    PIN(laser_level, 6, H, 3)      \
    PIN(mask_level, 7, H, 4)
