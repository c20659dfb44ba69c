// The Arduino IDE's way in: open this folder as a sketch, choose Mega 2560 or Uno, upload. Everything else is in all.c, which
// is the same for `make`; the IDE's own main() calls these two.
extern "C" {
void board_begin(void);
void board_loop(void);
}

void setup() { board_begin(); }
void loop() { board_loop(); }
