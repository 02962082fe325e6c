/*
 * GET .../inspect: the engine's description of a container, unchanged except for members that
 * may hold secrets (rights/secret_fields.h).
 */

#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/rights/secret_fields.h"

#include <errno.h>

static void on_inspect(void *owner, const struct command_result *r)
{
    struct api_call *call = owner;
    const json_t *container = json_object_get(r->result, "container");

    if (r->code < 0) {
        api_fail_command(call, r);
        return;
    }
    if (!json_is_object(container)) {
        api_fail(call, -EPROTO, "The agent's reply contains no container");
        return;
    }
    secret_fields_hide((json_t *)(uintptr_t)container, call->who.role);
    api_reply(call, 200, json_incref((json_t *)(uintptr_t)container));
}

void container_inspect(struct api_call *call)
{
    struct api_target target;

    if (!api_target_find(call, &target))
        return;
    api_agent_ask(call, target.host,
                  &(struct api_operation){
                      .operation = OPERATION_INSPECT,
                      .payload = json_pack("{s:o}", "container_id", json_text_str(target.ref)),
                      .done = on_inspect,
                      .owner = call});
}
