#include "agent/commands/container.h"
#include "agent/inventory/settle.h"
#include "agent/logs/fetch.h"
#include "agent/update/updates.h"
#include "base/alloc.h"
#include "base/str.h"
#include "docker/checked_text.h"
#include "proto/json_text.h"
#include "proto/limits.h"

#include <errno.h>

#define MAX_WARNINGS 8
#define MAX_WARNING  512 /* bytes */

/* --- start, stop, restart, kill, pause, unpause, rename, set_limits, remove --- */

/*
 * The request: METHOD /containers/ID<suffix>, and the status in the answer; NULL: "removed":
 * true.
 */
static const struct change {
    const char *method, *suffix, *status;
    bool is_forced; /* a removal, whatever `force` says */
} changes[OPERATIONS] = {
    [OPERATION_START] = {"POST",   "/start",   "started",   false},
    [OPERATION_STOP] = {"POST",   "/stop",    "stopped",   false},
    [OPERATION_RESTART] = {"POST",   "/restart", "restarted", false},
    [OPERATION_KILL] = {"POST",   "/kill",    "killed",    false},
    [OPERATION_PAUSE] = {"POST",   "/pause",   "paused",    false},
    [OPERATION_UNPAUSE] = {"POST",   "/unpause", "unpaused",  false},
    [OPERATION_RENAME] = {"POST",   "/rename",  "renamed",   false},
    [OPERATION_SET_LIMITS] = {"POST",   "/update",  "updated",   false},
    [OPERATION_REMOVE] = {"DELETE", "",         NULL,        false},
    [OPERATION_START_CONTAINER] = {"POST",   "/start",   "started",   false},
    [OPERATION_STOP_CONTAINER] = {"POST",   "/stop",    "stopped",   false},
    [OPERATION_RESTART_CONTAINER] = {"POST",   "/restart", "restarted", false},
    [OPERATION_DELETE_CONTAINER] = {"DELETE", "",         "deleted",   true },
};

enum change_step { CHANGE_IDENTIFY, CHANGE_PERMIT, CHANGE_ACT, CHANGE_SETTLE, CHANGE_ANSWER };

static const char *const change_steps[] = {
    [CHANGE_IDENTIFY] = "identify", [CHANGE_PERMIT] = "permit", [CHANGE_ACT] = "act",
    [CHANGE_SETTLE] = "settle",     [CHANGE_ANSWER] = "answer",
};

struct container_change {
    struct operation base;
    char *target;     /* the full id, once it is known */
    json_t *warnings; /* of the engine, or NULL */
    struct settle *settle;
};

static const char *get_ref(const struct operation *op)
{
    return op->o.request->args.container_id;
}

static char *make_path(const char *ref, const char *suffix)
{
    return xasprintf("/containers/%s%s", ref, suffix);
}

static char *make_change_path(const struct operation *op, const char *target)
{
    enum operation_id id = op->o.request->operation;
    const struct command_args *args = &op->o.request->args;
    const struct change *change = &changes[id];
    unsigned takes = operation_spec(id)->arguments;
    _cleanup_free_ char *path = make_path(target, change->suffix), *name = NULL;

    if (takes & TAKES_SIGNAL) {
        name = engine_query_escape(str_is_empty(args->signal) ? "SIGKILL" : args->signal);
        return xasprintf("%s?signal=%s", path, name);
    }
    if (takes & TAKES_TIMEOUT)
        return xasprintf("%s?t=%lld", path, (long long)args->timeout_s);
    if (takes & TAKES_REMOVAL) {
        return xasprintf("%s?force=%d&v=%d", path, args->force || change->is_forced ? 1 : 0,
                         args->volumes ? 1 : 0);
    }
    if (takes & TAKES_NEW_NAME) {
        name = engine_query_escape(args->new_name);
        return xasprintf("%s?name=%s", path, name);
    }
    return TAKE_PTR(path);
}

