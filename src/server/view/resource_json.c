#include "server/view/resource_json.h"
#include "base/macros.h"

#include <math.h>
#include <stdint.h>

enum member_type {
    MEMBER_END,
    MEMBER_TEXT,
    MEMBER_NUMBER,
    MEMBER_NUMBER_OR_NULL, /* null if it is absent */
    MEMBER_FLAG,
    MEMBER_TEXTS,
    MEMBER_USERS,  /* [{"id", "name"}] */
    MEMBER_LABELS, /* object of strings, or null */
    MEMBER_ITEMS,  /* objects of an engine with their sizes */
};

#define MAX_MEMBERS 11

struct member {
    const char *name;
    enum member_type type;
};

static const struct member shapes[][MAX_MEMBERS + 1] = {
    [SHAPE_IMAGE] = {{"id", MEMBER_TEXT},
                     {"tags", MEMBER_TEXTS},
                     {"size", MEMBER_NUMBER},
                     {"created", MEMBER_TEXT},
                     {"in_use", MEMBER_FLAG},
                     {"container_count", MEMBER_NUMBER},
                     {"containers", MEMBER_USERS},
                     {"dangling", MEMBER_FLAG},
                     {"labels", MEMBER_LABELS}},
    [SHAPE_NETWORK] = {{"id", MEMBER_TEXT},
                     {"name", MEMBER_TEXT},
                     {"driver", MEMBER_TEXT},
                     {"scope", MEMBER_TEXT},
                     {"created", MEMBER_TEXT},
                     {"internal", MEMBER_FLAG},
                     {"subnet", MEMBER_TEXT},
                     {"containers", MEMBER_USERS},
                     {"container_count", MEMBER_NUMBER},
                     {"is_builtin", MEMBER_FLAG},
                     {"labels", MEMBER_LABELS}},
    [SHAPE_VOLUME] = {{"name", MEMBER_TEXT},
                     {"driver", MEMBER_TEXT},
                     {"mountpoint", MEMBER_TEXT},
                     {"created", MEMBER_TEXT},
                     {"containers", MEMBER_USERS},
                     {"container_count", MEMBER_NUMBER},
                     {"in_use", MEMBER_FLAG},
                     {"scope", MEMBER_TEXT},
                     {"labels", MEMBER_LABELS}},
    [SHAPE_PRUNED_IMAGES] = {{"removed_count", MEMBER_NUMBER},                                {"space_reclaimed", MEMBER_NUMBER}           },
    [SHAPE_PRUNED_NETWORKS] = {{"removed_count", MEMBER_NUMBER},
                     {"networks_removed", MEMBER_TEXTS}            },
    [SHAPE_PRUNED_VOLUMES] = {{"removed_count", MEMBER_NUMBER},
                     {"space_reclaimed", MEMBER_NUMBER_OR_NULL},
                     {"volumes_removed", MEMBER_TEXTS}                         },
    [SHAPE_UNUSED_IMAGES] = {{"removed_count", MEMBER_NUMBER},
                     {"space_reclaimed", MEMBER_NUMBER},
                     {"images_removed", MEMBER_TEXTS}                       },
    [SHAPE_DISK_USAGE] = {{"type", MEMBER_TEXT},
                     {"total", MEMBER_NUMBER},
                     {"active", MEMBER_NUMBER},
                     {"size", MEMBER_NUMBER},
                     {"reclaimable", MEMBER_NUMBER},
                     {"items", MEMBER_ITEMS}      },
};

static json_t *make_text(const json_t *v)
{
    return json_is_string(v) ? json_incref((json_t *)(uintptr_t)v) : json_string("");
}

static json_t *make_number(const json_t *v)
{
    double real = json_real_value(v); /* 0 if it is not a real number */

    return json_integer(fabs(real) > 0 && fabs(real) < 9e15 ? (json_int_t)real
                                                            : json_integer_value(v));
}

static json_t *make_texts(const json_t *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(v); i++) {
        if (json_is_string(json_array_get(v, i)))
            (void)json_array_append(list, json_array_get(v, i));
    }
    return list;
}

static json_t *make_users(const json_t *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *element = json_array_get(v, i);
        json_t *o = json_object();

        (void)json_object_set_new(o, "id", make_text(json_object_get(element, "id")));
        (void)json_object_set_new(o, "name", make_text(json_object_get(element, "name")));
        (void)json_array_append_new(list, o);
    }
    return list;
}

/* Null if the agent has not sent them. */
static json_t *make_labels(const json_t *v)
{
    json_t *o = json_is_object(v) ? json_object() : json_null();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)v, key, value)
    {
        if (json_is_string(value))
            (void)json_object_set(o, key, value);
    }
    return o;
}

static json_t *make_items(const json_t *v)
{
    static const char *const texts[] = {"id", "name", "created"};
    static const char *const numbers[] = {"size", "shared_size", "links"};
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        json_t *o = json_object();

        for (size_t k = 0; k < ARRAY_LEN(texts); k++)
            (void)json_object_set_new(o, texts[k], make_text(json_object_get(item, texts[k])));
        for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
            json_t *number = make_number(json_object_get(item, numbers[k]));

            (void)json_object_set_new(o, numbers[k], number);
        }
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *make_member(enum member_type type, const json_t *v)
{
    switch (type) {
    case MEMBER_TEXT: return make_text(v);
    case MEMBER_NUMBER: return make_number(v);
    case MEMBER_NUMBER_OR_NULL: return json_is_number(v) ? make_number(v) : json_null();
    case MEMBER_FLAG: return json_boolean(json_is_true(v));
    case MEMBER_TEXTS: return make_texts(v);
    case MEMBER_USERS: return make_users(v);
    case MEMBER_LABELS: return make_labels(v);
    case MEMBER_ITEMS: return make_items(v);
    case MEMBER_END: break;
    }
    return json_null();
}

json_t *resource_json(enum resource_shape shape, const json_t *v)
{
    json_t *o;

    if (!json_is_object(v))
        return NULL;
    o = json_object();
    for (const struct member *m = shapes[shape]; m->name; m++)
        (void)json_object_set_new(o, m->name, make_member(m->type, json_object_get(v, m->name)));
    return o;
}

json_t *resource_json_list(enum resource_shape shape, const json_t *v)
{
    json_t *list;

    if (!json_is_array(v) && !json_is_null(v))
        return NULL;
    list = json_array();
    for (size_t i = 0; i < json_array_size(v); i++) {
        json_t *o = resource_json(shape, json_array_get(v, i));

        if (o)
            (void)json_array_append_new(list, o);
    }
    return list;
}
