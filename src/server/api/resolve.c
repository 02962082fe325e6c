/*
 * GET /api/containers/resolve: the containers that a word names, by the engines of all hosts that
 * are online. A container that was created a moment ago, or renamed by somebody else, is found
 * before the live model knows of it.
 */

#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/fleet/scope_view.h"

#include <errno.h>

#define INSPECT_MS 5000
#define MAX_HOSTS  1000

struct resolve {
    struct api_call *call;
    size_t n_pending;
    json_t *found;
};

struct question {
    struct resolve *resolve;
    char *host_id;
};

static void finish_one(struct resolve *r)
{
    if (--r->n_pending > 0)
        return;
    api_reply(r->call, 200, r->found);
    free(r);
}

/* Adds the container of a reply to an inspect, if the caller may see it. */
static void add(struct resolve *r, const struct fleet_host *h, const json_t *container)
{
    const char *id = json_string_value(json_object_get(container, "Id"));
    const char *name = json_string_value(json_object_get(container, "Name"));
    const json_t *labels = json_object_get(json_object_get(container, "Config"), "Labels");
    struct scope_view view;

    if (!id || !str_is_hex(id, CONTAINER_ID_LEN) || !name)
        return;
    scope_view_host(&r->call->who.scope, h, &view);
    if (!scope_view_labels(&view, labels))
        return;
    (void)json_array_append_new(
        r->found, json_pack("{s:o, s:o, s:o, s:o, s:o}", "host_id", json_text_str(h->row.id), "id",
                            json_stringn(id, CONTAINER_SHORT_ID_LEN), "full_id", json_text_str(id),
                            "name", json_text_str(name[0] == '/' ? name + 1 : name), "host_name",
                            json_text_str(h->row.name ? h->row.name : "")));
}

static void on_inspect(void *owner, const struct command_result *reply)
{
    struct question *q = owner;
    struct resolve *r = q->resolve;
    const struct fleet_host *h = fleet_find_host(r->call->api->o.fleet, q->host_id);

    if (reply->code == 0 && h)
        add(r, h, json_object_get(reply->result, "container"));
    free(q->host_id);
    free(q);
    finish_one(r);
}

static void ask(struct resolve *r, const struct fleet_host *h, const char *ref)
{
    struct question *q = xcalloc(1, sizeof(*q));

    q->resolve = r;
    q->host_id = xstrdup(h->row.id);
    r->n_pending++;
    command_start(
        sessions_commands(r->call->api->o.sessions),
        &(struct command_request){.agent_id = h->agent.id,
                                  .operation = OPERATION_INSPECT,
                                  .payload = json_pack("{s:o}", "container_id", json_text_str(ref)),
                                  .timeout_ms = INSPECT_MS,
                                  .is_routine = true, /* most hosts do not have it */
                                  .done = on_inspect,
                                  .owner = q});
}

static bool is_asked(const struct resolve *r, const struct fleet_host *h, const char *host)
{
    return h->agent.id && h->is_online && r->n_pending <= MAX_HOSTS &&
           scope_allows_host(&r->call->who.scope, h) &&
           (str_is_empty(host) || str_eq(host, h->row.id) || str_eq(host, h->row.name));
}

void containers_resolve_get(struct api_call *call)
{
    _cleanup_free_ char *ref = api_query(call, "ref"), *host = api_query(call, "host");
    struct resolve *r;

    if (!ref || !str_is_container_ref(ref)) {
        api_fail_code(call, CODE_INVALID_VALUE,
                      "query parameter `ref` must be the id or the name of a container");
        return;
    }
    r = xcalloc(1, sizeof(*r));
    r->call = call;
    r->found = json_array();
    r->n_pending = 1; /* until all are asked */
    map_foreach(fleet_hosts(call->api->o.fleet), e) {
        if (is_asked(r, e->value, host))
            ask(r, e->value, ref);
    }
    finish_one(r); /* r may be gone now */
}