/* Engines warn of limits that their kernel does not have. Other answers are empty. */
static json_t *read_warnings(const struct engine_reply *reply)
{
    struct error ignored = ERROR_INIT;
    json_auto_t *answer = json_text_parse(reply->body, reply->size, 8, &ignored);
    json_t *all = json_object_get(answer, "Warnings"), *warnings = json_array(), *one;
    size_t i;

    json_array_foreach(all, i, one)
    {
        const char *text = json_string_value(one);
        _cleanup_free_ char *cut = text ? xasprintf("%.*s", STR_CUT(text, MAX_WARNING)) : NULL;

        if (cut && i < MAX_WARNINGS)
            (void)json_array_append_new(warnings, json_text_str(cut));
    }
    return warnings;
}

static json_t *make_change_answer(const struct container_change *c)
{
    const struct operation *op = &c->base;
    const struct msg_command *request = op->o.request;
    const char *status = changes[request->operation].status;
    json_t *fields = json_object();

    if (request->kind == COMMAND_KIND_OPERATION)
        json_text_set(fields, "container_id", json_text_str(request->args.container_id));
    if (status) {
        json_text_set(fields, "status", json_text_str(status));
    } else {
        json_text_set(fields, "removed", json_true());
    }
    if (c->warnings)
        json_text_set(fields, "warnings", json_incref(c->warnings));
    return fields;
}

/*
 * Finds the full id by the reply to an inspect, or because the guard knows the container by it
 * already.
 */
static int find_target(struct container_change *c, struct error *err)
{
    struct operation *op = &c->base;
    char id[CONTAINER_ID_SIZE];
    int r;

    if (!op->reply) {
        c->target = xstrdup(get_ref(op));
        return 0;
    }
    r = guard_learn(op->o.guard, op->reply, id, err);
    if (r == 0)
        c->target = xstrdup(id);
    return r;
}

/* The steps of an update rely on each other. */
static int refuse_updated(struct operation *op, const char *target, struct error *err)
{
    const struct journal_record *r = op->o.updates ? updates_find_running(op->o.updates, target)
                                                   : NULL;

    if (!r)
        return 0;
    op->failure.status = 409;
    return error_code_set(err, CODE_UPDATE_IN_PROGRESS,
                          "update %s of this container is in progress: wait, or cancel it", r->id);
}

/* Learns the target; false: *ret ends the flow, because it is unknown or must not be changed. */
static bool is_permitted(struct container_change *c, int *ret, struct error *err)
{
    struct operation *op = &c->base;
    enum operation_id id = op->o.request->operation;
    char *why;

    *ret = find_target(c, err);
    if (*ret < 0)
        return false;
    why = guard_refuse_container(op->o.guard, c->target, id);
    if (why) {
        *ret = operation_refuse(op, why);
        return false;
    }
    why = guard_refuse_own(op->o.guard, c->target, id);
    if (why) {
        *ret = operation_refuse_own(op, why);
        return false;
    }
    *ret = refuse_updated(op, c->target, err);
    return *ret == 0;
}

static struct operation_request make_change_request(const struct container_change *c)
{
    const struct msg_command *m = c->base.o.request;
    bool has_body = operation_spec(m->operation)->arguments & TAKES_LIMITS;

    return (struct operation_request){.method = changes[m->operation].method,
                                      .path = make_change_path(&c->base, c->target),
                                      .body = has_body ? limits_to_engine(m->args.limits) : NULL,
                                      .holds_failure = true};
}

/* Others may be in the namespaces that its former process had. */
static void note_start(const struct container_change *c)
{
    enum operation_id id = c->base.o.request->operation;
    bool is_start = id == OPERATION_START || id == OPERATION_START_CONTAINER ||
                    id == OPERATION_RESTART || id == OPERATION_RESTART_CONTAINER;

    if (is_start && c->base.o.updates)
        updates_note_start(c->base.o.updates, c->target);
}

static void take_success(struct container_change *c)
{
    struct operation *op = &c->base;

    if (op->held < 0)
        return;
    note_start(c);
    if (operation_spec(op->o.request->operation)->arguments & TAKES_LIMITS)
        c->warnings = read_warnings(op->reply);
}

