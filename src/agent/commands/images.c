/*
 * list_images, remove_image, prune_images.
 */

#include "agent/commands/resource_flow.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <stdlib.h>

#define NO_TAG    "<none>:<none>"
#define NO_DIGEST "<none>@<none>"

/* Engines before 25 say "<none>:<none>" where there is none. */
static json_t *without(json_t *texts, const char *filler)
{
    for (size_t i = json_array_size(texts); i > 0; i--) {
        if (str_eq(json_string_value(json_array_get(texts, i - 1)), filler))
            (void)json_array_remove(texts, i - 1);
    }
    return texts;
}

static json_t *describe(const json_t *image, const struct usage *usage)
{
    const char *id = json_text_get(image, "Id");
    json_t *users = usage_take_list(usage, id ? id : "");
    json_t *tags = without(resource_texts(json_object_get(image, "RepoTags")), NO_TAG);
    json_auto_t *digests = without(resource_texts(json_object_get(image, "RepoDigests")),
                                   NO_DIGEST);
    bool is_dangling = json_array_size(tags) == 0 && json_array_size(digests) == 0;
    json_t *o = json_object();

    json_text_set(o, "id", resource_short_id(id));
    json_text_set(o, "tags", tags);
    json_text_set(o, "size", json_integer(json_integer_value(json_object_get(image, "Size"))));
    json_text_set(o, "created", resource_time(image, "Created"));
    json_text_set(o, "in_use", json_boolean(json_array_size(users) > 0));
    json_text_set(o, "dangling", json_boolean(is_dangling));
    resource_set_users(o, users);
    return o;
}

int images_list(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    static const struct resource_list list = {"/images/json", NULL, USAGE_IMAGES, describe};

    return resource_list_next(f, &list, reply, err);
}

int images_remove(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    (void)reply;
    if (f->step++ == 0) {
        return resource_ask(
            f,
            (struct resource_question){
                .method = "DELETE",
                .path = xasprintf("/images/%s?force=%d", f->args.ref, f->args.force ? 1 : 0)},
            err);
    }
    f->payload = json_object();
    json_text_set(f->payload, "success", json_true());
    return 0;
}

/* The engine lists every tag it took away, too; what counts is images that are gone. */
static json_int_t count_deleted(const json_t *entries)
{
    json_int_t n = 0;

    for (size_t i = 0; i < json_array_size(entries); i++)
        n += json_object_get(json_array_get(entries, i), "Deleted") != NULL;
    return n;
}

int images_prune(struct resource *f, const struct engine_reply *reply, struct error *err)
{
    _cleanup_free_ char *filters = NULL;
    json_auto_t *answer = NULL;
    int r;

    if (f->step++ == 0) {
        filters = engine_query_escape("{\"dangling\":[\"false\"]}");
        return resource_ask(
            f,
            (struct resource_question){.method = "POST",
                                       .path = xasprintf("/images/prune?filters=%s", filters)},
            err);
    }
    r = resource_read(reply, JSON_OBJECT, &answer, err);
    if (r < 0)
        return r;
    f->payload = json_object();
    json_text_set(f->payload, "removed_count",
                  json_integer(count_deleted(json_object_get(answer, "ImagesDeleted"))));
    json_text_set(f->payload, "space_reclaimed",
                  json_integer(json_integer_value(json_object_get(answer, "SpaceReclaimed"))));
    return 0;
}
