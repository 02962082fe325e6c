#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/api/record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_NAME   255
#define INSPECT_MS 15000

enum request_step { REQUEST_IDENTIFY, REQUEST_PERMIT, REQUEST_SEND, REQUEST_ANSWER };

/*
 * One operation on a container, as a flow: identify the container when the live model does not know
 * it, refuse DockMon's own, send the operation, record it, answer. The operation is that of the
 * route; its arguments and flags are those of proto/operation.h.
 */
struct request {
    enum request_step step;
    struct api_call *call;
    enum operation_id operation;
    const char *action; /* its name */
    char *host_id;
    char ref[CONTAINER_ID_SIZE];
    char *name;     /* of the container, or NULL */
    json_t *labels; /* of the container, or NULL */
    json_t *payload;
    uint64_t timeout_ms;
};

static void advance(struct request *q, const struct command_result *reply);

static void request_free(struct request *q)
{
    json_decref(q->payload);
    json_decref(q->labels);
    free(q->host_id);
    free(q->name);
    free(q);
}

static void on_reply(void *owner, const struct command_result *reply)
{
    advance(owner, reply);
}

/* The act of a step: asks the agent; advance() continues with `next`. Takes `payload`. */
static void ask(struct request *q,
                enum request_step next,
                const struct api_operation *o,
                json_t *payload)
{
    const struct fleet_host *h = fleet_find_host(q->call->api->o.fleet, q->host_id);
    struct api_operation operation = *o;

    if (!h) {
        json_decref(payload);
        api_fail_deleted_host(q->call);
        request_free(q);
        return;
    }
    q->step = next;
    (void)json_object_set_new(payload, "container_id", json_text_str(q->ref));
    operation.payload = payload;
    operation.done = on_reply;
    operation.owner = q;
    api_agent_ask(q->call, h, &operation);
}

/* Takes name and labels from the reply to an inspect; false after the call was answered. */
static bool learn(struct request *q, const struct command_result *reply)
{
    const json_t *container = json_object_get(reply->result, "container");
    const char *name = json_string_value(json_object_get(container, "Name"));

    if (reply->code < 0) {
        api_fail_command(q->call, reply);
        return false;
    }
    if (!name) {
        api_fail(q->call, -EPROTO,
                 "The agent's description of the container could not be read, so nothing was done");
        return false;
    }
    q->name = xstrdup(name[0] == '/' ? name + 1 : name);
    q->labels = json_incref(json_object_get(json_object_get(container, "Config"), "Labels"));
    return true;
}

/* False after the call was answered. */
static bool permit(const struct request *q)
{
    if (!(operation_spec(q->operation)->flags & SPARES_OWN) ||
        !fleet_is_own_container(q->name, q->labels))
        return true;
    api_fail_code(q->call, CODE_OWN_CONTAINER,
                  "Permission denied: %s belongs to DockMon, it cannot %s itself", q->name,
                  q->action);
    return false;
}

static void answer(const struct request *q, const struct command_result *reply)
{
    struct api_call *call = q->call;
    const struct fleet_host *h = fleet_find_host(call->api->o.fleet, q->host_id);

    assert(reply); /* the step follows one */
    record_operation(call,
                     &(struct record_operation){.host = h,
                                                .container_id = q->ref,
                                                .container_name = q->name,
                                                .action = q->action,
                                                .error = reply->code < 0 ? reply->message : NULL,
                                                .took_ms = reply->took_ms});
    if (h)
        sessions_refresh(call->api->o.sessions, h->agent.id);
    if (reply->code < 0) {
        api_fail_command(call, reply);
    } else if (q->operation == OPERATION_REMOVE) {
        api_reply(call, 200, json_pack("{s:b, s:s}", "success", 1, "message", "Container deleted"));
    } else {
        api_reply(call, 200, json_pack("{s:s}", "status", "success"));
    }
}

