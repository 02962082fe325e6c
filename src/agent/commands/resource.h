#pragma once

/*
 * One command about images, networks or volumes. Life cycle as engine_call: `done` once, never before
 * start returned. The flows are in images.c, networks.c and volumes.c.
 */

#include "docker/engine.h"

struct resource;

struct resource_result {
    int code;            /* 0 or negative errno */
    int status;          /* the engine's, or what it would be; 0: none */
    const char *message; /* when code < 0 */
    json_t *payload;     /* of the reply; json_incref to keep */
};

typedef void (*resource_fn)(void *owner, const struct resource_result *result);

struct resource_options {
    struct engine *engine;
    const char *command;
    const json_t *payload; /* of the request, unchecked */
    uint64_t timeout_ms;   /* of each call to the engine */
    resource_fn done;
    void *owner;
};

/* -EINVAL, -EMSGSIZE: what is wrong with the request. */
int resource_start(struct resource **ret, const struct resource_options *o, struct error *err)
    _nodiscard_;
void resource_cancel(struct resource *f);
DEFINE_CLEANUP(struct resource *, resource_cancel);
