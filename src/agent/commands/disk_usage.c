/*
 * disk_usage: what images, containers, volumes and the build cache of the engine take on its disk.
 * Engines before API 1.52 list the objects, and the sums are made here as docker's client makes
 * them; later engines send the sums, too.
 */

#include "agent/commands/resource.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <string.h>

struct sums {
    int64_t n_total, n_active, size, used;
};

struct disk_part {
    const char *type;   /* of our answer */
    const char *list;   /* the objects, of engines before 1.52 */
    const char *object; /* of later engines */
    /* Adds an object to the sums; returns it as an item of the answer. */
    json_t *(*describe)(const json_t *object, struct sums *sums);
};

/* Sizes and counts that the engine does not know are absent or -1. */
static int64_t read_number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_integer(v) && json_integer_value(v) > 0 ? json_integer_value(v) : 0;
}

static void add(struct sums *sums, bool is_active, int64_t size)
{
    sums->n_total++;
    sums->n_active += is_active;
    sums->size += size;
    sums->used += is_active ? size : 0;
}

static json_t *make_item(json_t *id, json_t *name, int64_t size, int64_t shared, int64_t links)
{
    json_t *o = json_object();

    json_text_set(o, "id", id);
    json_text_set(o, "name", name);
    json_text_set(o, "size", json_integer(size));
    json_text_set(o, "shared_size", json_integer(shared));
    json_text_set(o, "links", json_integer(links));
    return o;
}

static json_t *describe_image(const json_t *image, struct sums *sums)
{
    int64_t size = read_number(image, "Size"), shared = read_number(image, "SharedSize");
    int64_t n_users = read_number(image, "Containers");
    const char *tag = json_string_value(json_array_get(json_object_get(image, "RepoTags"), 0));
    json_t *o = make_item(resource_short_id(json_text_get(image, "Id")),
                          json_text_str(tag && !str_eq(tag, "<none>:<none>") ? tag : ""), size,
                          shared, n_users);

    json_text_set(o, "created", resource_time(image, "Created"));
    add(sums, n_users > 0, size > shared ? size - shared : 0);
    return o;
}

static bool is_live(const char *state)
{
    return str_eq(state, "running") || str_eq(state, "paused") || str_eq(state, "restarting");
}

static json_t *describe_container(const json_t *container, struct sums *sums)
{
    const json_t *mounts = json_object_get(container, "Mounts");
    const char *name = json_string_value(json_array_get(json_object_get(container, "Names"), 0));
    int64_t size = read_number(container, "SizeRw"), n_volumes = 0;
    json_t *o;

    for (size_t i = 0; i < json_array_size(mounts); i++)
        n_volumes += str_eq(json_text_get(json_array_get(mounts, i), "Type"), "volume");
    o = make_item(resource_short_id(json_text_get(container, "Id")),
                  json_text_str(name ? name + (*name == '/') : ""), size, 0, n_volumes);
    json_text_set(o, "created", resource_time(container, "Created"));
    add(sums, is_live(json_text_get(container, "State")), size);
    return o;
}

static json_t *describe_volume(const json_t *volume, struct sums *sums)
{
    const json_t *usage = json_object_get(volume, "UsageData");
    int64_t size = read_number(usage, "Size"), n_users = read_number(usage, "RefCount");
    json_t *o = make_item(json_text_str(""), resource_text(volume, "Name"), size, 0, n_users);

    json_text_set(o, "created", resource_time(volume, "CreatedAt"));
    add(sums, n_users > 0, size);
    return o;
}

/* Bytes that an image shares are counted there. */
static json_t *describe_cache(const json_t *record, struct sums *sums)
{
    int64_t size = read_number(record, "Size");
    bool is_shared = json_is_true(json_object_get(record, "Shared"));
    json_t *o = make_item(resource_short_id(json_text_get(record, "ID")),
                          resource_text(record, "Type"), size, is_shared ? size : 0,
                          read_number(record, "UsageCount"));

    json_text_set(o, "created", resource_time(record, "CreatedAt"));
    add(sums, json_is_true(json_object_get(record, "InUse")), is_shared ? 0 : size);
    return o;
}

static const struct disk_part parts[] = {
    {"images",      "Images",     "ImageUsage",      describe_image    },
    {"containers",  "Containers", "ContainerUsage",  describe_container},
    {"volumes",     "Volumes",    "VolumeUsage",     describe_volume   },
    {"build_cache", "BuildCache", "BuildCacheUsage", describe_cache    },
};

static json_t *describe_part(const struct disk_part *part, const json_t *reply)
{
    const json_t *usage = json_object_get(reply, part->object);
    const json_t *list = json_object_get(usage ? usage : reply, usage ? "Items" : part->list);
    json_t *o = json_object(), *items = json_array();
    struct sums sums = {0};
    int64_t reclaimable;

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = part->describe(json_array_get(list, i), &sums);

        if (json_array_append_new(items, item) < 0)
            abort(); /* out of memory */
    }
    if (part->describe == describe_image) /* layers that images share are counted once */
        sums.size = read_number(reply, "LayersSize");
    reclaimable = sums.size > sums.used ? sums.size - sums.used : 0;
    json_text_set(o, "type", json_text_str(part->type));
    json_text_set(o, "total",
                  json_integer(usage ? read_number(usage, "TotalCount") : sums.n_total));
    json_text_set(o, "active",
                  json_integer(usage ? read_number(usage, "ActiveCount") : sums.n_active));
    json_text_set(o, "size", json_integer(usage ? read_number(usage, "TotalSize") : sums.size));
    json_text_set(o, "reclaimable",
                  json_integer(usage ? read_number(usage, "Reclaimable") : reclaimable));
    json_text_set(o, "items", items);
    return o;
}

static json_t *describe_usage(const json_t *reply)
{
    json_t *answer = json_array();

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        (void)json_array_append_new(answer, describe_part(&parts[i], reply));
    return answer;
}

enum usage_step { USAGE_ASK, USAGE_ANSWER };

static const char *const usage_steps[] = {
    [USAGE_ASK] = "ask",
    [USAGE_ANSWER] = "answer",
};

static int advance_usage(struct operation *op, struct error *err)
{
    struct operation_request request = {0};
    json_auto_t *reply = NULL;
    int r;

    switch ((enum usage_step)op->step) {
    case USAGE_ASK:
        request.path = xstrdup("/system/df?verbose=true");
        return operation_ask(op, USAGE_ANSWER, request, err);
    case USAGE_ANSWER:
        r = resource_read(op, JSON_OBJECT, &reply, err);
        return r < 0 ? r : operation_answer(op, describe_usage(reply));
    }
    return -EINVAL;
}

const struct operation_type disk_usage = {
    RESOURCE_TYPE,
    .steps = usage_steps,
    .advance = advance_usage,
};
