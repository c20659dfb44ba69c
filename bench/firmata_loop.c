/* A board and its host, both in C, over a pseudo-terminal: what bench/firmata.py measures the loop against.
 *
 * device FD FRAMES PHASE: each millisecond, PHASE us after the full one, an analogue report whose value crosses a threshold and back; waits for the answer
 * (a digital write) and prints the time from the first to the answer, in ns, one a line.
 * host FD: blocks in read, parses, and answers each report with a digital write. No library, no decisions. */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void host(int fd)
{
    unsigned char in[4096], message[3];
    int have = 0, high = 0;
    for (;;) {
        ssize_t n = read(fd, in, sizeof in);
        if (n <= 0)
            return;
        for (ssize_t i = 0; i < n; i++) {
            if (in[i] >= 0x80)
                have = 0;
            message[have++] = in[i];
            if (have == 3) {
                int now = (message[1] | message[2] << 7) > 600;
                have = 0;
                if ((message[0] & 0xF0) == 0xE0 && now != high) {
                    unsigned char out[3] = {0x91, (unsigned char)now, 0};
                    high = now;
                    if (write(fd, out, 3) != 3)
                        return;
                }
            }
        }
    }
}

static void device(int fd, int frames, int phase_us)
{
    unsigned char in[4096];
    int64_t next = now_ns() / 1000000 * 1000000 + 1000 * phase_us;
    int up = 0;
    for (int i = 0; i < frames; i++) {
        next += 1000000;
        struct timespec t = {next / 1000000000, next % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        up = !up;
        int counts = up ? 700 : 512;
        unsigned char out[3] = {0xE0, (unsigned char)(counts & 127), (unsigned char)(counts >> 7)};
        struct pollfd wait = {fd, POLLIN, 0};
        int64_t sent = now_ns(), came = 0;
        if (write(fd, out, 3) != 3)
            return;
        while (!came && now_ns() - sent < 200000000) {
            if (poll(&wait, 1, 200) > 0) {
                ssize_t n = read(fd, in, sizeof in);
                for (ssize_t k = 0; k + 2 < n; k++)
                    if (in[k] == 0x91 && (in[k + 1] & 1) == up)
                        came = now_ns();
            }
        }
        printf("%lld\n", came ? (long long)(came - sent) : -1LL);
        while (now_ns() > next + 1000000)
            next += 1000000;
    }
}

int main(int argc, char **argv)
{
    if (argc > 2 && getenv("RIG_REAL_TIME")) {
        struct sched_param p = {40};
        sched_setscheduler(0, SCHED_FIFO, &p);
    }
    if (argc == 5 && !strcmp(argv[1], "device"))
        device(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    else if (argc == 3 && !strcmp(argv[1], "host"))
        host(atoi(argv[2]));
    return 0;
}
