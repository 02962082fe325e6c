#pragma once

/*
 * The event loop of a program: timers, signals and watched descriptors in one epoll set. One thread
 * owns the loop and everything that hangs on it; nothing here takes a lock. Another thread that has
 * something to report writes to an eventfd that the loop watches (net/resolve.c,
 * server/common/job.c).
 *
 * A turn: epoll_wait() hands over a batch of at most 64 ready descriptors, and the loop calls the
 * function of each watch. Two descriptors are the loop's own: a timerfd, whose watch runs all
 * timers that are due, and a signalfd. Everything is level-triggered, so that a function need not
 * finish its work: it takes a bounded part (a few reads, one write) and is called again in the next
 * turn. Nothing in a turn may block.
 *
 * Watches and timers are members of the object that they serve, zero-initialised, and their
 * functions find the object with CONTAINER_OF. They register nothing but their address, so the
 * object must stop them before its memory is freed. Their states:
 *
 *     timer:   stopped --start--> running --due--> stopped, then fn()
 *     watch:   stopped --start--> watching --ready--> watching, and fn()
 *
 * and stop leads back from each. Starting a running timer moves it; the watch of a descriptor stops
 * before the descriptor is closed.
 *
 * Rules of lifetime:
 * - Any function may stop any timer or watch and free the object around it, its own included. A
 *   watch that is stopped inside a turn is blanked in the batch, so that an event fetched before
 *   does not reach it.
 * - A function may free the object that it serves only as its last act. An object that calls its
 *   owner in the middle of its own work uses the idiom of base/reentry.h.
 * - A failure inside a call of the owner's is not reported from there, but by a timer with no
 *   delay. Such a timer runs in the next turn, even when a timer has started it.
 * - loop_free() comes last: all requests, peers and timers must be gone.
 *
 * The kernel may refuse a watch: loop_io_start() and loop_io_set() return why, and the caller ends
 * the object.
 */

#include "base/error.h"
#include "base/list.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct tls_trust;

/* Defaults of everything that dials; copied, each may be NULL. */
struct loop_options {
    const char *ca_file,
        *pins;              /* trust in TLS servers unless a dial has its own, see tls_trust.h */
    const char *user_agent; /* of HTTP calls; NULL: no such header */
};

int loop_new(struct loop **ret, const struct loop_options *o, struct error *err) _nodiscard_;
void loop_free(struct loop *loop);
DEFINE_CLEANUP(struct loop *, loop_free);

void loop_run(struct loop *loop); /* until loop_stop(); may be run again afterwards */
void loop_stop(struct loop *loop);
/*
 * Waits for one batch and serves it: for tests, and for what is under way at shutdown. Not from a
 * callback.
 */
void loop_turn(struct loop *loop);

typedef void (*loop_signal_fn)(void *owner, int signal);
/*
 * Blocks the `n` signals for the process and delivers them as calls from the loop. Once, before
 * threads.
 */
int loop_on_signals(struct loop *loop, const int *signals, size_t n, loop_signal_fn fn, void *owner)
    _nodiscard_;

/*
 * Built from the options at the first call; the loop's. NULL when the CA file or a pin is unusable.
 */
struct tls_trust *loop_tls_trust(struct loop *loop, struct error *err);
/* The same for proxies, which have the system's roots: pins and CA file are those of servers. */
struct tls_trust *loop_proxy_trust(struct loop *loop, struct error *err);
const char *loop_user_agent(const struct loop *loop); /* may be NULL */

/* A buffer to read into, shared by all: its content lasts until the next read. For net/ only. */
char *loop_scratch(struct loop *loop, size_t *ret_size);

struct loop_timer;
typedef void (*loop_timer_fn)(struct loop_timer *t);
struct loop_timer {
    struct loop *loop;
    loop_timer_fn fn;
    uint64_t due_ns;
    size_t place; /* in the heap, counted from 1; 0: stopped */
};

void loop_timer_start(struct loop *loop, struct loop_timer *t, uint64_t delay_ms, loop_timer_fn fn);
void loop_timer_stop(struct loop_timer *t); /* fine on a zeroed or stopped timer */
bool loop_timer_is_running(const struct loop_timer *t);

/*
 * The descriptor stays its owner's. `events` are EPOLLIN, EPOLLOUT, ...; EPOLLERR and EPOLLHUP
 * always come.
 */
struct loop_io;
typedef void (*loop_io_fn)(struct loop_io *io, uint32_t events);
struct loop_io {
    struct loop *loop; /* NULL: stopped */
    loop_io_fn fn;
    int fd;
    uint32_t events;
};

int loop_io_start(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn fn)
    _nodiscard_;
int loop_io_set(struct loop_io *io, uint32_t events) _nodiscard_; /* 0 on a stopped watch */
void loop_io_stop(struct loop_io *io); /* fine on a zeroed or stopped watch */
