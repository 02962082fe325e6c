#pragma once

/*
 * The event loop of a program: one libwebsockets context, its timers, signals and wake-ups. One
 * thread owns the loop and everything that hangs on it; loop_wake() alone may be called from others.
 *
 * The agent and the CLI run on lws's own poll loop. The server passes its uv_loop_t (foreign loop,
 * plugin libwebsockets-evlib-uv), see docs/adr/0003.
 */

#include "base/error.h"
#include "base/list.h"
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop_options {
    void *uv_loop;       /* uv_loop_t * to run on, or NULL for lws's own loop */
    const char *ca_file; /* PEM file to verify TLS servers with; NULL: the system's roots */
};

int loop_new(struct loop **ret, const struct loop_options *o, struct error *err) _nodiscard_;
void loop_free(struct loop *loop); /* all requests, peers and timers of the loop must be gone */
DEFINE_CLEANUP(struct loop *, loop_free);

void loop_run(struct loop *loop); /* until loop_stop() */
void loop_stop(struct loop *loop);
void loop_wake(
    struct loop *loop); /* thread-safe: makes the loop call the wake function once soon */

typedef void (*loop_fn)(void *owner);
void loop_on_wake(struct loop *loop, loop_fn fn, void *owner);

typedef void (*loop_signal_fn)(void *owner, int signal);
/* Blocks the `n` signals for the process and delivers them as calls from the loop. Call it once, before threads. */
int loop_on_signals(struct loop *loop, const int *signals, size_t n, loop_signal_fn fn, void *owner)
    _nodiscard_;

struct lws_context *loop_context(struct loop *loop);    /* for net/ only */
struct lws_vhost *loop_client_vhost(struct loop *loop); /* for net/ only */

/*
 * Timer: a member of the object it serves, zero-initialised, one shot. The callback finds its object
 * with CONTAINER_OF. Starting a running timer moves it. Stop it before the object goes.
 */
struct loop_timer;
typedef void (*loop_timer_fn)(struct loop_timer *t);
struct loop_timer {
    lws_sorted_usec_list_t sul;
    loop_timer_fn fn;
};

void loop_timer_start(struct loop *loop, struct loop_timer *t, uint64_t delay_ms, loop_timer_fn fn);
void loop_timer_stop(struct loop_timer *t); /* fine on a zeroed or stopped timer */
bool loop_timer_is_running(const struct loop_timer *t);
