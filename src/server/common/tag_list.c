#include "server/common/tag_list.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>

int tag_list_check(const json_t *tags, struct error *err)
{
    size_t i;
    const json_t *v;

    if (!json_is_array(tags) || json_array_size(tags) > TAG_LIST_MAX)
        return error_set(err, -EDOM, "`tags` must be a list of at most %d tags", TAG_LIST_MAX);
    json_array_foreach((json_t *)(uintptr_t)tags, i, v)
    {
        if (!json_is_string(v) || json_string_length(v) == 0 || json_string_length(v) > TAG_MAX)
            return error_set(err, -EDOM, "a tag must be a string of 1 to %d bytes", TAG_MAX);
    }
    return 0;
}

static bool has_tag(const json_t *tags, const char *tag)
{
    for (size_t i = 0; i < json_array_size(tags); i++) {
        if (str_eq(json_string_value(json_array_get(tags, i)), tag))
            return true;
    }
    return false;
}

void tag_list_add(json_t *to, const json_t *tags, const json_t *except)
{
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *text = json_string_value(json_array_get(tags, i));
        _cleanup_free_ char *tag = xstrdup(text ? text : "");

        for (char *p = tag; *p; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
        if (*tag && !has_tag(except, tag) && !has_tag(to, tag))
            (void)json_array_append_new(to, json_text_str(tag));
    }
}

json_t *tag_list_merge(const json_t *now, const json_t *add, const json_t *remove)
{
    json_t *next = json_array(), *except = json_array();

    tag_list_add(except, remove, NULL);
    tag_list_add(next, now, except);
    tag_list_add(next, add, NULL);
    json_decref(except);
    return next;
}
