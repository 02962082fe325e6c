#pragma once

/*
 * The guard decides whether an operation that the server asks for may reach the engine. It
 * applies the policy of the host (policy.h) and the labels of containers, which it remembers by
 * full id, because an engine never changes them. Before an operation acts on a container it calls
 * guard_knows(); when the answer is no, it inspects the container and hands the reply to
 * guard_learn(). A container that cannot be inspected is not touched.
 */

#include "agent/common/policy.h"
#include "docker/engine.h"
#include "docker/model/container.h"

struct guard;

struct guard *guard_new(const struct policy *policy); /* borrowed */
void guard_free(struct guard *g);

/* The reason why the policy forbids the operation, to be freed; NULL when it allows it. */
char *guard_refuse(const struct guard *g, enum operation_id operation) _nodiscard_;

/*
 * True when no inspect is needed: labels do not matter, or those of the container (full id) are
 * known.
 */
bool guard_knows(const struct guard *g, const char *container, enum operation_id operation);
/* The same as guard_refuse() for the label of the container. Only when guard_knows(). */
char *guard_refuse_container(const struct guard *g,
                             const char *container,
                             enum operation_id operation) _nodiscard_;

/*
 * Takes the reply to an inspect. From then on the container is known by the full id that is
 * returned. The operation must act on this id, not on the name that it was asked for: names can
 * move.
 */
int guard_learn(struct guard *g,
                const struct engine_reply *reply,
                char ret_id[CONTAINER_ID_SIZE],
                struct error *err) _nodiscard_;
