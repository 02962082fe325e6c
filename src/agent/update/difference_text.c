/*
 * Differences for people: the text of an error, and the changes that a preview lists.
 */

#include "agent/update/difference_internal.h"
#include "agent/update/plan_internal.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16
#define MAX_TEXT  600
#define MAX_VALUE 80 /* bytes of a value in the text */

static char *write_value(const json_t *v)
{
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    return text ? text : xstrdup("nothing");
}

char *difference_describe(const json_t *differences)
{
    char text[MAX_TEXT + 1] = "";
    size_t n = 0, i;
    json_t *one;

    json_array_foreach(differences, i, one)
    {
        _cleanup_free_ char *before = write_value(json_object_get(one, "before"));
        _cleanup_free_ char *after = write_value(json_object_get(one, "after"));
        int length = snprintf(text + n, sizeof(text) - n, "%s%s (%.*s, now %.*s)",
                              i > 0 ? ", " : "", json_text_get(one, "path"),
                              STR_CUT(before, MAX_VALUE), STR_CUT(after, MAX_VALUE));

        if (length < 0 || (size_t)length >= sizeof(text) - n)
            break; /* cut */
        n += (size_t)length;
    }
    str_mend(text);
    return xstrdup(text);
}

struct lister {
    json_t *list;
    size_t max;
};

static void list(const struct lister *l,
                 const char *path,
                 const json_t *before,
                 const json_t *after,
                 unsigned depth);

static void list_members(const struct lister *l,
                         const char *path,
                         const json_t *before,
                         const json_t *after,
                         unsigned depth)
{
    json_auto_t *keys = json_object();
    const char *key;
    json_t *value;

    (void)json_object_update(keys, plan_mutable(before));
    (void)json_object_update(keys, plan_mutable(after));
    json_object_foreach(keys, key, value)
    {
        _cleanup_free_ char *member = xasprintf("%s.%s", path, key);

        list(l, member, json_object_get(before, key), json_object_get(after, key), depth + 1);
    }
}

static json_t *share(const json_t *v)
{
    return v ? json_incref(plan_mutable(v)) : json_null();
}

static void list(const struct lister *l,
                 const char *path,
                 const json_t *before,
                 const json_t *after,
                 unsigned depth)
{
    json_t *one;

    if (difference_is_same(before, after) || json_array_size(l->list) >= l->max)
        return;
    if (json_is_object(before) && json_is_object(after) && depth < MAX_DEPTH) {
        list_members(l, path, before, after, depth);
        return;
    }
    one = json_object();
    json_text_set(one, "path", json_text_str(path));
    json_text_set(one, "before", share(before));
    json_text_set(one, "after", share(after));
    plan_array_add(l->list, one);
}

json_t *difference_list(const json_t *before, const json_t *after, const char *prefix, size_t max)
{
    struct lister l = {json_array(), max};

    list(&l, prefix, before, after, 0);
    return l.list;
}
