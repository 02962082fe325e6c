/*
 * Updates of one container: preview, execution, rollback, cancel. Only agents with the capability
 * `updates` have previews and rollbacks; agents of DockMon can be asked for an update.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/handlers.h"
#include "server/api/update_body.h"
#include "server/updates/update_events.h"

#include <errno.h>

#define ASK_MS     30000
#define PREVIEW_MS 120000
#define WAIT_MS    (UINT64_C(10) * 60 * 1000)

/* A call that waits for the end of an update. */
struct waiting {
    struct api_call *call;
    struct update_waiter waiter;
    struct loop_timer timer;
    char *update_id;
    bool is_rollback; /* until the state is not `kept` any more */
};

static void waiting_free(struct waiting *w)
{
    loop_timer_stop(&w->timer);
    list_unlink(&w->waiter.link);
    free(w->update_id);
    free(w);
}

/* The members of DockMon's answer, and ours beside them. */
static json_t *make_result(const struct update *up)
{
    enum update_state state = update_state_find(up->record.state);
    bool is_success = state == UPDATE_KEPT || state == UPDATE_DONE;
    const char *why = update_record_text(&up->record);
    json_t *o = update_json(up, NULL);

    json_text_set(o, "status", json_text_str(is_success ? "success" : "failed"));
    json_text_set(o, "message",
                  json_text_str(is_success ? "Container updated successfully"
                                : why      ? why
                                           : "The update was not completed"));
    (void)json_object_del(o, "host_name");
    return o;
}

static void on_end(struct update_waiter *waiter, const struct update *up)
{
    struct waiting *w = CONTAINER_OF(waiter, struct waiting, waiter);
    struct api_call *call = w->call;
    struct updates *updates = call->api->o.updates;

    if (up && w->is_rollback && str_eq(up->record.state, update_state_name(UPDATE_KEPT))) {
        updates_wait(updates, up->host_id, up->record.update_id, waiter); /* it has not begun yet */
        return;
    }
    if (!up) {
        api_fail(call, -ENOTCONN, "The outcome of update %s is not known yet", w->update_id);
    } else if (w->is_rollback) {
        bool is_back = str_eq(up->record.state, update_state_name(UPDATE_ROLLED_BACK));

        api_reply(call, 200,
                  json_pack("{s:o, s:s, s:o}", "status",
                            json_text_str(is_back ? "success" : "failed"), "update_id",
                            up->record.update_id, "message",
                            json_text_str(is_back ? NULL : update_record_text(&up->record))));
    } else {
        api_reply(call, 200, make_result(up));
    }
    waiting_free(w);
}

static void on_timeout(struct loop_timer *t)
{
    struct waiting *w = CONTAINER_OF(t, struct waiting, timer);

    api_fail(w->call, -ETIMEDOUT, "Update %s is still in progress: see GET /api/updates/%s",
             w->update_id, w->update_id);
    waiting_free(w);
}

/* Answers with 202, or waits for the end. */
static void answer_started(struct api_call *call,
                           const struct fleet_host *h,
                           const char *update_id,
                           const char *status)
{
    bool is_rollback = str_eq(status, "rollback_started");
    bool wants_end = true;
    struct waiting *w;

    (void)api_query_bool(call, "wait", true, &wants_end, NULL); /* read_request() has checked it */
    if (!h || !wants_end) {
        api_reply(call, 202,
                  json_pack("{s:o, s:s}", "status", json_text_str(status), "update_id", update_id));
        return;
    }
    w = xcalloc(1, sizeof(*w));
    w->call = call;
    w->update_id = xstrdup(update_id);
    w->is_rollback = is_rollback;
    w->waiter.done = on_end;
    updates_wait(call->api->o.updates, h->row.id, update_id, &w->waiter);
    loop_timer_start(call->api->o.loop, &w->timer, WAIT_MS, on_timeout);
}

/* --- common --- */

/* Finds a container that the model knows. False after the call was answered. */
static bool find_container(struct api_call *call, struct api_target *ret)
{
    if (!api_target_find(call, ret))
        return false;
    call->target = api_target_text(ret);
    if (ret->container)
        return true;
    api_fail_container(call, ret->host, -ENOENT);
    return false;
}

static bool check_capability(struct api_call *call, const struct fleet_host *h)
{
    if (fleet_host_can(h, UPDATES_CAPABILITY))
        return true;
    api_fail_code(call, CODE_UNKNOWN_OPERATION,
                  "The agent of host %s is too old for this: it has no previews and no rollbacks. "
                  "Update the agent",
                  h->row.name);
    return false;
}

/* Reads body and query. False after the call was answered. */
static bool read_request(struct api_call *call, struct update_args *ret)
{
    struct error err = ERROR_INIT;
    const json_t *body = NULL;
    bool wants_end;

    if (api_query_bool(call, "wait", true, &wants_end, &err) == 0 &&
        api_body(call, &body, &err) == 0 && update_body_read(body, ret, &err) == 0)
        return true;
    api_fail_error(call, &err);
    return false;
}

/* --- preview --- */

static void on_preview(void *owner, const struct command_result *r)
{
    struct api_call *call = owner;
    struct update_preview p = {0};
    struct error err = ERROR_INIT;

    if (r->code < 0) {
        api_fail_command(call, r);
        return;
    }
    if (update_preview_decode(r->result, &p, &err) < 0) {
        api_fail(call, -EPROTO, "The agent's reply is no preview: %s", err.msg);
        return;
    }
    api_reply(call, 200, update_preview_encode(&p));
    update_preview_done(&p);
}

