#include "agent/commands/unused.h"
#include "base/container_id.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <stdlib.h>

#define API_MARKS_ANONYMOUS 42
#define ANONYMOUS_LABEL     "com.docker.volume.anonymous"
/* {"dangling":["true"]}: without containers */
#define DANGLING "filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D"

/* An element: the names that the object is known by, and its size; takes `names`. */
static json_t *make_element(json_t *names, const json_t *size)
{
    json_t *o = json_object();

    json_text_set(o, "names", names);
    if (json_is_integer(size) && json_integer_value(size) >= 0)
        json_text_set(o, "size", json_integer(json_integer_value(size)));
    return o;
}

static json_t *make_names(json_t *name)
{
    json_t *names = json_array();

    if (json_array_append_new(names, name) < 0)
        abort(); /* out of memory */
    return names;
}

static bool is_used(const struct usage *usage, const char *key)
{
    json_auto_t *users = usage_take_list(usage, key ? key : "");

    return !key || json_array_size(users) > 0;
}

/*
 * The answer: the number of elements, their names as `member`, and the sum of their sizes if each
 * has one.
 */
static json_t *summarize(json_t *elements, const char *member, bool has_sizes)
{
    json_t *answer = json_object(), *names = json_array();
    size_t n = json_array_size(elements);
    json_int_t space = 0;

    for (size_t i = 0; i < n; i++) {
        const json_t *element = json_array_get(elements, i), *size;

        size = json_object_get(element, "size");
        has_sizes = has_sizes && size;
        space += json_integer_value(size);
        if (json_array_extend(names, json_object_get(element, "names")) < 0)
            abort(); /* out of memory */
    }
    json_text_set(answer, "removed_count", json_integer((json_int_t)n));
    if (has_sizes)
        json_text_set(answer, "space_reclaimed", json_integer(space));
    json_text_set(answer, member, names);
    json_decref(elements);
    return answer;
}

/* --- images --- */

static json_t *summarize_images(json_t *elements)
{
    return summarize(elements, "images_removed", true);
}

static bool has_names(const json_t *image, const char *key, const char *filler)
{
    json_auto_t *names = resource_texts(json_object_get(image, key));

    for (size_t i = 0; i < json_array_size(names); i++) {
        if (!str_eq(json_string_value(json_array_get(names, i)), filler))
            return true;
    }
    return false;
}

static json_t *describe_image(const json_t *image, const struct usage *usage)
{
    const char *id = json_text_get(image, "Id");
    const json_t *size = json_object_get(image, "Size");

    if (is_used(usage, id))
        return NULL;
    if (has_names(image, "RepoTags", "<none>:<none>"))
        return make_element(resource_texts(json_object_get(image, "RepoTags")), size);
    return make_element(make_names(resource_short_id(id)), size);
}

static json_t *describe_dangling(const json_t *image, const struct usage *usage)
{
    bool is_named = has_names(image, "RepoTags", "<none>:<none>") ||
                    has_names(image, "RepoDigests", "<none>@<none>");

    return is_named ? NULL : describe_image(image, usage);
}

const struct resource_list unused_images = {
    .path = "/images/json",
    .usage = USAGE_IMAGES,
    .describe = describe_image,
    .summarize = summarize_images,
};
const struct resource_list unused_dangling_images = {
    .path = "/images/json",
    .usage = USAGE_IMAGES,
    .describe = describe_dangling,
    .summarize = summarize_images,
};

/* --- networks --- */

static json_t *summarize_networks(json_t *elements)
{
    return summarize(elements, "networks_removed", false);
}

/* The filter of the engine leaves out built-in networks and those with endpoints. */
static json_t *describe_network(const json_t *network, const struct usage *usage)
{
    bool is_kept = is_used(usage, json_text_get(network, "Id")) ||
                   json_is_true(json_object_get(network, "Ingress"));

    return is_kept ? NULL : make_element(make_names(resource_text(network, "Name")), NULL);
}

const struct resource_list unused_networks = {
    .path = "/networks?" DANGLING,
    .usage = USAGE_NETWORKS,
    .describe = describe_network,
    .summarize = summarize_networks,
};

/* --- volumes --- */

static json_t *summarize_volumes(json_t *elements)
{
    return summarize(elements, "volumes_removed", true);
}

/* As the engine does, others than those of the driver "local" are left alone. */
static json_t *describe_volume(const json_t *volume, const struct usage *usage)
{
    bool is_local = str_eq(json_text_get(volume, "Driver"), "local");

    if (!is_local || is_used(usage, json_text_get(volume, "Name")))
        return NULL;
    return make_element(make_names(resource_text(volume, "Name")),
                        json_object_get(json_object_get(volume, "UsageData"), "Size"));
}

static json_t *describe_labelled(const json_t *volume, const struct usage *usage)
{
    bool is_anonymous = json_object_get(json_object_get(volume, "Labels"), ANONYMOUS_LABEL);

    return is_anonymous ? describe_volume(volume, usage) : NULL;
}

static json_t *describe_unlabelled(const json_t *volume, const struct usage *usage)
{
    bool is_anonymous = str_is_hex(json_text_get(volume, "Name"), CONTAINER_ID_LEN);

    return is_anonymous ? describe_volume(volume, usage) : NULL;
}

const struct resource_list unused_volumes = {
    .path = "/volumes?" DANGLING,
    .member = "Volumes",
    .usage = USAGE_VOLUMES,
    .describe = describe_volume,
    .summarize = summarize_volumes,
};

const struct resource_list *unused_anonymous_volumes(const struct engine *engine)
{
    static const struct resource_list labelled = {
        .path = "/system/df?type=volume",
        .member = "Volumes",
        .usage = USAGE_VOLUMES,
        .describe = describe_labelled,
        .summarize = summarize_volumes,
    };
    static const struct resource_list unlabelled = {
        .path = "/volumes?" DANGLING,
        .member = "Volumes",
        .usage = USAGE_VOLUMES,
        .describe = describe_unlabelled,
        .summarize = summarize_volumes,
    };

    return engine_api_minor(engine) < API_MARKS_ANONYMOUS || engine_is_podman(engine) ? &unlabelled
                                                                                      : &labelled;
}
