#pragma once

/*
 * Reads the engine's container list and adds RepoDigests, StartedAt, Env and the restart policy to
 * its elements, which otherwise stay the verbatim text of the engine. Facts that are not in the
 * cache (facts.h) are read by inspecting containers and images, at most 16 at a time. An element
 * stays without the facts of a container or image that cannot be inspected within the deadline.
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
};

struct container_list_result {
    int code;            /* 0 or negative errno */
    int status;          /* HTTP status of the engine, 0: none */
    const char *message; /* when code < 0 */
    const struct container_list_item *items;
    size_t n;
};

/* `result` and the memory it points to are valid during the call. */
typedef void (*container_list_fn)(void *owner, const struct container_list_result *result);

struct container_list_options {
    struct engine *engine;
    struct facts *facts;
    const char *const *ids; /* only these containers; NULL: all */
    size_t n_ids;
    container_list_fn done;
    void *owner;
};

/*
 * `done` is called once, never before container_list_start() returns, and not after
 * container_list_cancel(), which must not be called after `done` has returned. `ids` is only used
 * during the call.
 */
int container_list_start(struct container_list **ret,
                         const struct container_list_options *o,
                         struct error *err) _nodiscard_;
void container_list_cancel(struct container_list *list); /* NULL is fine */
DEFINE_CLEANUP(struct container_list *, container_list_cancel);