/* Runs the flow up to its next request. `reply` is that to the last one; NULL at first. */
static void advance(struct request *q, const struct command_result *reply)
{
    switch (q->step) {
    case REQUEST_IDENTIFY:
        ask(q, REQUEST_PERMIT,
            &(struct api_operation){.operation = OPERATION_INSPECT, .timeout_ms = INSPECT_MS},
            json_object());
        return;
    case REQUEST_PERMIT:
        if (reply && !learn(q, reply))
            break;
        if (!permit(q))
            break;
        _fallthrough_;
    case REQUEST_SEND:
        ask(q, REQUEST_ANSWER,
            &(struct api_operation){.operation = q->operation, .timeout_ms = q->timeout_ms},
            json_incref(q->payload));
        return;
    case REQUEST_ANSWER: answer(q, reply); break;
    }
    request_free(q);
}

/* --- the arguments --- */

static int read_timeout(const struct api_call *call, struct request *q, struct error *err)
{
    const struct api_number number = {"timeout", OPERATION_DEFAULT_STOP_S, 0, OPERATION_MAX_STOP_S};
    uint64_t stop_s;
    int r;

    r = api_query_u64(call, &number, &stop_s, err);
    if (r < 0)
        return r;
    q->timeout_ms = api_operation_timeout_ms(q->operation, stop_s);
    (void)json_object_set_new(q->payload, "timeout", json_integer((json_int_t)stop_s));
    return 0;
}

static int read_new_name(struct api_call *call, struct request *q, struct error *err)
{
    const json_t *body;
    const char *name = NULL;
    int r;

    r = api_body(call, &body, err);
    if (r == 0)
        r = api_body_string(body, "name", MAX_NAME, &name, err);
    if (r == 0 && !str_is_container_ref(name)) {
        r = error_set(err, -EDOM,
                      "`name` must begin with a letter or digit and consist of letters, digits, "
                      "`_`, `.` and `-`");
    }
    if (r == 0)
        (void)json_object_set_new(q->payload, "new_name", json_text_str(name));
    return r;
}

/*
 * Clients of the API that ours is compatible with expect that running containers can be deleted, so
 * force is the default.
 */
static int read_removal(const struct api_call *call, struct request *q, struct error *err)
{
    bool is_forced = true, with_volumes = false;
    int r;

    r = api_query_bool(call, "force", true, &is_forced, err);
    if (r == 0)
        r = api_query_bool(call, "removeVolumes", false, &with_volumes, err);
    if (r < 0)
        return r;
    (void)json_object_set_new(q->payload, "force", json_boolean(is_forced));
    (void)json_object_set_new(q->payload, "volumes", json_boolean(with_volumes));
    return 0;
}

static int read_arguments(struct api_call *call, struct request *q, struct error *err)
{
    unsigned takes = operation_spec(q->operation)->arguments;
    int r = 0;

    if (takes & TAKES_TIMEOUT)
        r = read_timeout(call, q, err);
    if (r == 0 && takes & TAKES_NEW_NAME)
        r = read_new_name(call, q, err);
    if (r == 0 && takes & TAKES_REMOVAL)
        r = read_removal(call, q, err);
    return r;
}

/* False after the call was answered. */
static bool find_target(struct api_call *call, struct request *q)
{
    struct api_target target;

    if (!api_target_find(call, &target))
        return false;
    q->host_id = xstrdup(target.host->row.id);
    str_copy(q->ref, sizeof(q->ref), target.ref);
    call->target = api_target_text(&target);
    if (target.container) {
        q->name = xstrdup(target.container->name);
        q->labels = json_incref(target.container->labels);
        q->step = REQUEST_PERMIT;
    }
    return true;
}

void container_operate(struct api_call *call)
{
    struct request *q = xcalloc(1, sizeof(*q));
    struct error err = ERROR_INIT;

    q->call = call;
    q->operation = call->match.route->operation;
    q->action = operation_spec(q->operation)->name;
    q->payload = json_object();
    q->timeout_ms = api_operation_timeout_ms(q->operation, 0);
    if (read_arguments(call, q, &err) < 0) {
        api_fail_error(call, &err);
        request_free(q);
    } else if (find_target(call, q)) {
        advance(q, NULL);
    } else {
        request_free(q);
    }
}
