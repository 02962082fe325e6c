#pragma once

/*
 * What a service manager is told about this program: ready, what it is doing, reloading, stopping, and
 * that its loop still turns (the watchdog, at half of what it allows). All of it costs nothing when no
 * manager listens. What cannot be delivered is not repeated, but for readiness.
 */

#include "net/loop.h"
#include <stdbool.h>

#define SERVICE_TEXT_SIZE 200

struct service;

struct service_options {
    struct loop *loop;
    const char *const *env; /* environ; read by service_new() only */
    /* Asked once a second until ready, then every 5 s: is it ready, and one line of status text. */
    bool (*describe)(void *owner, char ret_text[SERVICE_TEXT_SIZE]);
    void *owner;
    uint64_t
        patience_ms; /* then it counts as ready anyway, because a restart would not help; 0: never */
};

/* Fails only when the environment makes no sense. */
int service_new(struct service **ret, const struct service_options *o, struct error *err)
    _nodiscard_;
void service_free(struct service *s);
DEFINE_CLEANUP(struct service *, service_free);

/* All fine with NULL. After reloading, reloaded must follow; it tells the status, too. */
void service_reloading(struct service *s);
void service_reloaded(struct service *s);
void service_stopping(struct service *s);
