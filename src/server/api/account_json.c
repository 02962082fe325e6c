#include "server/api/account_json.h"
#include "proto/json_text.h"
#include "server/rights/capabilities.h"
#include "server/rights/groups.h"

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
