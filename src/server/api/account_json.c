#include "server/api/account_json.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/rights/capabilities.h"
#include "server/rights/groups.h"

#include <inttypes.h>
#include <stdio.h>

json_t *account_groups_json(enum role role)
{
    const struct group *g = group_of_role(role);

    return json_pack("[{s:I, s:o}]", "id", (json_int_t)g->id, "name", json_text_str(g->name));
}

json_t *account_capabilities_json(const struct identity *who)
{
    bool has_scope = scope_is_limited(&who->scope), is_limited = identity_is_limited_key(who);
    json_t *names = json_array();

    for (size_t i = 0; i < n_capabilities; i++) {
        if (capability_is_given(&capabilities[i], who->role, has_scope, is_limited))
            (void)json_array_append_new(names, json_text_str(capabilities[i].name));
    }
    return names;
}

static json_t *make_capability_json(const struct capability *c)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "capability", json_text_str(c->name), "name",
                     json_text_str(c->title), "category", json_text_str(c->category), "description",
                     json_text_str(c->description));
}

json_t *account_capability_list_json(void)
{
    json_t *list = json_array(), *categories = json_array();

    for (size_t i = 0; i < n_capabilities; i++) {
        (void)json_array_append_new(list, make_capability_json(&capabilities[i]));
        if (i == 0 || !str_eq(capabilities[i].category, capabilities[i - 1].category))
            (void)json_array_append_new(categories, json_text_str(capabilities[i].category));
    }
    return json_pack("{s:o, s:o}", "capabilities", list, "categories", categories);
}

static json_t *make_group_permissions(enum role role)
{
    json_t *given = json_object();

    for (size_t i = 0; i < n_capabilities; i++) {
        const struct capability *c = &capabilities[i];

        (void)json_object_set_new(given, c->name,
                                  json_boolean(capability_is_given(c, role, false, false)));
    }
    return given;
}

json_t *account_permissions_json(void)
{
    json_t *by_group = json_object();

    for (size_t i = 0; i < n_groups; i++) {
        char id[24];

        (void)snprintf(id, sizeof(id), "%" PRId64, groups[i].id);
        (void)json_object_set_new(by_group, id, make_group_permissions(groups[i].role));
    }
    return json_pack("{s:o}", "permissions", by_group);
}
