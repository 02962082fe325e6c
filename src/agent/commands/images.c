/*
 * list_images, remove_image, prune_images.
 */

#include "agent/commands/resource.h"
#include "agent/commands/unused.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_TAG    "<none>:<none>"
#define NO_DIGEST "<none>@<none>"

/* Engines before 25 list "<none>:<none>" for an image without tags. */
static json_t *remove_filler(json_t *texts, const char *filler)
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
    json_t *tags = remove_filler(resource_texts(json_object_get(image, "RepoTags")), NO_TAG);
    json_auto_t *digests = remove_filler(resource_texts(json_object_get(image, "RepoDigests")),
                                         NO_DIGEST);
    bool is_dangling = json_array_size(tags) == 0 && json_array_size(digests) == 0;
    json_t *o = json_object();

    json_text_set(o, "id", resource_short_id(id));
    json_text_set(o, "tags", tags);
    json_text_set(o, "size", json_integer(json_integer_value(json_object_get(image, "Size"))));
    json_text_set(o, "created", resource_time(image, "Created"));
    json_text_set(o, "in_use", json_boolean(json_array_size(users) > 0));
    json_text_set(o, "dangling", json_boolean(is_dangling));
    json_text_set(o, "labels", resource_labels(image));
    resource_set_users(o, users);
    return o;
}

static int advance_list(struct operation *op, struct error *err)
{
    static const struct resource_list list = {"/images/json", NULL, USAGE_IMAGES, describe, NULL};

    return resource_list_advance(op, &list, err);
}

const struct operation_type images_list = {
    RESOURCE_TYPE,
    .steps = resource_list_steps,
    .advance = advance_list,
};

enum remove_step { REMOVE_IMAGE, REMOVE_ANSWER };

static const char *const remove_steps[] = {
    [REMOVE_IMAGE] = "remove",
    [REMOVE_ANSWER] = "answer",
};

static int advance_remove(struct operation *op, struct error *err)
{
    const struct resource_args *args = &resource_of(op)->args;
    struct operation_request request = {0};

    switch ((enum remove_step)op->step) {
    case REMOVE_IMAGE:
        request.method = "DELETE";
        request.path = xasprintf("/images/%s?force=%d", args->ref, args->force ? 1 : 0);
        return operation_ask(op, REMOVE_ANSWER, request, err);
    case REMOVE_ANSWER: return operation_answer(op, resource_make_success());
    }
    return -EINVAL;
}

const struct operation_type images_remove = {
    RESOURCE_TYPE,
    .steps = remove_steps,
    .advance = advance_remove,
};

static const char *strip_algorithm(const char *id)
{
    const char *colon = id ? strchr(id, ':') : NULL;

    return colon ? colon + 1 : id;
}

/*
 * The engine's list of what it deleted also has tags, layers and manifests. Counts the images:
 * those ids that were in the list of images before.
 */
static json_int_t count_deleted(const json_t *entries, const json_t *images)
{
    struct map ids = {0};
    json_int_t n = 0;

    for (size_t i = 0; i < json_array_size(images); i++) {
        const char *id = strip_algorithm(json_text_get(json_array_get(images, i), "Id"));

        if (id)
            (void)map_put(&ids, id, &ids);
    }
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const char *id = strip_algorithm(json_text_get(json_array_get(entries, i), "Deleted"));

        n += id && map_remove(&ids, id);
    }
    map_done(&ids);
    return n;
}

/* The first steps are those of a list: a dry run. */
enum prune_step { PRUNE_LIST = LIST_ANSWER + 1, PRUNE_IMAGES, PRUNE_ANSWER };

static const char *const prune_steps[] = {
    [LIST_OBJECTS] = "objects", [LIST_CONTAINERS] = "containers", [LIST_ANSWER] = "names",
    [PRUNE_LIST] = "list",      [PRUNE_IMAGES] = "prune",         [PRUNE_ANSWER] = "answer",
};

static int answer_prune(struct operation *op, struct error *err)
{
    json_auto_t *reply = NULL;
    json_t *answer;
    int r;

    r = resource_read(op, JSON_OBJECT, &reply, err);
    if (r < 0)
        return r;
    answer = json_object();
    json_text_set(answer, "removed_count",
                  json_integer(count_deleted(json_object_get(reply, "ImagesDeleted"),
                                             resource_of(op)->object)));
    json_text_set(answer, "space_reclaimed",
                  json_integer(json_integer_value(json_object_get(reply, "SpaceReclaimed"))));
    return operation_answer(op, answer);
}

static int advance_prune(struct operation *op, struct error *err)
{
    const struct resource_args *args = &resource_of(op)->args;
    _cleanup_free_ char *filters = NULL;
    struct operation_request request = {0};
    int r;

    if (args->is_dry_run) {
        return resource_list_advance(op, args->dangling ? &unused_dangling_images : &unused_images,
                                     err);
    }
    if (op->step == LIST_OBJECTS)
        op->step = PRUNE_LIST;
    switch ((enum prune_step)op->step) {
    case PRUNE_LIST:
        request.path = xstrdup("/images/json");
        return operation_ask(op, PRUNE_IMAGES, request, err);
    case PRUNE_IMAGES:
        r = resource_read(op, JSON_ARRAY, &resource_of(op)->object, err);
        if (r < 0)
            return r;
        filters = engine_query_escape(args->dangling ? "{\"dangling\":[\"true\"]}"
                                                     : "{\"dangling\":[\"false\"]}");
        request.method = "POST";
        request.path = xasprintf("/images/prune?filters=%s", filters);
        return operation_ask(op, PRUNE_ANSWER, request, err);
    case PRUNE_ANSWER: return answer_prune(op, err);
    }
    return -EINVAL;
}

const struct operation_type images_prune = {
    RESOURCE_TYPE,
    .steps = prune_steps,
    .advance = advance_prune,
};
