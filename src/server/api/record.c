#include "server/api/record.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/time.h"
#include "server/common/event_record.h"

char *record_message(const char *action,
                     enum error_code reason,
                     const char *error,
                     uint64_t took_ms)
{
    bool is_own_text = reason == CODE_POLICY_DENIED || reason == CODE_HOST_OFFLINE;

    if (reason == CODE_NONE)
        return xasprintf("%s succeeded in %ju ms", action, (uintmax_t)took_ms);
    return xasprintf("%s failed: %s", action, is_own_text ? error : error_code_sentence(reason));
}

char *record_details(uint64_t took_ms)
{
    return took_ms ? xasprintf("{\"duration_ms\":%ju}", (uintmax_t)took_ms) : NULL;
}

void record_operation(const struct api_call *call, const struct record_operation *o)
{
    const char *name = o->container_name ? o->container_name : o->container_id;
    const struct event event = {
        .at_ms = time_utc_ms(),
        .category = xstrdup("container"),
        .type = xstrdup("container_action"),
        .severity = xstrdup(o->reason ? "error" : "info"),
        .host_id = o->host ? xstrdup(o->host->row.id) : NULL,
        .host_name = o->host ? xstrdup(o->host->row.name) : NULL,
        .container_id = xstrndup(o->container_id, CONTAINER_SHORT_ID_LEN),
        .container_name = xstrdup(name),
        .title = xasprintf("%s %s", o->action, name),
        .message = record_message(o->action, o->reason, o->error, o->took_ms),
        .triggered_by = xstrdup(call->who.name),
        .details = record_details(o->took_ms),
    };
    record_event(call->api->o.store, call->api->o.store_jobs, &event);
}
