#pragma once

/*
 * Reads the engine's container list and completes its elements with RepoDigests, StartedAt and Env. The
 * elements stay the engine's text, verbatim. What the cache does not know is asked for, 16 requests at a
 * time; a container or image that cannot be inspected goes without, and so do all that are not answered
 * within the deadline.
 */

#include "agent/engine/facts.h"
#include "base/buf.h"
#include "docker/engine.h"
#include "docker/model/container.h"

struct container_list;

#define CONTAINER_LIST_MAX_ELEMENT ((size_t)1 << 20)

struct container_list_item {
    char id[CONTAINER_ID_SIZE];
    struct json_span text; /* the complete element, at most CONTAINER_LIST_MAX_ELEMENT bytes */
    bool is_cut;           /* ... without the members that are too long */
};

struct container_list_result {
    int code;            /* 0 or negative errno */
    int status;          /* the engine's, 0: none */
    const char *message; /* when code < 0 */
    const struct container_list_item *items;
    size_t n;
};

/* `result` and what it points to is gone after the call. */
typedef void (*container_list_fn)(void *owner, const struct container_list_result *result);

struct container_list_options {
    struct engine *engine;
    struct facts *facts;
    const char *const *ids; /* only these containers; NULL: all */
    size_t n_ids;
    container_list_fn done;
    void *owner;
};

/* Life cycle as engine_call: `done` once, never before start returned. */
int container_list_start(struct container_list **ret,
                         const struct container_list_options *o,
                         struct error *err) _nodiscard_;
void container_list_cancel(struct container_list *list);
DEFINE_CLEANUP(struct container_list *, container_list_cancel);
