/*
 * list_volumes, create_volume, delete_volume, prune_volumes.
 */

#include "agent/commands/resource.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define API_PRUNES_ALL 42 /* from this version on, named volumes are pruned on request only */

/* Takes `users`. */
static json_t *describe_with(const json_t *volume, json_t *users)
{
    json_t *o = json_object();

    json_text_set(o, "name", resource_text(volume, "Name"));
    json_text_set(o, "driver", resource_text(volume, "Driver"));
    json_text_set(o, "scope", resource_text(volume, "Scope"));
    json_text_set(o, "mountpoint", resource_text(volume, "Mountpoint"));
    json_text_set(o, "created", resource_time(volume, "CreatedAt"));
    json_text_set(o, "in_use", json_boolean(json_array_size(users) > 0));
    json_text_set(o, "labels", resource_labels(volume));
    resource_set_users(o, users);
    return o;
}

static json_t *describe(const json_t *volume, const struct usage *usage)
{
    const char *name = json_text_get(volume, "Name");

    return describe_with(volume, usage_take_list(usage, name ? name : ""));
}

static int advance_list(struct operation *op, struct error *err)
{
    static const struct resource_list list = {"/volumes", "Volumes", USAGE_VOLUMES, describe};

    return resource_list_advance(op, &list, err);
}

const struct operation_type volumes_list = {
    RESOURCE_TYPE,
    .steps = resource_list_steps,
    .advance = advance_list,
};

enum create_step { CREATE_VOLUME, CREATE_ANSWER };

static const char *const create_steps[] = {
    [CREATE_VOLUME] = "create",
    [CREATE_ANSWER] = "answer",
};

static json_t *make_creation(const struct resource_args *args)
{
    json_t *body = json_object();

    if (!str_is_empty(args->ref))
        json_text_set(body, "Name", json_text_str(args->ref));
    if (!str_is_empty(args->driver))
        json_text_set(body, "Driver", json_text_str(args->driver));
    if (args->labels)
        json_text_set(body, "Labels", json_incref(args->labels));
    return body;
}

static int advance_create(struct operation *op, struct error *err)
{
    struct operation_request request = {0};
    json_auto_t *volume = NULL;
    int r;

    switch ((enum create_step)op->step) {
    case CREATE_VOLUME:
        request.method = "POST";
        request.path = xstrdup("/volumes/create");
        request.body = make_creation(&resource_of(op)->args);
        return operation_ask(op, CREATE_ANSWER, request, err);
    case CREATE_ANSWER:
        r = resource_read(op, JSON_OBJECT, &volume, err);
        return r < 0 ? r : operation_answer(op, describe_with(volume, json_array()));
    }
    return -EINVAL;
}

const struct operation_type volumes_create = {
    RESOURCE_TYPE,
    .steps = create_steps,
    .advance = advance_create,
};

enum delete_step { DELETE_VOLUME, DELETE_ANSWER };

static const char *const delete_steps[] = {
    [DELETE_VOLUME] = "delete",
    [DELETE_ANSWER] = "answer",
};

static int advance_delete(struct operation *op, struct error *err)
{
    const struct resource_args *args = &resource_of(op)->args;
    struct operation_request request = {0};

    switch ((enum delete_step)op->step) {
    case DELETE_VOLUME:
        request.method = "DELETE";
        request.path = xasprintf("/volumes/%s?force=%d", args->ref, args->force ? 1 : 0);
        return operation_ask(op, DELETE_ANSWER, request, err);
    case DELETE_ANSWER: return operation_answer(op, resource_make_success());
    }
    return -EINVAL;
}

const struct operation_type volumes_delete = {
    RESOURCE_TYPE,
    .steps = delete_steps,
    .advance = advance_delete,
};

enum prune_step { PRUNE_NEGOTIATE, PRUNE_VOLUMES, PRUNE_CHECK, PRUNE_ANSWER };

static const char *const prune_steps[] = {
    [PRUNE_NEGOTIATE] = "negotiate",
    [PRUNE_VOLUMES] = "prune",
    [PRUNE_CHECK] = "check",
    [PRUNE_ANSWER] = "answer",
};

/* Podman prunes named volumes unasked, whatever its API version, and refuses the filter. */
static bool needs_filter(const struct engine *engine)
{
    return engine_api_minor(engine) >= API_PRUNES_ALL && !engine_is_podman(engine);
}

static bool is_filter_refused(const struct engine_reply *reply)
{
    return reply->code < 0 && reply->status >= 400 && strstr(reply->message, "filter");
}

static char *make_prune_path(const struct operation *op)
{
    _cleanup_free_ char *filters = engine_query_escape("{\"all\":[\"true\"]}");

    if (!needs_filter(op->o.engine))
        return xstrdup("/volumes/prune");
    return xasprintf("/volumes/prune?filters=%s", filters);
}

static int answer_prune(struct operation *op, struct error *err)
{
    json_auto_t *reply = NULL;
    json_t *answer, *names;
    int r;

    r = resource_read(op, JSON_OBJECT, &reply, err);
    if (r < 0)
        return r;
    names = resource_texts(json_object_get(reply, "VolumesDeleted"));
    answer = json_object();
    json_text_set(answer, "removed_count", json_integer((json_int_t)json_array_size(names)));
    json_text_set(answer, "volumes_removed", names);
    json_text_set(answer, "space_reclaimed",
                  json_integer(json_integer_value(json_object_get(reply, "SpaceReclaimed"))));
    return operation_answer(op, answer);
}

static int advance_prune(struct operation *op, struct error *err)
{
    struct operation_request request = {0};

    switch ((enum prune_step)op->step) {
    case PRUNE_NEGOTIATE: /* the next request depends on the API version of the engine */
        request.path = xstrdup("/_ping");
        return operation_ask(op, PRUNE_VOLUMES, request, err);
    case PRUNE_VOLUMES:
        request.method = "POST";
        request.path = make_prune_path(op);
        request.takes_failure = true;
        return operation_ask(op, PRUNE_CHECK, request, err);
    case PRUNE_CHECK:
        if (op->reply->code == 0)
            return answer_prune(op, err);
        if (!needs_filter(op->o.engine) || !is_filter_refused(op->reply))
            return operation_fail(op, op->reply->code, op->reply->status, op->reply->message);
        request.method = "POST"; /* an engine with the API of Docker, but not its filters */
        request.path = xstrdup("/volumes/prune");
        return operation_ask(op, PRUNE_ANSWER, request, err);
    case PRUNE_ANSWER: return answer_prune(op, err);
    }
    return -EINVAL;
}

const struct operation_type volumes_prune = {
    RESOURCE_TYPE,
    .steps = prune_steps,
    .advance = advance_prune,
};
