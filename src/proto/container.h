#pragma once

/*
 * An element of list_containers, as the server decodes it. All members but the ID may be missing or
 * null. Names and labels are untrusted input.
 */

#include "proto/codec.h"

struct msg_container {
    char *id;   /* 64 lowercase hex digits */
    char *name; /* first of Names without its slash, or the short ID */
    char *image, *image_id, *command;
    char *state;       /* in the terms of the engine */
    char *status;      /* "Up 5 minutes" */
    int64_t created_s; /* unix time, 0 unknown */
    char *started_at;  /* RFC 3339, NULL: never or unknown */
    json_t *labels;    /* object; this and all below: NULL when absent */
    json_t *ports;     /* array of {IP, PrivatePort, PublicPort, Type} */
    json_t *mounts;    /* array */
    json_t *env;       /* object of strings */
    struct strings repo_digests;
    json_t *network_settings; /* object */
    json_t *host_config;      /* object */
    json_t *oom_killed;       /* true or false; of our agent */
};

int msg_container_decode(const json_t *v, struct msg_container *ret, struct error *err) _nodiscard_;
/* The name of the first member that decoding shortens; NULL: none. */
const char *msg_container_find_cut(const json_t *v);
void msg_container_done(struct msg_container *m);

/*
 * Maps a state to the terms of DockMon: created, running, paused, restarting, exited (also dead),
 * unknown.
 */
const char *msg_container_state(const char *engine_state);
