#include <stdint.h>
int usb_serial_available(void);
int usb_serial_getchar(void);
int usb_serial_write(const void *bytes, uint32_t size);
int usb_serial_write_buffer_free(void);
void usb_serial_flush_output(void);
