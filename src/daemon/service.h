#pragma once

/*
 * Reports the state of a daemon to its service manager: ready, a line of status, reloading,
 * stopping, and that the loop is running (the watchdog, at half of its interval). Without a manager
 * the functions do nothing. A notification that cannot be delivered is not repeated, except for
 * readiness.
 */

#include "net/loop.h"
#include <stdbool.h>

#define SERVICE_TEXT_SIZE 200

struct service;

struct service_options {
    struct loop *loop;
    const char *const *env; /* environ; read by service_new() only */
    /*
     * Called once a second until ready, then every 5 s: returns readiness, writes one line of
     * status.
     */
    bool (*describe)(void *owner, char ret_text[SERVICE_TEXT_SIZE]);
    void *owner;
    /* After this time it is ready in any case, because a restart would not help; 0: never. */
    uint64_t patience_ms;
};

/* Fails only when the environment is invalid. */
int service_new(struct service **ret, const struct service_options *o, struct error *err)
    _nodiscard_;
void service_free(struct service *s);
DEFINE_CLEANUP(struct service *, service_free);

/* They accept NULL. reloaded must follow reloading, and also reports the status. */
void service_reloading(struct service *s);
void service_reloaded(struct service *s);
void service_stopping(struct service *s);
