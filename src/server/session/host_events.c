#include "server/session/host_events.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/json_text.h"

static const struct {
    const char *category, *type, *severity, *words, *old_state, *new_state, *message;
} kinds[] = {
    [HOST_EVENT_ADDED] = {"host",  "host_added",        "info",    "was added",                 NULL,      "online", NULL                                                                                },
    [HOST_EVENT_CONNECTED] = {"host",  "host_connected",    "info",    "connected",                 "offline", "online",
                          NULL                                                                                                                                                                           },
    [HOST_EVENT_DISCONNECTED] = {"host",  "host_disconnected", "warning", "disconnected",              "online",
                          "offline",                                                                                 NULL                                                                                },
    [HOST_EVENT_MIGRATED] = {"host",  "host_migrated",     "info",
                          "was migrated from a direct connection to an agent",                  NULL,      NULL,     NULL                                                                                },
    [HOST_EVENT_ENGINE_CHANGED] =
        {"agent", "engine_changed",    "warning", "reports another engine id", NULL,      NULL,
                          "Upgrades of Docker, Podman, and a lost or restored engine folder cause that. If none of them has happened, the agent's data directory may have been moved to another machine."},
    [HOST_EVENT_REPLACED] = {"agent", "agent_replaced",    "info",
                          "has another agent, which joined with a token made for this host",    NULL,      NULL,     NULL                                                                                },
    [HOST_EVENT_RENAMED] = {"host",  "host_renamed",      "warning", "was renamed by its agent",  NULL,
                          NULL,                                                                                      NULL                                                                                },
    [HOST_EVENT_SUPERSEDED] =
        {"agent", "agent_superseded",  "warning",
                          "has a new agent connection in place of one that was still open",     NULL,      NULL,
                          "If this repeats, the agent's data directory was copied to a second machine: give that one an "
         "empty data directory and a registration token of its own."                                                                                                                                     },
};

void host_event_add(struct ingest *in,
                    enum host_event kind,
                    const struct fleet_host *h,
                    const char *address,
                    json_t *details)
{
    struct event e = {
        .at_ms = time_utc_ms(),
        .category = xstrdup(kinds[kind].category),
        .type = xstrdup(kinds[kind].type),
        .severity = xstrdup(kinds[kind].severity),
        .host_id = xstrdup(h->row.id),
        .host_name = xstrdup(h->row.name),
        .title = xasprintf("Host %s %s", h->row.name, kinds[kind].words),
        .old_state = xstrdup(kinds[kind].old_state),
        .new_state = xstrdup(kinds[kind].new_state),
        .triggered_by = xstrdup("agent"),
    };

    if (!details)
        details = json_object();
    json_text_set(details, "agent_id", json_text_str(h->agent.id));
    json_text_set(details, "version", json_text_str(h->agent.version));
    json_text_set(details, "address", json_text_str(address));
    e.details = json_text_write(details, NULL);
    e.message = xstrdup(kinds[kind].message ? kinds[kind].message : e.title);
    json_decref(details);

    if (ingest_event(in, &e) < 0) {
        log_warn(LOG_FIELDS("host", h->row.id), "event %s lost: the store is too slow",
                 kinds[kind].type);
    }
}
