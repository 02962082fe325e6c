#include "server/api/scope_check.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/fleet/scope_view.h"

#include <errno.h>
#include <stdio.h>

#define INSPECT_MS 5000

static bool refuse_part(struct api_call *call, const struct fleet_host *h)
{
    api_fail_code(
        call, CODE_OUT_OF_SCOPE,
        "Permission denied: the scope of %s does not cover all of host %s, as this request needs",
        call->who.name, h->row.name);
    return false;
}

/* Returns the id of the container of an inspect if the scope covers it; NULL if not. */
static const char *find_covered(const struct api_call *call,
                                const struct fleet_host *h,
                                const struct command_result *reply)
{
    const json_t *container = json_object_get(reply->result, "container");
    const json_t *labels = json_object_get(json_object_get(container, "Config"), "Labels");
    const char *id = json_string_value(json_object_get(container, "Id"));
    struct scope_view view;

    if (reply->code < 0 || !id || !str_is_hex(id, CONTAINER_ID_LEN))
        return NULL;
    scope_view_host(&call->who.scope, h, &view);
    return scope_view_labels(&view, labels) ? id : NULL;
}

static void on_inspect(void *owner, const struct command_result *reply)
{
    struct api_call *call = owner;
    const struct fleet_host *h = fleet_find_host(call->api->o.fleet, api_param(call, 0));
    const char *id;

    if (!call->api->http) {
        api_fail(call, -ENOTCONN, "the server is stopping");
        return;
    }
    if (!h) {
        api_fail_deleted_host(call);
        return;
    }
    id = find_covered(call, h, reply);
    if (!id) {
        api_fail_container(call, h, -ENOENT);
        return;
    }
    free(call->match.params[1]);
    call->match.params[1] = xstrdup(id);
    call->match.route->handle(call);
}

/*
 * The engine may know a container that the live model does not know yet, or under another name. It
 * is asked also for a container that the scope does not cover, so that the time of the answer does
 * not reveal which containers exist.
 */
static void ask_engine(struct api_call *call, const struct fleet_host *h)
{
    if (!str_is_container_ref(api_param(call, 1)) || !h->agent.id || !h->is_online) {
        api_fail_container(call, h, -ENOENT);
        return;
    }
    command_start(
        sessions_commands(call->api->o.sessions),
        &(struct command_request){
            .agent_id = h->agent.id,
            .operation = OPERATION_INSPECT,
            .payload = json_pack("{s:o}", "container_id", json_text_str(api_param(call, 1))),
            .timeout_ms = INSPECT_MS,
            .is_routine = true,
            .done = on_inspect,
            .owner = call,
        });
}

/* False: the call was answered, or is handled when the engine has answered. */
static bool check_container(struct api_call *call, const struct fleet_host *h)
{
    const struct scope *s = &call->who.scope;
    struct fleet_container *c = NULL;

    if (scope_allows_whole_host(s, h) ||
        (fleet_find_container(h, api_param(call, 1), &c) == 0 && scope_allows_container(s, h, c)))
        return true;
    ask_engine(call, h);
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
