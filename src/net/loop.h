#pragma once

/*
 * The event loop of a program: timers, signals and watched descriptors, all in one epoll set. One thread
 * owns the loop and everything that hangs on it. Another thread that has news for it writes to an eventfd
 * which the loop watches.
 */

#include "base/error.h"
#include "base/list.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct tls_trust;

typedef void (*loop_fn)(void *owner);

struct loop_options {
    /* Whom to believe unless a dial says otherwise, see net/tls_trust.h; copied, both may be NULL. */
    const char *ca_file;
    const char *pins;
    const char *user_agent; /* of all HTTP calls; NULL: they name none */
};

int loop_new(struct loop **ret, const struct loop_options *o, struct error *err) _nodiscard_;
/* All requests, peers and timers of the loop must be gone. */
void loop_free(struct loop *loop);
DEFINE_CLEANUP(struct loop *, loop_free);

void loop_run(struct loop *loop); /* until loop_stop(); may be run again afterwards */
void loop_stop(struct loop *loop);
/* Waits until something happens and serves it. At shutdown, for what is still under way; not from a callback. */
void loop_turn(struct loop *loop);

typedef void (*loop_signal_fn)(void *owner, int signal);
/* Blocks the `n` signals for the process and delivers them as calls from the loop. Call it once, before threads. */
int loop_on_signals(struct loop *loop, const int *signals, size_t n, loop_signal_fn fn, void *owner)
    _nodiscard_;

/* Made of the options at the first call, and the loop's; NULL when the CA file or a pin is unusable. */
struct tls_trust *loop_tls_trust(struct loop *loop, struct error *err);

const char *loop_user_agent(const struct loop *loop); /* may be NULL */

/* Room to read into, shared by all: its content lasts until the next read. For net/ only. */
char *loop_scratch(struct loop *loop, size_t *ret_size);

/*
 * Timer: a member of the object it serves, zero-initialised, one shot. The callback finds its object
 * with CONTAINER_OF. Starting a running timer moves it. Stop it before the object goes.
 */
struct loop_timer;
typedef void (*loop_timer_fn)(struct loop_timer *t);
struct loop_timer {
    struct loop *loop;
    loop_timer_fn fn;
    uint64_t due_ns;
    size_t place; /* in the heap, counted from 1; 0: not running */
};

void loop_timer_start(struct loop *loop, struct loop_timer *t, uint64_t delay_ms, loop_timer_fn fn);
void loop_timer_stop(struct loop_timer *t); /* fine on a zeroed or stopped timer */
bool loop_timer_is_running(const struct loop_timer *t);

/*
 * Watch of a descriptor: a member like the timer. The descriptor stays its owner's; stop the watch before
 * closing it. Level-triggered; `events` are EPOLLIN, EPOLLOUT, ...; EPOLLERR and EPOLLHUP always come.
 */
struct loop_io;
typedef void (*loop_io_fn)(struct loop_io *io, uint32_t events);
struct loop_io {
    struct loop *loop; /* NULL: not started */
    loop_io_fn fn;
    int fd;
    uint32_t events;
};

int loop_io_start(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn fn)
    _nodiscard_;
int loop_io_set(struct loop_io *io, uint32_t events) _nodiscard_; /* 0 on a stopped watch */
void loop_io_stop(struct loop_io *io); /* fine on a zeroed or stopped watch */