void container_update_preview(struct api_call *call)
{
    struct update_args args = UPDATE_ARGS_INIT;
    struct api_target target;

    if (!read_request(call, &args))
        return;
    if (!find_container(call, &target) || !check_capability(call, target.host)) {
        update_args_done(&args);
        return;
    }
    args.container_id = xstrdup(target.container->id);
    json_decref(args.registry_auth);
    args.registry_auth = checker_credentials(call->api->o.checker, str_is_empty(args.new_image)
                                                                       ? target.container->image
                                                                       : args.new_image);
    api_agent_ask(call, target.host,
                  &(struct api_operation){
                      .operation = OPERATION_UPDATE_PREVIEW,
                      .payload = update_args_encode(OPERATION_UPDATE_PREVIEW, &args),
                      .timeout_ms = PREVIEW_MS,
                      .done = on_preview,
                      .owner = call,
                  });
    update_args_done(&args);
}

/* --- execution --- */

static void on_started(void *owner, const char *update_id, const struct command_result *r)
{
    struct api_call *call = owner;

    if (r->code < 0) {
        api_fail_command(call, r);
        return;
    }
    answer_started(call, fleet_find_host(call->api->o.fleet, api_param(call, 0)), update_id,
                   "update_started");
}

/* DockMon's clients expect 400 when nothing is newer. False after the call was answered. */
static bool check_available(struct api_call *call,
                            const struct api_target *target,
                            const struct update_args *args)
{
    bool is_current, is_forced = false;
    struct error err = ERROR_INIT;
    struct checker_view v;

    if (api_query_bool(call, "force", false, &is_forced, &err) < 0) {
        api_fail_error(call, &err);
        return false;
    }
    if (is_forced || !str_is_empty(args->new_image))
        return true;
    checker_look(call->api->o.checker, target->host, target->container, &v);
    is_current = v.decision.state == DECISION_UP_TO_DATE;
    checker_view_done(&v);
    if (is_current) {
        api_fail_code(call, CODE_INVALID_ARGUMENT,
                      "No update of %s is available: its registry has the same image. Check again, "
                      "or use force=true",
                      target->container->name);
    }
    return !is_current;
}

void container_execute_update(struct api_call *call)
{
    struct update_args args = UPDATE_ARGS_INIT;
    struct error err = ERROR_INIT;
    struct api_target target;

    if (!read_request(call, &args))
        return;
    if (!find_container(call, &target) || !check_available(call, &target, &args)) {
        update_args_done(&args);
        return;
    }
    if (updates_ask(call->api->o.updates,
                    &(struct updates_start){.host = target.host,
                                            .container = target.container,
                                            .args = &args,
                                            .triggered_by = call->who.name,
                                            .done = on_started,
                                            .owner = call},
                    &err) < 0)
        api_fail_error(call, &err);
    update_args_done(&args);
}

/* --- rollback and cancel --- */

struct ending {
    struct api_call *call;
    const char *status;
    char *update_id;
};

static void on_ending(void *owner, const struct command_result *r)
{
    struct ending *e = owner;
    struct api_call *call = e->call;

    if (r->code < 0) {
        api_fail_command(call, r);
    } else if (str_eq(e->status, "cancelling")) {
        answer_started(call, NULL, e->update_id, e->status);
    } else {
        answer_started(call, fleet_find_host(call->api->o.fleet, api_param(call, 0)), e->update_id,
                       e->status);
    }
    free(e->update_id);
    free(e);
}

static void end_update(struct api_call *call,
                       const struct fleet_host *h,
                       const struct update *up,
                       enum operation_id operation)
{
    struct ending *e = xcalloc(1, sizeof(*e));

    e->call = call;
    e->status = operation == OPERATION_UPDATE_CANCEL ? "cancelling" : "rollback_started";
    e->update_id = xstrdup(up->record.update_id);
    api_agent_ask(call, h,
                  &(struct api_operation){
                      .operation = operation,
                      .payload = json_pack("{s:s}", "update_id", up->record.update_id),
                      .timeout_ms = ASK_MS,
                      .done = on_ending,
                      .owner = e,
                  });
}

void container_update_rollback(struct api_call *call)
{
    struct update_args args = UPDATE_ARGS_INIT; /* it has none */
    const struct update *up;
    struct api_target target;

    if (!read_request(call, &args))
        return;
    update_args_done(&args);
    if (!find_container(call, &target) || !check_capability(call, target.host))
        return;
    up = updates_find_kept(call->api->o.updates, target.host->row.id, target.container->id);
    if (!up) {
        api_fail_code(call, CODE_UPDATE_TOO_LATE,
                      "Container %s cannot be rolled back: no container from before an update is "
                      "kept",
                      target.container->name);
        return;
    }
    end_update(call, target.host, up, OPERATION_UPDATE_ROLLBACK);
}

void container_update_cancel(struct api_call *call)
{
    const struct update *up;
    struct api_target target;

    if (!find_container(call, &target) || !check_capability(call, target.host))
        return;
    up = updates_find_active(call->api->o.updates, target.host->row.id, target.container->id);
    if (!up) {
        api_fail_code(call, CODE_NO_SUCH_UPDATE, "No update of container %s is in progress",
                      target.container->name);
        return;
    }
    end_update(call, target.host, up, OPERATION_UPDATE_CANCEL);
}
