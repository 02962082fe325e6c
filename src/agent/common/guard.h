#pragma once

/*
 * Stands between the server's wishes and the engine: the policy of the host, and the labels of containers,
 * which it remembers by full id (an engine never changes them). Whoever acts on a container asks
 * guard_knows() first and inspects it when the answer is no; what cannot be inspected is not touched.
 */

#include "agent/common/policy.h"
#include "docker/engine.h"
#include "docker/model/container.h"

#define GUARD_MAX_INSPECT ((size_t)4 << 20)

struct guard;

struct guard *guard_new(const struct policy *policy); /* borrowed */
void guard_free(struct guard *g);

/* Why the policy forbids it, to be freed; NULL when it does not. */
char *guard_refuse(const struct guard *g, const char *action) _nodiscard_;

/* True when nothing needs to be asked: the action minds no label, or that of the container is known. */
bool guard_knows(const struct guard *g, const char *container, const char *action);
/* Why the label forbids it, to be freed; NULL when it does not. Only when guard_knows(). */
char *guard_refuse_container(const struct guard *g, const char *container, const char *action)
    _nodiscard_;

/*
 * Takes the answer to an inspect. From then on the container is known by the full id that is returned, and
 * this id, not the name that was asked for, must be acted on: names can move.
 */
int guard_learn(struct guard *g,
                const struct engine_reply *reply,
                char ret_id[CONTAINER_ID_SIZE],
                struct error *err) _nodiscard_;
