#include "server/api/scope_body.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>

static const char *find_host(void *arg, const char *ref)
{
    const struct fleet *f = arg;
    const struct fleet_host *h = fleet_find_host(f, ref);

    if (h)
        return h->row.id;
    map_foreach(fleet_hosts(f), e) {
        h = e->value;
        if (str_eq(h->row.name, ref))
            return h->row.id;
    }
    return NULL;
}

int api_body_scope(const struct api_call *call, const json_t *body, char **ret, struct error *err)
{
    const json_t *list = json_object_get(body, "scope");
    struct scope_rules rules = {0};

    if (list && !json_is_null(list) && !json_is_array(list))
        return error_set(err, -EDOM, "`scope` must be a list of rules such as `host=NAME`");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *rule = json_array_get(list, i);
        int r;

        if (!json_is_string(rule) || strlen(json_string_value(rule)) != json_string_length(rule))
            return error_set(err, -EDOM, "a rule of `scope` must be a string");
        r = scope_rules_add(&rules, json_string_value(rule), find_host, call->api->o.fleet, err);
        if (r < 0)
            return r;
    }
    *ret = scope_rules_text(&rules);
    return 0;
}
