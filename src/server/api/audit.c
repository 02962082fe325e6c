#include "server/api/audit.h"
#include "base/alloc.h"
#include "base/time.h"
#include "server/api/handlers.h"

#define UNAUTHENTICATED_BURST      200.0
#define UNAUTHENTICATED_PER_SECOND 0.1

/* Returns whether to record the call. Failed logins are always recorded: they have a rate limit of
 * their own, and other calls must not crowd them out. */
static bool should_record(const struct api_call *call, int status, unsigned *ret_unrecorded)
{
    struct api *a = call->api;

    *ret_unrecorded = 0;
    if ((call->who.name[0] && status != 429) ||
        (call->match.route->handle == login_post && status == 401))
        return true;
    if (!bucket_take(&a->unauthenticated, UNAUTHENTICATED_BURST, UNAUTHENTICATED_PER_SECOND,
                     time_monotonic_ms())) {
        a->n_unrecorded++;
        return false;
    }
    *ret_unrecorded = a->n_unrecorded;
    a->n_unrecorded = 0;
    return true;
}

static char *make_result_text(int status, const json_t *body, unsigned n_unrecorded)
{
    const char *detail = json_string_value(json_object_get(body, "detail"));

    if (n_unrecorded > 0) {
        return xasprintf("%d %s; %u earlier refused calls were not recorded", status,
                         detail ? detail : "", n_unrecorded);
    }
    return status < 400 ? xstrdup("ok") : xasprintf("%d %s", status, detail ? detail : "");
}

void audit_call(const struct api_call *call, int status, const json_t *body)
{
    const struct route *route = call->match.route;
    struct audit_entry entry;
    unsigned n_unrecorded;

    if (!route || !route->action || !should_record(call, status, &n_unrecorded))
        return;
    entry = (struct audit_entry){
        .at_ms = time_utc_ms(),
        .who = xstrdup(call->who.name[0] ? call->who.name : "-"),
        .peer = xstrdup(call->peer),
        .action = xstrdup(route->action),
        .target = xstrdup(call->target ? call->target : api_param(call, 0)),
        .result = make_result_text(status, body, n_unrecorded),
    };
    audit_add(call->api->o.store, call->api->o.store_jobs, &entry);
}
