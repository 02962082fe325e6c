#include "server/fleet/element.h"

#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/fleet/fleet.h"

#define LABEL_COST 128 /* bytes that a label takes besides its text */

/* Sets a label; its value is cut. Returns the bytes that it takes. */
static size_t add_label(json_t *labels, const char *name, const char *value)
{
    size_t size = strlen(value), n = str_cut(value, size, FLEET_MAX_LABEL);
    _cleanup_free_ char *cut = n < size ? xasprintf("%.*s\u2026", (int)n, value) : NULL;

    json_text_set(labels, name, json_text_str(cut ? cut : value));
    return strlen(name) + n + LABEL_COST;
}

json_t *element_copy_labels(const json_t *from, size_t *ret_size)
{
    json_t *labels = from ? json_object() : NULL, *v;
    const char *name;

    *ret_size = 0;
    json_object_foreach((json_t *)(uintptr_t)from, name, v)
    {
        const char *value = json_text_get(from, name);

        if (value && *ret_size + strlen(name) < FLEET_MAX_LABEL_BYTES)
            *ret_size += add_label(labels, name, value);
    }
    return labels;
}

json_t *element_reduce(const json_t *element)
{
    size_t left = FLEET_MAX_ELEMENT, size;
    json_t *small = json_object(), *v;
    const char *name;

    json_object_foreach((json_t *)(uintptr_t)element, name, v)
    {
        if (str_eq(name, "Labels") && json_is_object(v)) {
            json_text_set(small, name, element_copy_labels(v, &size));
            continue;
        }
        size = strlen(name) + json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
        if (size > FLEET_MAX_ELEMENT / 16 || size > left)
            continue;
        json_text_set(small, name, json_incref(v));
        left -= size;
    }
    return small;
}
