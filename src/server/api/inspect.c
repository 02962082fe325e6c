/*
 * GET .../inspect: the engine's description of a container, unchanged except for the environment,
 * which viewers do not see.
 */

#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"

#include <errno.h>

#define INSPECT_MS 15000

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
    if (call->who.role < ROLE_OPERATOR) /* the environment usually holds passwords */
        (void)json_object_set_new(json_object_get(container, "Config"), "Env", json_null());
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
                      .timeout_ms = INSPECT_MS,
                      .done = on_inspect,
                      .owner = call});
}
