/*
 * GET /api/containers: the containers of the live model that the caller may see.
 */

#include "server/api/handlers.h"
#include "server/view/container_json.h"
#include "server/view/fleet_json.h"

#include <stdlib.h>

void containers_list(struct api_call *call)
{
    _cleanup_free_ char *host_id = api_query_host(call, "host_id");
    struct buf list = BUF_INIT(SIZE_MAX / 2);

    sessions_need_lists(call->api->o.sessions);
    (void)fleet_containers_write_in(
        &list, call->api->o.fleet,
        &(struct fleet_selection){.host_id = host_id,
                                  .scope = &call->who.scope,
                                  .with_secrets = container_secrets_are_visible(call->who.role)});
    api_reply_text(call, 200, list.data, list.size);
    buf_done(&list);
}
