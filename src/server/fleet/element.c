#include "server/fleet/element.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/container.h"
#include "proto/json_text.h"
#include "server/fleet/fleet.h"

#define LABEL_COST 128 /* bytes that a label takes besides its text */
#define MAX_FIELD  64  /* bytes of a member's name in a warning */

#define CUT_WARNINGS    100 /* per host in CUT_WARNINGS_MS: an agent can invent containers */
#define CUT_WARNINGS_MS (UINT64_C(3600) * 1000)

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

static bool is_label_cut(const json_t *labels)
{
    size_t size = 0;
    const char *name;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)labels, name, v)
    {
        const char *value = json_text_get(labels, name);

        if (!value)
            continue;
        if (strlen(value) > FLEET_MAX_LABEL || size + strlen(name) >= FLEET_MAX_LABEL_BYTES)
            return true;
        size += strlen(name) + strlen(value) + LABEL_COST;
    }
    return false;
}

const char *element_find_cut(const json_t *element, const json_t *kept)
{
    const char *name;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)element, name, v)
    {
        if (!json_object_get(kept, name))
            return name;
    }
    return is_label_cut(json_object_get(element, "Labels")) ? "Labels"
                                                            : msg_container_find_cut(element);
}

bool element_warn_of_cut(struct fleet_host *h, const char *id, const char *field)
{
    uint64_t now_ms = time_monotonic_ms();

    if (!field)
        return false;
    if (now_ms - h->cut_warnings.since_ms > CUT_WARNINGS_MS) {
        h->cut_warnings.since_ms = now_ms;
        h->cut_warnings.n = 0;
    }
    if (h->cut_warnings.n >= CUT_WARNINGS)
        return true;
    h->cut_warnings.n++;
    log_warn(LOG_FIELDS("host", h->row.id, "container", id),
             "parts of the container are cut: %.*s is too long%s", STR_CUT(field, MAX_FIELD),
             h->cut_warnings.n == CUT_WARNINGS ? " (further ones are not logged for an hour)" : "");
    return true;
}

void element_note_event(struct fleet_host *h, const char *id, const char *field)
{
    struct fleet_container *c = map_find(&h->containers, id);

    if (c && !c->is_cut)
        c->is_cut = element_warn_of_cut(h, id, field);
}
