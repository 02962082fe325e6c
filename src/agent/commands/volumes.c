/*
 * list_volumes, create_volume, delete_volume, prune_volumes.
 */

#include "agent/commands/resource_flow.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <stdlib.h>

#define API_PRUNES_ALL 42 /* since then named volumes are pruned only if asked for */

static json_t *describe_with(const json_t *volume, json_t *users /* stolen */)
{
    json_t *o = json_object();

    json_text_set(o, "name", resource_text(volume, "Name"));
    json_text_set(o, "driver", resource_text(volume, "Driver"));
    json_text_set(o, "mountpoint", resource_text(volume, "Mountpoint"));
    json_text_set(o, "created", resource_time(volume, "CreatedAt"));
    json_text_set(o, "in_use", json_boolean(json_array_size(users) > 0));
    resource_set_users(o, users);
    return o;
}

static json_t *describe(const json_t *volume, const struct usage *usage)
{
    const char *name = json_text_get(volume, "Name");

    return describe_with(volume, usage_take_list(usage, name ? name : ""));
}

int volumes_list(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    static const struct resource_list list = {"/volumes", "Volumes", USAGE_VOLUMES, describe};

    return resource_list_next(f, &list, reply, err);
}

int volumes_create(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    json_auto_t *volume = NULL;
    json_t *body;
    int r;

    if (f->step++ == 0) {
        body = json_object();
        if (!str_is_empty(f->args.ref))
            json_text_set(body, "Name", json_text_str(f->args.ref));
        if (!str_is_empty(f->args.driver))
            json_text_set(body, "Driver", json_text_str(f->args.driver));
        if (f->args.labels)
            json_text_set(body, "Labels", json_incref(f->args.labels));
        return resource_ask(f, (struct resource_question){"POST", xstrdup("/volumes/create"), body},
                            err);
    }
    r = resource_read(reply, JSON_OBJECT, &volume, err);
    if (r == 0)
        f->payload = describe_with(volume, json_array());
    return r;
}

int volumes_delete(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    (void)reply;
    if (f->step++ == 0) {
        return resource_ask(
            f,
            (struct resource_question){
                .method = "DELETE",
                .path = xasprintf("/volumes/%s?force=%d", f->args.ref, f->args.force ? 1 : 0)},
            err);
    }
    f->payload = json_object();
    json_text_set(f->payload, "success", json_true());
    return 0;
}

static char *prune_path(const struct resource *f)
{
    _cleanup_free_ char *filters = engine_query_escape("{\"all\":[\"true\"]}");

    if (engine_api_minor(f->o.engine) < API_PRUNES_ALL)
        return xstrdup("/volumes/prune");
    return xasprintf("/volumes/prune?filters=%s", filters);
}

int volumes_prune(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    enum { NEGOTIATE, PRUNE, DESCRIBE };
    json_auto_t *answer = NULL;
    json_t *names;
    int r;

    switch (f->step++) {
    case NEGOTIATE: /* the request depends on the version that the engine speaks now */
        return resource_ask(f, (struct resource_question){.path = xstrdup("/_ping")}, err);
    case PRUNE:
        return resource_ask(f, (struct resource_question){.method = "POST", .path = prune_path(f)},
                            err);
    case DESCRIBE:
        r = resource_read(reply, JSON_OBJECT, &answer, err);
        if (r < 0)
            return r;
        names = resource_texts(json_object_get(answer, "VolumesDeleted"));
        f->payload = json_object();
        json_text_set(f->payload, "removed_count",
                      json_integer((json_int_t)json_array_size(names)));
        json_text_set(f->payload, "volumes_removed", names);
        json_text_set(f->payload, "space_reclaimed",
                      json_integer(json_integer_value(json_object_get(answer, "SpaceReclaimed"))));
        return 0;
    default: abort();
    }
}
