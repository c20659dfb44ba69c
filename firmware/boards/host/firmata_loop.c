/* The Firmata body in real time: one process, three descriptors, asleep until a byte or a deadline comes.
 *
 * POSIX. The order at each waking: the board's bytes and what they decide, its outputs, the guard; then whoever else is
 * wanted. Never waits for the session, never spins. See firmata.h. */
#ifndef _WIN32
#define _GNU_SOURCE
#include "firmata.h"
#include <errno.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BEAT_NS 5000000LL       /* the guard hears of the loop so often while an output is on */
#define IDLE_BEAT_NS 50000000LL
#define STUCK_S 0.2             /* so long may the board take no bytes */
#define SETTLE_NS 200000LL      /* after an answer the kernel has so long to send it, before guard and session are woken */
#define TELL_NS 3000000LL       /* and while answers follow one another, so long: waking them costs more than an answer */
#define SECOND_NS 1000000000LL

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND_NS + t.tv_nsec;
}

static int gone(firmata_t *f, int error)
{
    f->seen.error = error;
    return FIRMATA_GONE;
}

/* Guard and session are told of an answer soon, but not at once: a timer that comes before the next message costs that
 * message a little, so it is set only where they were not told lately. */
static void owe(firmata_t *f, int64_t t_ns)
{
    int64_t soon_ns = t_ns + SETTLE_NS, next_ns = f->others_ns + TELL_NS;
    if (!f->owed_ns)
        f->owed_ns = soon_ns > next_ns ? soon_ns : next_ns;
    else if (f->owed_ns < soon_ns && t_ns < next_ns + TELL_NS)
        f->owed_ns = soon_ns;
}

/* Everything there is to say, to the last byte: half a message would be worse than a late one. */
static int write_out(firmata_t *f, int port)
{
    uint32_t at = 0;
    int wants = 0;
    if (!f->out.used)
        return 0;
    while (at < f->out.used && !wants) {
        ssize_t n = write(port, f->out.bytes + at, f->out.used - at);
        if (n > 0) {
            at += (uint32_t)n;
        } else if (errno == EAGAIN) {
            fd_set one;
            struct timespec wait = {0, (long)(STUCK_S * SECOND_NS)};
            FD_ZERO(&one);
            FD_SET(port, &one);
            if (pselect(port + 1, 0, &one, 0, &wait, 0) == 0)
                wants = gone(f, ETIMEDOUT);
        } else if (errno != EINTR) {
            wants = gone(f, errno);
        }
    }
    f->out.used = 0;
    owe(f, now_ns());
    return wants | (f->seen.unwired || f->seen.dim ? FIRMATA_TROUBLE : 0);
}

static void tell_guard(firmata_t *f, int guard, int64_t t_ns)
{
    uint16_t active = f->seen.active;
    if (active == f->told && t_ns - f->beat_ns < (active ? BEAT_NS : IDLE_BEAT_NS))
        return;
    uint8_t beat[2] = {(uint8_t)active, (uint8_t)(active >> 8)};
    f->told = active;
    f->beat_ns = t_ns;
    (void)!send(guard, beat, sizeof beat, MSG_DONTWAIT);
}

int firmata_flush(firmata_t *f, int port)
{
    return write_out(f, port);
}

static int take_port(firmata_t *f, int port, int64_t woke_ns)
{
    uint8_t bytes[FIRMATA_ROOM / 4];
    ssize_t n = read(port, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return gone(f, n ? errno : 0);
    firmata_take(f, woke_ns / 1000, bytes, (uint32_t)n);
    return 0;
}

/* When the machine, the guard, the session or the caller is next waited for. Samples of the lever are not: the message
 * that comes next, or the caller, has the machine tell them with their own times. */
static int64_t due_ns(const firmata_t *f, int64_t t_ns, int64_t until_ns, int full, int64_t *timer_ns)
{
    int32_t ahead_us = (int32_t)(host_next_decision(f->host) - (uint32_t)(t_ns / 1000));
    int64_t rest_ns = f->beat_ns + (f->seen.active ? BEAT_NS : IDLE_BEAT_NS);
    if (f->said.used && !full && rest_ns > f->tell_ns + TELL_NS)
        rest_ns = f->tell_ns + TELL_NS;
    if (f->owed_ns)
        rest_ns = f->owed_ns;
    *timer_ns = (t_ns / 1000 + (ahead_us > 0 ? ahead_us : 0)) * 1000;
    int64_t first_ns = *timer_ns < until_ns ? *timer_ns : until_ns;
    return first_ns < rest_ns ? first_ns : rest_ns;
}

/* Everybody else, once the answer is on its way: the guard, the session, and what the caller is wanted for. */
static int others(firmata_t *f, const fd_set *in, const fd_set *out, int session, int guard, int full)
{
    int wants = f->words.used ? FIRMATA_WORDS : 0;
    int64_t t_ns = now_ns();
    if (f->owed_ns)
        f->others_ns = t_ns;
    f->owed_ns = 0;
    tell_guard(f, guard, t_ns);
    if (!full)
        f->said.used += host_send(f->host, f->said.bytes + f->said.used, FIRMATA_ROOM - f->said.used);
    if ((!full && f->said.used && t_ns >= f->tell_ns + TELL_NS) || FD_ISSET(session, out)) {
        f->tell_ns = t_ns;
        wants |= FIRMATA_TELL;
    }
    if (FD_ISSET(session, in))
        wants |= FIRMATA_HEAR;
    if (FD_ISSET(guard, in))
        wants |= FIRMATA_GUARD;
    return wants;
}

static int turn(firmata_t *f, int port, int session, int guard, int64_t until_ns, int full)
{
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(port, &in);
    if (!f->owed_ns) {
        FD_SET(session, &in);
        FD_SET(guard, &in);
        if (full)
            FD_SET(session, &out);
    }
    int most = port > session ? port : session;
    int64_t t_ns = now_ns(), timer_ns, wait_ns = due_ns(f, t_ns, until_ns, full, &timer_ns) - t_ns;
    struct timespec wait = {0, 0};
    if (wait_ns > 0)
        wait = (struct timespec){wait_ns / SECOND_NS, wait_ns % SECOND_NS};
    if (pselect((most > guard ? most : guard) + 1, &in, &out, 0, &wait, 0) < 0)
        return errno == EINTR ? FIRMATA_TIME : gone(f, errno);
    int64_t woke_ns = now_ns();
    int wants = 0, spoke = FD_ISSET(port, &in);
    if (spoke)
        wants = take_port(f, port, woke_ns);
    else
        firmata_step(f, woke_ns / 1000);
    wants |= write_out(f, port);
    int64_t done_ns = now_ns();
    if (spoke)
        firmata_time(f, FIRMATA_REPLY, done_ns - woke_ns);
    if (woke_ns >= timer_ns)
        firmata_time(f, FIRMATA_LATE, woke_ns - timer_ns);
    if (done_ns < f->owed_ns && done_ns < until_ns && !wants)
        return 0;
    return wants | others(f, &in, &out, session, guard, full) | (done_ns >= until_ns ? FIRMATA_TIME : 0);
}

int firmata_wait(firmata_t *f, int port, int session, int guard, int64_t until_ns, int full)
{
    int wants = write_out(f, port);
    while (!wants)
        wants = turn(f, port, session, guard, until_ns, full);
    return wants;
}
#endif
