#include "base/time.h"
#include "server/api/handlers.h"

/* Liveness for load balancers and `dockmond --check`: no authentication, and nothing that helps an attacker. */
void health_get(struct api_call *call)
{
    const struct api *a = call->api;

    api_reply(call, 200,
              json_pack("{s:s, s:s, s:s, s:I}", "status", "healthy", "service", "dockmon",
                        "version", DOCKMON_VERSION, "uptime_seconds",
                        (json_int_t)((time_utc_ms() - a->started_at_ms) / 1000)));
}
