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
    char *cut;          /* name of the first attribute that is cut; NULL: none */
};

/*
 * Attributes that are very long are cut, and those that other parsers refuse mended. -EBADMSG: the
 * text is not an event, or its type, its action, or the ID of its container or image is invalid.
 */
int event_decode(const char *text, size_t size, struct event *ret, struct error *err) _nodiscard_;

/*
 * Returns an event without attributes, built from the first bytes of one: its type, action and id, and
 * `time_ns` as its time. NULL: they do not have these members. The caller frees it.
 */
char *event_complete(const char *text, size_t size, int64_t time_ns) _nodiscard_;
void engine_event_done(struct event *e);

const char *event_attribute(const struct event *e, const char *name); /* never NULL */
