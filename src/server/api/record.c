#include "server/api/record.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/time.h"
#include "server/common/event_record.h"

void record_operation(const struct api_call *call, const struct record_operation *o)
{
    const char *name = o->container_name ? o->container_name : o->container_id;
    const struct event event = {
        .at_ms = time_utc_ms(),
        .category = xstrdup("container"),
        .type = xstrdup("container_action"),
        .severity = xstrdup(o->error ? "error" : "info"),
        .host_id = o->host ? xstrdup(o->host->row.id) : NULL,
        .host_name = o->host ? xstrdup(o->host->row.name) : NULL,
        .container_id = xstrndup(o->container_id, CONTAINER_SHORT_ID_LEN),
        .container_name = xstrdup(name),
        .title = xasprintf("%s %s", o->action, name),
        .message = o->error ? xasprintf("%s failed: %s", o->action, o->error)
                            : xasprintf("%s succeeded in %ju ms", o->action, (uintmax_t)o->took_ms),
        .triggered_by = xstrdup(call->who.name),
    };
    record_event(call->api->o.store, call->api->o.store_jobs, &event);
}
