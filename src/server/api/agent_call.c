#include "server/api/agent_call.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/error_code.h"
#include "server/fleet/scope_view.h"

#include <errno.h>
#include <string.h>

#define PLAIN_MS       30000
#define STOP_MARGIN_MS 20000 /* added to a stop timeout, for the engine */

int api_command_status(const struct command_result *r, char **ret_text)
{
    if (r->reason == CODE_UNKNOWN_OPERATION) {
        *ret_text = xasprintf("The agent of this host is too old for this: %s. Update the agent",
                              r->message);
    }
    /*
     * Client errors of the engine keep their status, except that 401 and 405 would be about the
     * client's own request. Other failures of the engine are errors of the server.
     */
    if (r->code == -EREMOTEIO && r->reason != CODE_ENGINE_REFUSED && r->engine_status >= 400 &&
        r->engine_status <= 499)
        return r->engine_status;
    return error_code_status(r->reason);
}

void api_fail_command(struct api_call *call, const struct command_result *r)
{
    _cleanup_free_ char *text = NULL;
    int status = api_command_status(r, &text);

    call->is_logged = true; /* by the module of commands */
    api_fail_as(call, status, r->reason, "%s", text ? text : r->message);
}

bool api_agent_check(struct api_call *call, const struct fleet_host *h)
{
    char when[TIME_TEXT_SIZE];

    if (!h->agent.id) {
        api_fail_code(call, CODE_NO_AGENT, "Host %s has no agent", h->row.name);
        return false;
    }
    if (!h->is_online) {
        api_fail(call, -ENOTCONN,
                 "Host %s is offline: its agent was last seen at %s. Check the agent there",
                 h->row.name, h->seen_at_ms ? time_format_ms(h->seen_at_ms, when) : "no time");
        return false;
    }
    return true;
}

struct fleet_host *api_agent_host(struct api_call *call)
{
    struct fleet_host *h = api_host(call, 0);

    return h && api_agent_check(call, h) ? h : NULL;
}

bool api_target_find(struct api_call *call, struct api_target *ret)
{
    const char *ref = api_param(call, 1);
    struct api_target t = {.host = api_host(call, 0)};
    bool is_certain;
    int r;

    if (!t.host)
        return false;
    if (!str_is_container_ref(ref)) {
        api_fail_code(call, CODE_INVALID_ARGUMENT,
                      "Invalid container id or name: use letters, digits, `_`, `.` and `-`");
        return false;
    }
    r = fleet_find_container(t.host, ref, &t.container);
    if (r == -EEXIST) {
        api_fail_container(call, t.host, r);
        return false;
    }
    if (!api_agent_check(call, t.host))
        return false;
    is_certain = t.container && (str_starts_with(t.container->id, ref) ||
                                 !scope_allows_whole_host(&call->who.scope, t.host));
    str_copy(t.ref, sizeof(t.ref), is_certain ? t.container->id : ref);
    *ret = t;
    return true;
}

char *api_target_text(const struct api_target *t)
{
    return xasprintf("%s/%s", t->host->row.name, t->container ? t->container->name : t->ref);
}

void api_agent_ask(struct api_call *call, const struct fleet_host *h, const struct api_operation *o)
{
    struct command_request request = {
        .agent_id = h->agent.id,
        .operation = o->operation,
        .payload = o->payload,
        .timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : api_operation_timeout_ms(o->operation, 0),
        .may_retry = true,
        .done = o->done,
        .owner = o->owner,
    };

    command_start(sessions_commands(call->api->o.sessions), &request);
}

uint64_t api_operation_timeout_ms(enum operation_id operation, uint64_t stop_s)
{
    /* Go agents have the same. */
    static const uint64_t others_ms[OPERATIONS] = {
        [OPERATION_INSPECT] = 15000,        [OPERATION_REMOVE_IMAGE] = 60000,
        [OPERATION_PRUNE_IMAGES] = 120000,  [OPERATION_DELETE_NETWORK] = 60000,
        [OPERATION_PRUNE_NETWORKS] = 60000, [OPERATION_DELETE_VOLUME] = 60000,
        [OPERATION_PRUNE_VOLUMES] = 60000,  [OPERATION_DISK_USAGE] = 120000,
    };

    if (operation_spec(operation)->arguments & TAKES_TIMEOUT)
        return stop_s * 1000 + STOP_MARGIN_MS;
    return others_ms[operation] > 0 ? others_ms[operation] : PLAIN_MS;
}
