/* A board and its host, both in C, over a pseudo-terminal: what bench/firmata.py measures the loop against.
 *
 * device FD FRAMES PHASE: each millisecond, PHASE us after the full one, an analogue report whose value crosses a threshold and back; waits for the answer
 * (a digital write) and prints the time from the first to the answer, in ns, one a line.
 * host FD: blocks in read, parses, and answers each report with a digital write. No library, no decisions.
 * duties FD: the same, asleep as the loop must be: over three descriptors, with a deadline each millisecond and another
 * 200 us after an answer. */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Until the board has spoken. */
static void wait_for(int fd, const int *others, int64_t answered)
{
    int64_t sampled = now_ns();
    for (;;) {
        int64_t t = now_ns(), settle = answered + 200000;
        int64_t due = t < settle ? settle : sampled + 1000000;
        struct timespec wait = {0, due > t ? due - t : 0};
        fd_set in;
        FD_ZERO(&in);
        FD_SET(fd, &in);
        FD_SET(others[0], &in);
        FD_SET(others[1], &in);
        if (pselect((fd > others[1] ? fd : others[1]) + 1, &in, 0, 0, &wait, 0) > 0 && FD_ISSET(fd, &in))
            return;
        if (now_ns() >= sampled + 1000000)
            sampled = now_ns();
    }
}

static void host(int fd, int duties)
{
    unsigned char in[4096], message[3];
    int have = 0, high = 0, one[2], two[2];
    int64_t answered = 0;
    if (pipe(one) || pipe(two))
        return;
    for (;;) {
        if (duties)
            wait_for(fd, (int[]){one[0], two[0]}, answered);
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
                    answered = duties ? now_ns() : 0;
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
    else if (argc == 3)
        host(atoi(argv[2]), !strcmp(argv[1], "duties"));
    return 0;
}
