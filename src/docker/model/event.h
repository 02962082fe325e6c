#pragma once

/*
 * One event of the engine's /events stream. Podman's words for the actions of containers become
 * Docker's.
 */

#include "base/error.h"
#include <jansson.h>
#include <stdint.h>

struct event {
    char *type;   /* "container", "image", ... */
    char *action; /* "start", "health_status: healthy", ... */
    char *id;     /* Actor.ID */
    int64_t time_ns;
    json_t *attributes; /* object of strings, owned */
};

int event_decode(const char *text, size_t size, struct event *ret, struct error *err) _nodiscard_;
void event_done(struct event *e);

const char *event_attribute(const struct event *e, const char *name); /* never NULL */
