/* Where the Teensy 4.0 and 4.1 have their roles: role, pin as printed on the board. rig/pins.py reads these lines.
 * 3.3 volts: a 5 volt sensor needs a divider or a level shifter. Tone and levels are on timers of their own. */
#define RIG_PINS(PIN)              \
    PIN(valve, 2)                  \
    PIN(laser, 3)                  \
    PIN(mask, 4)                   \
    PIN(sync, 5)                   \
    PIN(scan_start, 6)             \
    PIN(scan_stop, 7)              \
    PIN(next_file, 8)              \
    PIN(spare, 9)                  \
    PIN(lick, 16)                  \
    PIN(frame, 17)                 \
    PIN(sound_sync, 18)            \
    PIN(laser_back, 19)            \
    PIN(interlock, 20)             \
    PIN(touch, 21)                 \
    PIN(spare1, 22)                \
    PIN(spare2, 23)                \
    PIN(encoder_a, 0)              \
    PIN(encoder_b, 1)              \
    PIN(lever_force, 14)           \
    PIN(tone, 10)                  \
    PIN(laser_level, 11)           \
    PIN(mask_level, 12)
