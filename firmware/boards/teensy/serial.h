/* The serial line over USB: bytes in, whole frames out. Part of teensy.c. */

static void serial_receive(void)
{
    for (int n = usb_serial_available(); n > 0; n--) {
        uint8_t byte = (uint8_t)usb_serial_getchar();
        link_receive(&host_link, &core, byte, byte ? 0 : clock_now_us());
    }
}

/* Never waits for the host: what does not fit now goes later. True where there is nothing to say. */
static bool serial_send(void)
{
    static bool unsent;
    uint8_t frame[FRAME_MAX];
    if (usb_serial_write_buffer_free() < FRAME_MAX)
        return false;
    uint8_t size = link_send(&host_link, &core, frame, clock_now_us());
    if (size)
        usb_serial_write(frame, size);
    else if (unsent)
        usb_serial_flush_output();
    unsent = size;
    return !size;
}
