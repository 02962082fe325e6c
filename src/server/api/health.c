#include "server/maintenance/health.h"
#include "server/api/handlers.h"

/* For load balancers, `dockmon version` and agents' --check: needs no authentication, and returns
 * no secrets. */
void health_get(struct api_call *call)
{
    const struct health *h = call->api->o.health;

    api_reply(call, health_is_serving(h) ? 200 : 503, health_json(h));
}
