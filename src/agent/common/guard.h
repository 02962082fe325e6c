#pragma once

/*
 * The guard decides whether an operation that the server requests may reach the engine. Two rules
 * apply, and both must allow the operation:
 *
 *   policy   AGENT_POLICY of the host (policy.h); known at once: guard_refuse()
 *   label    POLICY_LABEL of the container; the engine has to be asked for it first
 *
 * An operation on a container takes these steps:
 *
 *   guard_refuse()            refused by the policy: reply with the reason
 *   guard_knows()             no: inspect the container and pass the reply to guard_learn(), which
 *                             returns the full ID to act on
 *   guard_refuse_container()  refused by the label: reply with the reason
 *   guard_refuse_own()        refused for the container of the agent: reply with the reason
 *
 * Labels are cached by full ID, because an engine never changes them. A name can move to another
 * container between the check and the operation, so the operation uses the full ID. The guard fails
 * closed: a label that cannot be read forbids everything, and an operation on a container that
 * cannot be inspected is not executed.
 *
 * Each session has one guard, which its commands, shells and logs share; the session frees it last.
 */

#include "agent/common/policy.h"
#include "docker/engine.h"
#include "docker/model/container.h"

struct guard;

/*
 * Both are borrowed. `own_container`: the full or short id of the container that the agent runs
 * in; "" or NULL: none.
 */
struct guard *guard_new(const struct policy *policy, const char *own_container);
void guard_free(struct guard *g);

/* Returns why the policy forbids the operation, as text to be freed; NULL: it is allowed. */
char *guard_refuse(const struct guard *g, enum operation_id operation) _nodiscard_;

/*
 * True if no inspect is needed: labels do not matter for the operation, or those of the container
 * (a full ID) are cached.
 */
bool guard_knows(const struct guard *g, const char *container, enum operation_id operation);
/* The same as guard_refuse() for the label of the container. Requires guard_knows(). */
char *guard_refuse_container(const struct guard *g,
                             const char *container,
                             enum operation_id operation) _nodiscard_;

/*
 * Returns why the operation must not be carried out on the container (a full id) that the agent
 * runs in, as text to be freed: it would end, rename or enter it, or copy its files, which include
 * the permanent token. NULL: it may be. Names and labels do not matter, because every container can
 * have them.
 */
char *guard_refuse_own(const struct guard *g, const char *container, enum operation_id operation)
    _nodiscard_;
bool guard_is_own(const struct guard *g, const char *container);
bool guard_is_in_container(const struct guard *g); /* the agent runs in one */

/*
 * Caches the label in the reply to an inspect, and returns the full ID of the container, which the
 * operation must use. -EPROTO: the reply cannot be read.
 */
int guard_learn(struct guard *g,
                const struct engine_reply *reply,
                char ret_id[CONTAINER_ID_SIZE],
                struct error *err) _nodiscard_;
