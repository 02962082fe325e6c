#include "server/api/record.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "base/time.h"
#include "server/fleet/event_record.h"

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

char *record_title(const char *action, bool has_failed, const char *target)
{
    static const struct {
        const char *action, *subject, *participle;
        bool is_plural;
    } words[] = {
        {"start",          "Container",          "started",   false},
        {"stop",           "Container",          "stopped",   false},
        {"restart",        "Container",          "restarted", false},
        {"kill",           "Container",          "killed",    false},
        {"pause",          "Container",          "paused",    false},
        {"unpause",        "Container",          "unpaused",  false},
        {"rename",         "Container",          "renamed",   false},
        {"set_limits",     "Limits of",          "changed",   true },
        {"remove",         "Container",          "deleted",   false},
        {"image_delete",   "Image",              "deleted",   false},
        {"images_prune",   "Unused images of",   "deleted",   true },
        {"network_create", "Network",            "created",   false},
        {"network_delete", "Network",            "deleted",   false},
        {"networks_prune", "Unused networks of", "deleted",   true },
        {"volume_create",  "Volume",             "created",   false},
        {"volume_delete",  "Volume",             "deleted",   false},
        {"volumes_prune",  "Unused volumes of",  "deleted",   true },
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const char *verb = has_failed ? "could not be" : words[i].is_plural ? "were" : "was";

        if (str_eq(words[i].action, action))
            return xasprintf("%s %s %s %s", words[i].subject, target, verb, words[i].participle);
    }
    return xasprintf("%s %s%s", action, target, has_failed ? " failed" : "");
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
        .title = record_title(o->action, o->reason != CODE_NONE, name),
        .message = record_message(o->action, o->reason, o->error, o->took_ms),
        .triggered_by = xstrdup(call->who.name),
        .correlation_id = xstrdup(o->command_id),
        .details = record_details(o->took_ms),
    };
    record_event(call->api->o.fleet, call->api->o.store, call->api->o.store_jobs, &event);
}
