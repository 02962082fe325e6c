#include "base/alloc.h"
#include "base/str.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/api/record.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_STOP_S 10
#define MAX_STOP_S     600
#define MAX_NAME       255
#define ENGINE_MS      20000 /* what the engine may need on top of a stop timeout */
#define INSPECT_MS     15000
#define PLAIN_MS       30000

enum operation_step { STEP_IDENTIFY, STEP_ACT };

/*
 * One operation on a container, as a flow: find out what container it is when the live model does not
 * know it yet, refuse DockMon's own, send the operation, record it, answer.
 */
struct operation {
    enum operation_step step;
    struct api_call *call;
    char *host_id;
    char ref[CONTAINER_ID_SIZE];
    char *name; /* of the container, or NULL */
    const char *action;
    json_t *payload;
    uint64_t timeout_ms;
    bool is_protected; /* refused for DockMon's own containers */
};

static void operation_free(struct operation *op)
{
    json_decref(op->payload);
    free(op->host_id);
    free(op->name);
    free(op);
}

static void on_reply(void *owner, const struct command_result *r);

static void send_action(struct operation *op,
                        const char *action,
                        json_t *payload,
                        uint64_t timeout_ms)
{
    const struct fleet_host *h = fleet_find_host(op->call->api->o.fleet, op->host_id);

    if (!h) {
        json_decref(payload);
        api_fail_deleted_host(op->call);
        operation_free(op);
        return;
    }
    (void)json_object_set_new(payload, "container_id", json_string(op->ref));
    api_agent_operation(op->call, h,
                        &(struct api_operation){.action = action,
                                                .payload = payload,
                                                .timeout_ms = timeout_ms,
                                                .done = on_reply,
                                                .owner = op});
}

static bool refuse_own(struct operation *op, const char *name, const json_t *labels)
{
    if (!op->is_protected || !fleet_is_own_container(name, labels))
        return false;
    api_fail_code(op->call, CODE_OWN_CONTAINER,
                  "Permission denied: %s belongs to DockMon, it cannot %s itself", name,
                  op->action);
    operation_free(op);
    return true;
}

static void act(struct operation *op)
{
    op->step = STEP_ACT;
    send_action(op, op->action, json_incref(op->payload), op->timeout_ms);
}

/* The reply to the inspect that tells what container this is. If it cannot be told, nothing is done. */
static void identified(struct operation *op, const struct command_result *r)
{
    const json_t *container, *config;
    const char *name;

    if (r->code < 0) {
        api_fail_command(op->call, r);
        operation_free(op);
        return;
    }
    container = json_object_get(r->result, "container");
    config = json_object_get(container, "Config");
    name = json_string_value(json_object_get(container, "Name"));
    if (!name) {
        api_fail(op->call, -EPROTO,
                 "The agent's description of the container could not be read, so nothing was done");
        operation_free(op);
        return;
    }
    op->name = xstrdup(name[0] == '/' ? name + 1 : name);
    if (!refuse_own(op, name, json_object_get(config, "Labels")))
        act(op);
}

static void finished(struct operation *op, const struct command_result *r)
{
    struct api_call *call = op->call;
    const struct fleet_host *h = fleet_find_host(call->api->o.fleet, op->host_id);

    record_operation(call, &(struct record_operation){.host = h,
                                                      .container_id = op->ref,
                                                      .container_name = op->name,
                                                      .action = op->action,
                                                      .error = r->code < 0 ? r->message : NULL,
                                                      .took_ms = r->took_ms});
    if (h)
        sessions_refresh(call->api->o.sessions, h->agent.id);
    if (r->code < 0) {
        api_fail_command(call, r);
    } else if (str_eq(op->action, "remove")) {
        api_reply(call, 200, json_pack("{s:b, s:s}", "success", 1, "message", "Container deleted"));
    } else {
        api_reply(call, 200, json_pack("{s:s}", "status", "success"));
    }
    operation_free(op);
}

static void on_reply(void *owner, const struct command_result *r)
{
    struct operation *op = owner;

    switch (op->step) {
    case STEP_IDENTIFY: identified(op, r); break;
    case STEP_ACT: finished(op, r); break;
    }
}

/* payload is stolen. */
static void operation_start(struct api_call *call,
                            const char *action,
                            json_t *payload,
                            uint64_t timeout_ms)
{
    struct api_target target;
    struct operation *op;

    if (!api_target_find(call, &target)) {
        json_decref(payload);
        return;
    }
    op = xcalloc(1, sizeof(*op));
    op->call = call;
    op->host_id = xstrdup(target.host->row.id);
    str_copy(op->ref, sizeof(op->ref), target.ref);
    op->action = action;
    op->payload = payload;
    op->timeout_ms = timeout_ms;
    op->is_protected = !str_eq(action, "start") && !str_eq(action, "unpause");
    call->target = api_target_text(&target);

    if (target.container) {
        op->name = xstrdup(target.container->name);
        if (!refuse_own(op, op->name, target.container->labels))
            act(op);
    } else {
        op->step = STEP_IDENTIFY;
        send_action(op, "inspect", json_object(), INSPECT_MS);
    }
}

/* ?timeout=SECONDS for stop and restart; false after the call was answered. */
static bool read_timeout(struct api_call *call, uint64_t *ret_s)
{
    struct error err = ERROR_INIT;

    if (api_query_u64(call, &(struct api_number){"timeout", DEFAULT_STOP_S, 0, MAX_STOP_S}, ret_s,
                      &err) == 0)
        return true;
    api_fail_error(call, &err);
    return false;
}

static void stop_like(struct api_call *call, const char *action)
{
    uint64_t timeout_s;

    if (read_timeout(call, &timeout_s)) {
        operation_start(call, action, json_pack("{s:I}", "timeout", (json_int_t)timeout_s),
                        timeout_s * 1000 + ENGINE_MS);
    }
}

void container_start(struct api_call *call)
{
    operation_start(call, "start", json_object(), PLAIN_MS);
}

void container_stop(struct api_call *call)
{
    stop_like(call, "stop");
}

void container_restart(struct api_call *call)
{
    stop_like(call, "restart");
}

void container_kill(struct api_call *call)
{
    operation_start(call, "kill", json_object(), PLAIN_MS);
}

void container_pause(struct api_call *call)
{
    operation_start(call, "pause", json_object(), PLAIN_MS);
}

void container_unpause(struct api_call *call)
{
    operation_start(call, "unpause", json_object(), PLAIN_MS);
}

void container_rename(struct api_call *call)
{
    struct error err = ERROR_INIT;
    const json_t *body;
    const char *name = NULL;
    int r;

    r = api_body(call, &body, &err);
    if (r == 0)
        r = api_body_string(body, "name", MAX_NAME, &name, &err);
    if (r == 0 && !str_is_container_ref(name)) {
        r = error_set(
            &err, -EDOM,
            "`name` must begin with a letter or digit and consist of letters, digits, `_`, `.` and `-`");
    }
    if (r < 0) {
        api_fail_error(call, &err);
        return;
    }
    operation_start(call, "rename", json_pack("{s:s}", "new_name", name), PLAIN_MS);
}

/* Clients of the API we are compatible with expect a delete to succeed for running containers: force is the default. */
void container_remove(struct api_call *call)
{
    struct error err = ERROR_INIT;
    bool is_forced, with_volumes;

    if (api_query_bool(call, "force", true, &is_forced, &err) < 0 ||
        api_query_bool(call, "removeVolumes", false, &with_volumes, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    operation_start(call, "remove",
                    json_pack("{s:b, s:b}", "force", is_forced, "volumes", with_volumes), PLAIN_MS);
}
