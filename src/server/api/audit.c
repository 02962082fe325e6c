#include "server/api/audit.h"
#include "base/alloc.h"
#include "base/time.h"

void audit_call(const struct api_call *call, int status, const json_t *body)
{
    const struct route *route = call->match.route;
    const char *detail = json_string_value(json_object_get(body, "detail"));
    struct audit_entry entry;

    if (!route || !route->action)
        return;
    entry = (struct audit_entry){
        .at_ms = time_utc_ms(),
        .who = xstrdup(call->who.name[0] ? call->who.name : "-"),
        .peer = xstrdup(call->peer),
        .action = xstrdup(route->action),
        .target = xstrdup(call->target ? call->target : api_param(call, 0)),
        .result = status < 400 ? xstrdup("ok") : xasprintf("%d %s", status, detail ? detail : ""),
    };
    audit_add(call->api->o.store, call->api->o.store_jobs, &entry);
}
