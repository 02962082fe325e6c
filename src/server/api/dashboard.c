/*
 * GET /api/dashboard/summary: counts for dashboards, of what the caller may see. The last known
 * containers of a host that is offline are not counted.
 */

#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/image_updates.h"
#include "server/fleet/scope_view.h"
#include "server/view/json_values.h"

#include <stdio.h>

struct counts {
    size_t hosts, online;
    size_t containers, running, paused;
};

static void count_containers(const struct fleet_host *h,
                             const struct scope_view *view,
                             struct counts *n)
{
    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;

        if (!scope_view_container(view, c))
            continue;
        n->containers++;
        n->running += str_eq(c->state, "running");
        n->paused += str_eq(c->state, "paused");
    }
}

static void count_hosts(const struct api_call *call, struct counts *n)
{
    map_foreach(fleet_hosts(call->api->o.fleet), e) {
        const struct fleet_host *h = e->value;
        struct scope_view view;

        scope_view_host(&call->who.scope, h, &view);
        if (!scope_view_any(&view))
            continue;
        n->hosts++;
        n->online += h->is_online;
        if (h->is_online)
            count_containers(h, &view, n);
    }
}

void dashboard_summary_get(struct api_call *call)
{
    struct counts n = {0};
    char hosts[64], containers[64];
    json_int_t n_outdated;

    sessions_need_lists(call->api->o.sessions);
    count_hosts(call, &n);
    n_outdated = (json_int_t)api_count_outdated(call);
    (void)snprintf(hosts, sizeof(hosts), "%zu/%zu", n.online, n.hosts);
    (void)snprintf(containers, sizeof(containers), "%zu/%zu", n.running, n.containers);
    api_reply(
        call, 200,
        json_pack("{s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I}, s:{s:I}, s:{s:i}, s:o, s:o, s:I, "
                  "s:i, s:o}",
                  "hosts", "online", (json_int_t)n.online, "total", (json_int_t)n.hosts, "offline",
                  (json_int_t)(n.hosts - n.online), "containers", "running", (json_int_t)n.running,
                  "stopped", (json_int_t)(n.containers - n.running - n.paused), "paused",
                  (json_int_t)n.paused, "total", (json_int_t)n.containers, "updates", "available",
                  n_outdated, "alerts", "active", 0, "hosts_summary", json_text_str(hosts),
                  "containers_summary", json_text_str(containers), "updates_available", n_outdated,
                  "alerts_active", 0, "timestamp", json_value_time(time_utc_ms())));
}