static void on_settled(void *owner)
{
    struct container_change *c = owner;

    operation_advance(&c->base); /* c is gone now */
}

/* A failure says, too, that the server's model may be wrong. */
static bool start_settle(struct container_change *c)
{
    struct inventory *inventory = c->base.o.inventory ? *c->base.o.inventory : NULL;

    if (!inventory || (c->base.held < 0 && c->base.failure.status == 0))
        return false; /* the server is not sent a list, or the engine has not answered */
    if (!c->target)
        c->target = xstrdup(get_ref(&c->base));
    if (!str_is_hex(c->target, CONTAINER_ID_LEN))
        return false;
    c->base.is_over = true;
    operation_begin(&c->base, CHANGE_ANSWER);
    c->settle = settle_start(&(struct settle_options){.engine = c->base.o.engine,
                                                      .facts = c->base.o.facts,
                                                      .inventory = inventory,
                                                      .id = c->target,
                                                      .done = on_settled,
                                                      .owner = c});
    return true;
}

static int advance_change(struct operation *op, struct error *err)
{
    struct container_change *c = CONTAINER_OF(op, struct container_change, base);
    enum operation_id id = op->o.request->operation;
    struct operation_request request = {0};
    int r;

    switch ((enum change_step)op->step) {
    case CHANGE_IDENTIFY:
        if (!guard_knows(op->o.guard, get_ref(op), id)) {
            request.path = make_path(get_ref(op), "/json");
            request.holds_failure = true;
            return operation_ask(op, CHANGE_PERMIT, request, err);
        }
        _fallthrough_;
    case CHANGE_PERMIT:
        if (op->held < 0)
            return start_settle(c) ? OPERATION_WAITS : op->held;
        if (!is_permitted(c, &r, err))
            return r;
        op->step = CHANGE_ACT;
        _fallthrough_;
    case CHANGE_ACT: return operation_ask(op, CHANGE_SETTLE, make_change_request(c), err);
    case CHANGE_SETTLE:
        take_success(c);
        if (start_settle(c))
            return OPERATION_WAITS;
        op->step = CHANGE_ANSWER;
        _fallthrough_;
    case CHANGE_ANSWER:
        return op->held < 0 ? op->held : operation_answer(op, make_change_answer(c));
    }
    return -EINVAL;
}

static void release_change(struct operation *op)
{
    struct container_change *c = CONTAINER_OF(op, struct container_change, base);

    settle_free(c->settle);
    json_decref(c->warnings);
    free(c->target);
}

const struct operation_type container_change = {
    .size = sizeof(struct container_change),
    .steps = change_steps,
    .advance = advance_change,
    .release = release_change,
};

/* --- inspect --- */

enum inspect_step { INSPECT_READ, INSPECT_SETTLE, INSPECT_ANSWER };

static const char *const inspect_steps[] = {
    [INSPECT_READ] = "read",
    [INSPECT_SETTLE] = "settle",
    [INSPECT_ANSWER] = "answer",
};

struct container_inspect {
    struct operation base;
    struct checked_text text;
    struct settle *settle;
};

static void on_inspect_settled(void *owner)
{
    struct container_inspect *c = owner;

    operation_advance(&c->base); /* c is gone now */
}

/*
 * A container that was created a moment ago is sent before the answer, so that the server knows it
 * when it asks for more.
 */
static bool start_inspect_settle(struct container_inspect *c)
{
    struct operation *op = &c->base;
    struct inventory *inventory = op->o.inventory ? *op->o.inventory : NULL;
    char id[CONTAINER_ID_SIZE];

    if (!inventory ||
        !json_span_copy_string(json_span_find(checked_text_span(&c->text), "Id"), id, sizeof(id)) ||
        !str_is_hex(id, CONTAINER_ID_LEN) || inventory_knows(inventory, id))
        return false;
    op->is_over = true;
    operation_begin(op, INSPECT_ANSWER);
    c->settle = settle_start(&(struct settle_options){.engine = op->o.engine,
                                                      .facts = op->o.facts,
                                                      .inventory = inventory,
                                                      .id = id,
                                                      .done = on_inspect_settled,
                                                      .owner = c});
    return true;
}

