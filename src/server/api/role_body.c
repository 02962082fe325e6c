#include "server/api/role_body.h"
#include "server/rights/groups.h"

#include <errno.h>

/* Raises *role to that of the group. */
static int add_group(const json_t *id, const char *member, enum role *role, struct error *err)
{
    const struct group *g = json_is_integer(id) ? group_find(json_integer_value(id)) : NULL;

    if (!g) {
        return error_set(err, -EDOM,
                         "`%s` must be 1 (Administrators), 2 (Operators) or 3 (Read Only)", member);
    }
    if (g->role > *role)
        *role = g->role;
    return 0;
}

static int read_groups(const json_t *body, enum role *ret, struct error *err)
{
    const json_t *ids = json_object_get(body, "group_ids"), *id = json_object_get(body, "group_id");
    int r = 0;

    if (ids && !json_is_null(ids) && (!json_is_array(ids) || json_array_size(ids) == 0))
        return error_set(err, -EDOM, "`group_ids` must be a list of at least one group");
    for (size_t i = 0; r == 0 && i < json_array_size(ids); i++)
        r = add_group(json_array_get(ids, i), "group_ids", ret, err);
    if (r == 0 && id && !json_is_null(id))
        r = add_group(id, "group_id", ret, err);
    return r;
}

int api_body_role(const json_t *body, enum role *ret, struct error *err)
{
    const json_t *text = json_object_get(body, "role");
    enum role named = ROLE_NONE, grouped = ROLE_NONE;
    int r;

    if (text && !json_is_null(text) &&
        (!json_is_string(text) || role_parse(json_string_value(text), &named) < 0))
        return error_set(err, -EDOM, "`role` must be viewer, operator or admin");
    r = read_groups(body, &grouped, err);
    if (r == 0 && named && grouped && named != grouped)
        r = error_set(err, -EDOM, "`role` and the group name different roles");
    *ret = named ? named : grouped;
    return r;
}
