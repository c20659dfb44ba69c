/* The reference for bench/stream.py: a bare libzmq pair, and the subscriber that times every stream.
 *
 *   stream_pair pub ADDRESS COUNT PERIOD_NS     sends the time, 130 bytes in all, as often as said
 *   stream_pair sub ADDRESS COUNT               prints each message's age in ns, a line each
 *
 * The age is the clock less the newest time found in the last part: eight bytes after 0xcf or 0xd3 (msgpack's 64-bit
 * integers) that are a time within the last ten seconds. CLOCK_MONOTONIC is one for all processes of a machine. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int publish(void *socket, int count, long period_ns)
{
    struct timespec due;
    unsigned char body[130] = {0xcf};
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (int i = 0; i < count; i++) {
        due.tv_nsec += period_ns;
        while (due.tv_nsec >= 1000000000) {
            due.tv_sec++;
            due.tv_nsec -= 1000000000;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        uint64_t at = (uint64_t)now_ns();
        for (int k = 0; k < 8; k++)
            body[1 + k] = (unsigned char)(at >> (56 - 8 * k));
        zmq_send(socket, "trial", 5, ZMQ_SNDMORE);
        zmq_send(socket, body, sizeof body, 0);
    }
    nanosleep(&(struct timespec){1, 0}, NULL);
    return 0;
}

static int64_t age_ns(const unsigned char *body, int size, int64_t now)
{
    for (int i = 0; i + 9 <= size; i++) {
        if (body[i] != 0xcf && body[i] != 0xd3)
            continue;
        uint64_t at = 0;
        for (int k = 1; k <= 8; k++)
            at = at << 8 | body[i + k];
        int64_t age = now - (int64_t)at;
        if (age >= 0 && age < 10000000000LL)
            return age;
    }
    return -1;
}

static int subscribe(void *socket, int count)
{
    unsigned char body[65536];
    int64_t *ages = malloc(sizeof *ages * (size_t)count);
    int n = 0, more, patience_ms = 4000;
    size_t length = sizeof more;
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "trial", 5);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    while (n < count) {
        int size = zmq_recv(socket, body, sizeof body, 0);
        int64_t now = now_ns();
        if (size < 0)
            break;
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &length);
        if (more)
            continue;
        int64_t age = age_ns(body, size, now);
        if (age >= 0)
            ages[n++] = age;
    }
    for (int i = 0; i < n; i++)
        printf("%lld\n", (long long)ages[i]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    void *context = zmq_ctx_new();
    int pub = strcmp(argv[1], "pub") == 0;
    void *socket = zmq_socket(context, pub ? ZMQ_PUB : ZMQ_SUB);
    if (pub ? zmq_bind(socket, argv[2]) : zmq_connect(socket, argv[2])) {
        perror(argv[2]);
        return 1;
    }
    if (!pub)
        return subscribe(socket, atoi(argv[3]));
    nanosleep(&(struct timespec){1, 0}, NULL);
    return publish(socket, atoi(argv[3]), atol(argv[4]));
}
