#include "cli/common/member.h"

const char *member_text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));

    return s ? s : "";
}

const char *member_full_id(const json_t *object)
{
    const char *id = member_text(object, "full_id");

    return *id ? id : member_text(object, "id");
}

const char *member_state(const json_t *container)
{
    const char *last = member_text(container, "last_state");

    return *last ? last : member_text(container, "state");
}

json_int_t member_integer(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

bool member_is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}
