/*
 * GET .../top and .../changes: processes of a container, and the changes of its files, in the
 * engine's words. Command lines are hidden from viewers, as they are everywhere.
 */

#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"

#include <errno.h>
#include <strings.h>

/* ps calls the column CMD or COMMAND, depending on its options. */
static bool is_command(const char *title)
{
    return title && (strcasecmp(title, "CMD") == 0 || strcasecmp(title, "COMMAND") == 0);
}

/* The command line is the last column; its texts become null. */
static void hide_commands(const json_t *top)
{
    const json_t *titles = json_object_get(top, "Titles");
    const json_t *processes = json_object_get(top, "Processes");

    for (size_t column = 0; column < json_array_size(titles); column++) {
        if (!is_command(json_string_value(json_array_get(titles, column))))
            continue;
        for (size_t i = 0; i < json_array_size(processes); i++)
            (void)json_array_set_new(json_array_get(processes, i), column, json_null());
    }
}

static void on_reply(void *owner, const struct command_result *r)
{
    struct api_call *call = owner;
    bool is_top = call->match.route->operation == OPERATION_TOP;
    json_t *v = json_object_get(r->result, is_top ? "top" : "changes");

    if (r->code < 0) {
        api_fail_command(call, r);
    } else if (is_top ? !json_is_object(v) : !json_is_array(v) && !json_is_null(v)) {
        api_fail(call, -EPROTO, "The agent's reply to %s cannot be read", is_top ? "top" : "diff");
    } else if (is_top) {
        if (call->who.role < ROLE_OPERATOR)
            hide_commands(v);
        api_reply(call, 200, json_incref(v));
    } else {
        api_reply(call, 200, json_is_null(v) ? json_array() : json_incref(v));
    }
}

void container_read(struct api_call *call)
{
    struct api_target target;

    if (!api_target_find(call, &target))
        return;
    api_agent_ask(call, target.host,
                  &(struct api_operation){
                      .operation = call->match.route->operation,
                      .payload = json_pack("{s:o}", "container_id", json_text_str(target.ref)),
                      .done = on_reply,
                      .owner = call});
}
