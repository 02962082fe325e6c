/*
 * list_volumes, create_volume, delete_volume, prune_volumes.
 */

#include "agent/commands/resource.h"
#include "agent/commands/unused.h"
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
    static const struct resource_list list = {"/volumes", "Volumes", USAGE_VOLUMES, describe, NULL};

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

/*
 * The list of a dry run comes first; so it does before the removal of anonymous volumes, which are
 * removed one by one, because not every engine can be asked for these alone.
 */
enum prune_step {
    PRUNE_NEGOTIATE = LIST_ANSWER + 1,
    PRUNE_BEGIN,
    PRUNE_VOLUMES,
    PRUNE_CHECK,
    PRUNE_REMOVE,
    PRUNE_REMOVED,
    PRUNE_ANSWER,
};

static const char *const prune_steps[] = {
    [LIST_OBJECTS] = "objects",      [LIST_CONTAINERS] = "containers", [LIST_ANSWER] = "names",
    [PRUNE_NEGOTIATE] = "negotiate", [PRUNE_BEGIN] = "begin",          [PRUNE_VOLUMES] = "prune",
    [PRUNE_REMOVE] = "remove",       [PRUNE_REMOVED] = "removed",      [PRUNE_CHECK] = "check",
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

static const struct resource_list *choose_list(const struct operation *op,
                                               const struct resource_args *args)
{
    return args->anonymous ? unused_anonymous_volumes(op->o.engine) : &unused_volumes;
}

/* The answer of the list becomes the state of the removal: "left" are the names to remove. */
static void begin_removal(struct resource *f)
{
    struct operation *op = &f->base;
    json_t *answer = TAKE_PTR(op->result.fields);

    (void)json_object_set(answer, "left", json_object_get(answer, "volumes_removed"));
    json_text_set(answer, "volumes_removed", json_array());
    json_decref(f->object);
    f->object = answer;
    op->step = PRUNE_REMOVE;
}

/* A volume that a new container uses stays; the space is unknown then. */
static void note_removal(const struct resource *f)
{
    json_t *left = json_object_get(f->object, "left");
    json_t *removed = json_object_get(f->object, "volumes_removed");

    if (f->base.reply->code < 0) {
        (void)json_object_del(f->object, "space_reclaimed");
    } else if (json_array_append(removed, json_array_get(left, 0)) < 0) {
        abort(); /* out of memory */
    }
    (void)json_array_remove(left, 0);
}

static json_t *make_removal_answer(struct resource *f)
{
    json_t *answer = TAKE_PTR(f->object);
    size_t n = json_array_size(json_object_get(answer, "volumes_removed"));

    (void)json_object_del(answer, "left");
    json_text_set(answer, "removed_count", json_integer((json_int_t)n));
    return answer;
}

/* Removes the next of the anonymous volumes, or ends. */
static int remove_next(struct resource *f, struct error *err)
{
    const json_t *left = json_object_get(f->object, "left");
    struct operation_request request = {.method = "DELETE", .accepts = -EBUSY};
    _cleanup_free_ char *name = NULL;

    if (json_array_size(left) == 0)
        return operation_answer(&f->base, make_removal_answer(f));
    name = engine_query_escape(json_string_value(json_array_get(left, 0)));
    request.path = xasprintf("/volumes/%s?force=1", name); /* ignores one that was removed */
    return operation_ask(&f->base, PRUNE_REMOVED, request, err);
}

/* The list of unused volumes: the whole answer of a dry run, else the first part of a removal. */
static int advance_unused(struct operation *op, struct error *err)
{
    struct resource *f = resource_of(op);
    int r = resource_list_advance(op, choose_list(op, &f->args), err);

    if (r != OPERATION_ENDS || f->args.is_dry_run)
        return r;
    begin_removal(f);
    return remove_next(f, err);
}

static int advance_prune(struct operation *op, struct error *err)
{
    struct resource *f = resource_of(op);
    struct operation_request request = {0};

    if (op->step == LIST_OBJECTS)
        op->step = PRUNE_NEGOTIATE;
    if (op->step <= LIST_ANSWER)
        return advance_unused(op, err);
    switch ((enum prune_step)op->step) {
    case PRUNE_NEGOTIATE: /* the next request depends on the API version of the engine */
        request.path = xstrdup("/_ping");
        return operation_ask(op, PRUNE_BEGIN, request, err);
    case PRUNE_BEGIN:
        if (f->args.anonymous || f->args.is_dry_run) {
            op->step = LIST_OBJECTS;
            return advance_unused(op, err);
        }
        op->step = PRUNE_VOLUMES;
        _fallthrough_;
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
    case PRUNE_REMOVED: note_removal(f); _fallthrough_;
    case PRUNE_REMOVE: return remove_next(f, err);
    case PRUNE_ANSWER: return answer_prune(op, err);
    }
    return -EINVAL;
}

const struct operation_type volumes_prune = {
    RESOURCE_TYPE,
    .steps = prune_steps,
    .advance = advance_prune,
};
