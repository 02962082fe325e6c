#include "base/alloc.h"
#include "base/str.h"
#include "proto/command.h"
#include "proto/json_text.h"
#include "proto/limits.h"
#include "server/api/agent_call.h"
#include "server/api/change.h"
#include "server/api/handlers.h"
#include "server/api/record.h"

#include <errno.h>
#include <string.h>

#define MAX_NAME 255

/*
 * One operation on a container: its arguments are read, it is carried out (change.h), recorded and
 * answered. The operation is that of the route; its arguments and flags are those of
 * proto/operation.h.
 */
struct request {
    struct api_call *call;
    enum operation_id operation;
    json_t *payload;
    uint64_t timeout_ms;
};

static void request_free(struct request *q)
{
    json_decref(q->payload);
    free(q);
}

static void record(const struct request *q, const struct change_result *r)
{
    record_operation(q->call, &(struct record_operation){
                                  .host = r->host,
                                  .container_id = r->id,
                                  .container_name = r->name,
                                  .action = operation_spec(q->operation)->name,
                                  .reason = r->reason,
                                  .error = r->message,
                                  .took_ms = r->took_ms,
                                  .command_id = r->command_id,
                              });
}

/* DockMon's own agents, which push no state either, leave the volumes. */
static void reply_removed(const struct request *q, const struct change_result *r)
{
    bool is_wanted = json_is_true(json_object_get(q->payload, "volumes"));
    json_t *o = json_pack("{s:b, s:s}", "success", 1, "message", "Container deleted");

    if (is_wanted) {
        json_text_set(o, "volumes_removed",
                      json_boolean(r->host && fleet_host_can(r->host, "inventory")));
    }
    api_reply(q->call, 200, o);
}

/* The shape of the warnings is checked here: an agent has sent them, and clients rely on it. */
static void reply_limits(const struct request *q, const struct change_result *r)
{
    json_t *o = json_pack("{s:s}", "status", "success"), *warnings = json_array(), *one;
    size_t i;

    json_array_foreach(r->warnings, i, one)
    {
        if (json_is_string(one))
            (void)json_array_append(warnings, one);
    }
    json_text_set(o, "warnings", warnings);
    api_reply(q->call, 200, o);
}

static void on_done(void *owner, const struct change_result *r)
{
    struct request *q = owner;
    struct api_call *call = q->call;

    if (r->host && r->name) {
        free(call->target);
        call->target = xasprintf("%s/%s", r->host->row.name, r->name);
    }
    if (r->was_sent) {
        record(q, r);
        call->is_logged = true; /* by the module of commands */
    }
    if (r->reason) {
        api_fail_as(call, r->status, r->reason, "%s", r->message);
    } else if (q->operation == OPERATION_REMOVE) {
        reply_removed(q, r);
    } else if (q->operation == OPERATION_SET_LIMITS) {
        reply_limits(q, r);
    } else {
        api_reply(call, 200, json_pack("{s:s}", "status", "success"));
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

static int read_signal(const struct api_call *call, struct request *q, struct error *err)
{
    _cleanup_free_ char *signal = api_query(call, "signal");

    if (!signal)
        return 0;
    if (!command_is_signal(signal)) {
        return error_set(err, -EDOM,
                         "query parameter `signal` must be the name or number of a signal");
    }
    (void)json_object_set_new(q->payload, "signal", json_text_str(signal));
    return 0;
}

/* Unknown members are refused, because a limit that is silently ignored does harm. */
static int read_limits(struct api_call *call, struct request *q, struct error *err)
{
    const json_t *body;
    int r = api_body(call, &body, err);

    if (r == 0)
        r = limits_check(body, err);
    if (r == 0)
        (void)json_object_set_new(q->payload, "limits", json_copy((json_t *)(uintptr_t)body));
    return r;
}

static int read_arguments(struct api_call *call, struct request *q, struct error *err)
{
    unsigned takes = operation_spec(q->operation)->arguments;
    int r = 0;

    if (takes & TAKES_TIMEOUT)
        r = read_timeout(call, q, err);
    if (r == 0 && takes & TAKES_NEW_NAME)
        r = read_new_name(call, q, err);
    if (r == 0 && takes & TAKES_LIMITS)
        r = read_limits(call, q, err);
    if (r == 0 && takes & TAKES_SIGNAL)
        r = read_signal(call, q, err);
    if (r == 0 && takes & TAKES_REMOVAL)
        r = read_removal(call, q, err);
    return r;
}

/* An agent without the capability would ignore the signal and kill. False after an answer. */
static bool check_signal(const struct request *q, const struct fleet_host *h)
{
    if (!json_object_get(q->payload, "signal") || fleet_host_can(h, SIGNALS_CAPABILITY))
        return true;
    api_fail_code(q->call, CODE_UNKNOWN_OPERATION,
                  "The agent of host %s is too old for this: it knows no signal but SIGKILL. "
                  "Update the agent",
                  h->row.name);
    return false;
}

void container_operate(struct api_call *call)
{
    struct request *q = xcalloc(1, sizeof(*q));
    struct error err = ERROR_INIT;
    struct api_target target;

    q->call = call;
    q->operation = call->match.route->operation;
    q->payload = json_object();
    q->timeout_ms = api_operation_timeout_ms(q->operation, 0);
    if (read_arguments(call, q, &err) < 0) {
        api_fail_error(call, &err);
        request_free(q);
        return;
    }
    if (!api_target_find(call, &target)) {
        request_free(q);
        return;
    }
    call->target = api_target_text(&target);
    if (!check_signal(q, target.host)) {
        request_free(q);
        return;
    }
    change_start(&(struct change_options){.api = call->api,
                                          .scope = &call->who.scope,
                                          .host = target.host,
                                          .ref = target.ref,
                                          .operation = q->operation,
                                          .payload = json_incref(q->payload),
                                          .timeout_ms = q->timeout_ms,
                                          .done = on_done,
                                          .owner = q});
}