static int advance_inspect(struct operation *op, struct error *err)
{
    struct container_inspect *c = CONTAINER_OF(op, struct container_inspect, base);
    struct operation_request request = {0};
    int r;

    switch ((enum inspect_step)op->step) {
    case INSPECT_READ:
        request.path = make_path(get_ref(op), "/json");
        return operation_ask(op, INSPECT_SETTLE, request, err);
    case INSPECT_SETTLE:
        r = checked_text_init(&c->text, op->reply->body, op->reply->size, err);
        if (r < 0)
            return r;
        if (start_inspect_settle(c))
            return OPERATION_WAITS;
        op->step = INSPECT_ANSWER;
        _fallthrough_;
    case INSPECT_ANSWER:
        return operation_answer_text(op, NULL, "container", checked_text_span(&c->text));
    }
    return -EINVAL;
}

static void release_inspect(struct operation *op)
{
    struct container_inspect *c = CONTAINER_OF(op, struct container_inspect, base);

    settle_free(c->settle);
    checked_text_done(&c->text);
}

const struct operation_type container_inspect = {
    .size = sizeof(struct container_inspect),
    .steps = inspect_steps,
    .advance = advance_inspect,
    .release = release_inspect,
};

/* --- get_logs, container_logs --- */

enum logs_step { LOGS_READ, LOGS_ANSWER };

static const char *const logs_steps[] = {
    [LOGS_READ] = "read",
    [LOGS_ANSWER] = "answer",
};

struct container_logs {
    struct operation base;
    struct log_fetch *fetch;
    const struct log_fetch_result *result; /* inside advance() only */
};

static void on_logs(void *owner, const struct log_fetch_result *result)
{
    struct container_logs *c = owner;

    c->fetch = NULL;
    c->result = result;
    operation_advance(&c->base); /* c may be gone now */
}

static int start_fetch(struct container_logs *c, struct error *err)
{
    const struct command_args *args = &c->base.o.request->args;
    int r;

    operation_begin(&c->base, LOGS_ANSWER);
    r = log_fetch_start(&c->fetch,
                        &(struct log_fetch_options){.engine = c->base.o.engine,
                                                    .container = args->container_id,
                                                    .tail = args->tail,
                                                    .since = args->since,
                                                    .until = args->until,
                                                    .has_details = args->has_details,
                                                    .wants_streams = args->has_streams,
                                                    .timeout_ms = c->base.o.deadline_ms,
                                                    .done = on_logs,
                                                    .owner = c},
                        err);
    if (r == -EINVAL) /* an argument is invalid; the engine has not failed */
        c->base.failure = (struct reply_error){.code = CODE_INVALID_ARGUMENT};
    return r < 0 ? r : OPERATION_WAITS;
}

static int advance_logs(struct operation *op, struct error *err)
{
    struct container_logs *c = CONTAINER_OF(op, struct container_logs, base);
    const struct log_fetch_result *result = c->result;
    json_t *fields;

    switch ((enum logs_step)op->step) {
    case LOGS_READ: return start_fetch(c, err);
    case LOGS_ANSWER:
        if (result->code < 0)
            return operation_fail(op, result->code, result->status, result->message);
        fields = json_object();
        if (result->is_truncated)
            json_text_set(fields, "truncated", json_true());
        if (result->streams)
            json_text_set(fields, "streams", json_text_str(result->streams));
        return operation_answer_text(op, fields, "logs", result->logs);
    }
    return -EINVAL;
}

static void release_logs(struct operation *op)
{
    log_fetch_cancel(CONTAINER_OF(op, struct container_logs, base)->fetch);
}

const struct operation_type container_logs = {
    .size = sizeof(struct container_logs),
    .steps = logs_steps,
    .advance = advance_logs,
    .release = release_logs,
};
