#pragma once

/*
 * Restarts the containers in the namespaces of one that was started or restarted through us: they
 * hold the namespaces of its former process, and are cut off from the network until then.
 *
 *   rejoin_after() -> wait a moment for others -> read all containers -> restart one after the other
 *
 * Restarted are those that run since before the start of the container that they joined, and those
 * that joined them in turn, in this order. Never restarted are the container of the agent, one that
 * an update changes now, and one whose label forbids it. It is done in the background and lives as
 * long as the process; what is not done when the process ends is not done later.
 */

#include "base/macros.h"
#include <stdbool.h>

#define REJOIN_MAX_WAITING 256 /* containers that were started */

struct engine;
struct rejoin;

struct rejoin_options {
    struct engine *engine;     /* outlives it, as does the next one */
    const char *own_container; /* NULL or "": none */
    /* Whether an update changes the container (full id) now. */
    bool (*is_updated)(void *owner, const char *container);
    void *owner;
};

struct rejoin *rejoin_new(const struct rejoin_options *o);
void rejoin_free(struct rejoin *r); /* NULL is fine */
DEFINE_CLEANUP(struct rejoin *, rejoin_free);

/* A container, by its full id, was started or restarted. */
void rejoin_after(struct rejoin *r, const char *container);
