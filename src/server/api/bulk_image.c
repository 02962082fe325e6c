/*
 * Items of bulk jobs that are images.
 */

#include "base/alloc.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/bulk_internal.h"
#include "server/command/command.h"

#include <stdlib.h>

struct removal {
    struct bulk_item *item;
    bulk_image_fn done;
};

static void on_reply(void *owner, const struct command_result *r)
{
    struct removal *m = owner;
    _cleanup_free_ char *text = NULL;
    struct bulk_image_result result = {.took_ms = r->took_ms};

    if (r->code < 0) {
        (void)api_command_status(r, &text);
        result.code = r->reason;
        result.error = text ? text : r->message;
    }
    m->done(m->item, &result);
    free(m);
}

void bulk_image_remove(struct api *api,
                       const struct fleet_host *h,
                       struct bulk_item *item,
                       bulk_image_fn done)
{
    struct removal *m = xcalloc(1, sizeof(*m));
    json_t *payload = json_copy(item->job->payload);

    json_text_set(payload, "image_id", json_text_str(item->container_id));
    *m = (struct removal){item, done};
    command_start(
        sessions_commands(api->o.sessions),
        &(struct command_request){.agent_id = h->agent.id,
                                  .operation = OPERATION_REMOVE_IMAGE,
                                  .payload = payload,
                                  .timeout_ms = api_operation_timeout_ms(OPERATION_REMOVE_IMAGE, 0),
                                  .done = on_reply,
                                  .owner = m});
}
