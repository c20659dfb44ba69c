/* The body in a process of its own, its bytes on a pseudo-terminal: what a serial port does to a session can be tried
 * without a board. The trial machine and its world's clock are those of the host body, told over standard input what lies
 * ahead, so a session is the same to the event. The first line on standard output is the name of the terminal.
 *
 * Each request is a letter and little-endian fields; only the ones marked with > are answered.
 *     B now u32, boot u16, reason u8, board u8, pins u32     begin
 *     L n u32, n times u32, n steps i8 · I n u32, n times u32, n levels u8     what lies ahead of lever and inputs
 *     N levels u8                                            the inputs are so, now
 *     R until u32, news u8                                   > run; answer: `struct answer`
 *     W n u32                                                > so many bytes have been written to the terminal: take them
 *     S                                                      > send what there is to the terminal; answer: n u32 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include "../host/host.h"

struct answer {
    uint32_t now_us, inputs_left, lever_left;
    uint16_t outputs, tone_hz;
    uint8_t reason, owes;
} __attribute__((packed));

static host_t *host;
static int line;
static void *ahead[4]; /* lever times and steps, input times and levels: the machine reads them where they are */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void take(int from, void *to, size_t size)
{
    for (uint8_t *at = to; size;) {
        ssize_t got = read(from, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            exit(0); /* whoever started this is gone */
        at += got;
        size -= (size_t)got;
    }
}

static void give(int to, const void *from, size_t size)
{
    for (const uint8_t *at = from; size;) {
        ssize_t put = write(to, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            fail("write");
        at += put;
        size -= (size_t)put;
    }
}

static uint32_t number(size_t size)
{
    uint32_t value = 0;
    take(0, &value, size);
    return value;
}

static void *list(int which, uint32_t n, size_t size)
{
    free(ahead[which]);
    ahead[which] = malloc(n * size + 1);
    if (!ahead[which])
        fail("malloc");
    take(0, ahead[which], n * size);
    return ahead[which];
}

static void answer(uint8_t reason)
{
    struct answer a = {host_now(host), host_inputs_left(host), host_lever_left(host), host_outputs(host),
                       host_tone_hz(host), reason, host_owes(host)};
    give(1, &a, sizeof a);
}

static void receive(uint32_t n)
{
    uint8_t bytes[4096];
    while (n) {
        uint32_t part = n < sizeof bytes ? n : (uint32_t)sizeof bytes;
        take(line, bytes, part);
        host_receive(host, bytes, part);
        n -= part;
    }
}

static void send(void)
{
    static uint8_t bytes[1 << 16];
    uint32_t n = host_send(host, bytes, sizeof bytes);
    give(1, &n, sizeof n); /* first, so that somebody reads: a terminal holds 4 KB */
    give(line, bytes, n);
}

static void obey(char request)
{
    uint32_t n;
    if (request == 'B') {
        uint32_t now_us = number(4);
        uint16_t boot = (uint16_t)number(2);
        uint8_t reason = (uint8_t)number(1), board = (uint8_t)number(1);
        host_start(host, now_us, boot, reason, board, number(4));
    } else if (request == 'L') {
        n = number(4);
        const uint32_t *t_us = list(0, n, 4);
        host_plan_lever(host, t_us, list(1, n, 1), n);
    } else if (request == 'I') {
        n = number(4);
        const uint32_t *t_us = list(2, n, 4);
        host_plan_inputs(host, t_us, list(3, n, 1), n);
    } else if (request == 'N') {
        host_input_now(host, (uint8_t)number(1));
    } else if (request == 'R') {
        n = number(4);
        answer(host_run(host, n, (uint8_t)number(1)));
    } else if (request == 'W') {
        receive(number(4));
        answer(0);
    } else if (request == 'S') {
        send();
    } else {
        fprintf(stderr, "pty: %d is no request\n", request);
        exit(2);
    }
}

static int open_line(void)
{
    struct termios raw;
    int far = posix_openpt(O_RDWR | O_NOCTTY);
    if (far < 0 || grantpt(far) || unlockpt(far))
        fail("posix_openpt");
    int near = open(ptsname(far), O_RDWR | O_NOCTTY); /* kept open, so that a port that is closed hangs nothing up */
    if (near < 0 || tcgetattr(near, &raw))
        fail(ptsname(far));
    cfmakeraw(&raw);
    tcsetattr(near, TCSANOW, &raw);
    printf("%s\n", ptsname(far));
    fflush(stdout);
    return far;
}

int main(void)
{
    host = calloc(1, host_size());
    if (!host)
        fail("calloc");
    line = open_line();
    for (;;)
        obey((char)number(1));
}
