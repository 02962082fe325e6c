#include "server/api/scope_check.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/fleet/scope_view.h"

#include <errno.h>
#include <stdio.h>

static bool refuse_part(struct api_call *call, const struct fleet_host *h)
{
    api_fail_code(
        call, CODE_OUT_OF_SCOPE,
        "Permission denied: the scope of %s does not cover all of host %s, as this request needs",
        call->who.name, h->row.name);
    return false;
}

/* A container that the live model does not know is accessible only to callers with access to the
 * whole host. */
static bool check_container(struct api_call *call, const struct fleet_host *h)
{
    const struct scope *s = &call->who.scope;
    struct fleet_container *c = NULL;
    int r = fleet_find_container(h, api_param(call, 1), &c);

    if (r < 0 ? scope_allows_whole_host(s, h) : scope_allows_container(s, h, c))
        return true;
    api_fail_container(call, h, -ENOENT);
    return false;
}

bool scope_check(struct api_call *call)
{
    const struct scope *s = &call->who.scope;
    enum route_object object = call->match.route->object;
    bool is_agent = object == OBJECT_AGENT || object == OBJECT_WHOLE_AGENT;
    bool is_whole = object == OBJECT_WHOLE_HOST || object == OBJECT_WHOLE_AGENT;
    const struct fleet_host *h;

    if (object == OBJECT_USERS && identity_is_limited_key(&call->who)) {
        api_fail(
            call, -EACCES,
            "Permission denied: the API key %s has an expiry, networks or a scope, which a user "
            "does not have; manage users with a session or with a key without limits",
            call->who.name);
        return false;
    }
    if (!scope_is_limited(s) || object == OBJECT_NONE || object == OBJECT_LIST)
        return true;
    if (object == OBJECT_GLOBAL || object == OBJECT_USERS || object == OBJECT_UNDECIDED) {
        api_fail_code(
            call, CODE_OUT_OF_SCOPE,
            "Permission denied: %s %s concerns the whole installation, and %s has a scope",
            call->match.route->method, call->match.route->pattern, call->who.name);
        return false;
    }
    h = is_agent ? fleet_find_agent(call->api->o.fleet, api_param(call, 0))
                 : fleet_find_host(call->api->o.fleet, api_param(call, 0));
    if (!h || !scope_allows_host(s, h)) {
        if (is_agent) {
            api_fail_no_agent(call, api_param(call, 0));
        } else {
            api_fail_no_host(call, api_param(call, 0));
        }
        return false;
    }
    if (is_whole && !scope_allows_whole_host(s, h))
        return refuse_part(call, h);
    return object != OBJECT_CONTAINER || check_container(call, h);
}

/* --- events ----------------------------------------------------------------------------------- */

/* Events name containers by their short id. */
static void add_containers(json_t *list, const struct fleet_host *h, const struct scope_view *view)
{
    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;

        if (scope_view_container(view, c)) {
            _cleanup_free_ char *name = xasprintf("%s/%.*s", h->row.id, CONTAINER_SHORT_ID_LEN,
                                                  c->id);

            (void)json_array_append_new(list, json_text_str(name));
        }
    }
}

void scope_events_init(struct scope_events *ret, const struct scope *s, const struct fleet *f)
{
    json_t *hosts, *containers;

    *ret = (struct scope_events){0};
    if (!scope_is_limited(s))
        return;
    hosts = json_array();
    containers = json_array();
    map_foreach(fleet_hosts(f), e) {
        const struct fleet_host *h = e->value;
        struct scope_view view;

        scope_view_host(s, h, &view);
        if (scope_view_whole(&view)) {
            (void)json_array_append_new(hosts, json_string(h->row.id));
        } else if (scope_view_any(&view)) {
            add_containers(containers, h, &view);
        }
    }
    ret->hosts = json_dumps(hosts, JSON_COMPACT);
    ret->containers = json_dumps(containers, JSON_COMPACT);
    json_decref(hosts);
    json_decref(containers);
}
