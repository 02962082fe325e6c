#include "server/maintenance/health.h"
#include "server/api/handlers.h"

#include <errno.h>

/*
 * For load balancers, `dockmon version`, `dockmond health` and agents' --check. Strangers get the
 * status; version, uptime and numbers of agents are for users and for programs of this machine.
 */

static void reply(struct api_call *call, bool is_full)
{
    const struct health *h = call->api->o.health;

    api_reply(call, health_is_serving(h) ? 200 : 503,
              is_full ? health_json(h) : health_summary_json(h));
}

static void on_identity(void *owner, int code, const struct identity *who)
{
    struct api_call *call = owner;

    if (!call->api->http) {
        api_fail(call, -ENOTCONN, "the server is stopping");
        return;
    }
    reply(call, code == 0 && !who->must_change_password);
}

void health_get(struct api_call *call)
{
    struct credentials *c = call->credentials;

    if (call->is_local || (!c->session_id && !c->bearer)) {
        reply(call, call->is_local);
    } else {
        credentials_check(c, call->api->o.auth, on_identity, call);
    }
}
