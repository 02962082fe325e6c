#pragma once

/*
 * container_event: an event of a container. These functions handle the payload; see envelope.h for
 * the envelope.
 */

#include "proto/codec.h"

struct msg_container_event {
    char *container_id; /* 64 hex digits from all known agents */
    char *container_name, *image;
    char *action;       /* "start", "die", "health_status: healthy", ... */
    char *timestamp;    /* RFC 3339, whole seconds from Go agents */
    json_t *attributes; /* object of strings, may be NULL */
    int64_t time_nano;  /* engine time, 0 from Go agents */
};

int msg_container_event_decode(const json_t *v, struct msg_container_event *ret, struct error *err)
    _nodiscard_;
/* The name of the first member that decoding shortens; NULL: none. */
const char *msg_container_event_find_cut(const json_t *v);
json_t *msg_container_event_encode(const struct msg_container_event *m) _nodiscard_;
void msg_container_event_done(struct msg_container_event *m);
