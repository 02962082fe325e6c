#include "server/api/fleet_json.h"
#include "server/api/handlers.h"

#include <stdlib.h>

void containers_list(struct api_call *call)
{
    _cleanup_free_ char *host_id = api_query(call, "host_id");

    api_reply(call, 200,
              fleet_containers_json(call->api->o.fleet, host_id, call->who.role >= ROLE_OPERATOR));
}
