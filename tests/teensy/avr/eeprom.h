#include <stdint.h>
uint16_t eeprom_read_word(const uint16_t *at);
void eeprom_write_word(uint16_t *at, uint16_t value);
