#include "agent/commands/command.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/checked_text.h"
#include "proto/engine_error.h"
#include "proto/json_text.h"

#include <errno.h>

#define MAX_INSPECT_BODY ((size_t)4 << 20)
#define LONGEST_TIMEOUT_S \
    600 /* of a stop or restart; one that waits for ever is given up after this */

enum {
    NEEDS_CONTAINER = 1 << 0, /* container_id is checked before `run` */
    TAKES_TIMEOUT = 1 << 1,   /* ?t=, and the deadline grows with it */
    TAKES_REMOVE = 1 << 2,    /* ?force=&v= */
    TAKES_NAME = 1 << 3,      /* ?name= */
    IS_FORCED = 1 << 4,
};

struct action {
    enum command_kind kind;
    unsigned deadline_s;
    const char *name;
    void (*run)(struct command *c);
    const char *method, *suffix; /* of the engine call: METHOD /containers/ID<suffix> */
    const char *status;          /* in the reply; NULL: "removed": true */
    unsigned flags;
};

static struct reply_to reply_to(const struct command *c)
{
    return (struct reply_to){c->msg.kind, c->msg.id};
}

static void fail_permission(struct command *c, const char *why)
{
    log_warn(LOG_FIELDS("id", c->msg.id, "container", c->msg.args.container_id), "refused: %s",
             why);
    command_fail(c, &(struct reply_error){
                        .text = why, .type = REPLY_ERROR_PERMISSION, .code = CODE_POLICY_DENIED});
}

static void fail_code(struct command *c, enum error_code code, const char *text)
{
    command_fail(c, &(struct reply_error){.text = text, .code = code});
}

static void fail_engine(struct command *c, int code, int status, const char *message)
{
    command_fail(c, &(struct reply_error){.text = message,
                                          .type = REPLY_ERROR_DOCKER,
                                          .status = status,
                                          .code = engine_error_code(code, status, message)});
}

static void finish_fields(struct command *c, json_t *fields)
{
    sender_reply(c->sender, reply_to(c), fields);
    command_finished(c); /* c is gone now */
}

static void finish_text(struct command *c, json_t *fields, const char *key, struct json_span text)
{
    sender_reply_text(c->sender, reply_to(c), fields, key, text);
    command_finished(c); /* c is gone now */
}

static json_t *container_fields(const struct command *c)
{
    json_t *fields = json_object();

    if (c->msg.kind == COMMAND_KIND_OPERATION)
        json_text_set(fields, "container_id", json_text_str(c->msg.args.container_id));
    return fields;
}

static void on_changed(void *owner, const struct engine_reply *reply)
{
    struct command *c = owner;
    json_t *fields;

    c->call = NULL;
    if (reply->code < 0) {
        fail_engine(c, reply->code, reply->status, reply->message);
        return;
    }
    fields = container_fields(c);
    if (c->action->status) {
        json_text_set(fields, "status", json_text_str(c->action->status));
    } else {
        json_text_set(fields, "removed", json_true());
    }
    finish_fields(c, fields);
}

static char *query_of(const struct command *c)
{
    const struct command_args *args = &c->msg.args;
    unsigned flags = c->action->flags;
    _cleanup_free_ char *name = NULL;

    if (flags & TAKES_TIMEOUT)
        return xasprintf("?t=%lld", (long long)args->timeout_s);
    if (flags & TAKES_REMOVE) {
        return xasprintf("?force=%d&v=%d", args->force || (flags & IS_FORCED) ? 1 : 0,
                         args->volumes ? 1 : 0);
    }
    if (flags & TAKES_NAME) {
        name = engine_query_escape(args->new_name);
        return xasprintf("?name=%s", name);
    }
    return xstrdup("");
}

static void start_call(struct command *c, const char *method, const char *path, engine_done_fn done)
{
    struct error err = ERROR_INIT;
    int r;

    /* The command's own deadline comes first; this one is a second line. */
    r = engine_call_start(&c->call, c->engine,
                          &(struct engine_request){.method = method,
                                                   .path = path,
                                                   .timeout_ms = command_deadline_ms(c) + 5000,
                                                   .max_body = MAX_INSPECT_BODY,
                                                   .done = done,
                                                   .owner = c},
                          &err);
    if (r < 0)
        fail_engine(c, err.code, 0, err.msg); /* c is gone now */
}

static void run_change(struct command *c)
{
    _cleanup_free_ char *query = NULL, *path = NULL;

    query = query_of(c);
    path = xasprintf("/containers/%s%s%s", c->target, c->action->suffix, query);
    start_call(c, c->action->method, path, on_changed);
}

static void on_inspect(void *owner, const struct engine_reply *reply)
{
    struct command *c = owner;
    struct error err = ERROR_INIT;
    struct checked_text text;

    c->call = NULL;
    if (reply->code < 0) {
        fail_engine(c, reply->code, reply->status, reply->message);
    } else if (checked_text_init(&text, reply->body, reply->size, &err) < 0) {
        fail_engine(c, err.code, 0, err.msg);
    } else {
        finish_text(c, NULL, "container", checked_text_span(&text));
        checked_text_done(&text);
    }
}

static void run_inspect(struct command *c)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", c->msg.args.container_id);

    start_call(c, "GET", path, on_inspect);
}

static void on_logs(void *owner, const struct log_fetch_result *result)
{
    struct command *c = owner;
    json_t *fields;

    c->logs = NULL;
    if (result->code < 0) {
        fail_engine(c, result->code, result->status, result->message);
        return;
    }
    fields = json_object();
    if (result->is_truncated)
        json_text_set(fields, "truncated", json_true());
    finish_text(c, fields, "logs", result->logs);
}

static void run_logs(struct command *c)
{
    const struct command_args *args = &c->msg.args;
    struct error err = ERROR_INIT;
    int r;

    r = log_fetch_start(&c->logs,
                        &(struct log_fetch_options){.engine = c->engine,
                                                    .container = args->container_id,
                                                    .tail = args->tail,
                                                    .since = args->since,
                                                    .until = args->until,
                                                    .timeout_ms = command_deadline_ms(c),
                                                    .done = on_logs,
                                                    .owner = c},
                        &err);
    if (r == -EINVAL) {
        fail_code(c, error_code_of(&err), err.msg);
    } else if (r < 0) {
        fail_engine(c, err.code, 0, err.msg);
    }
}

static void run_ping(struct command *c)
{
    json_t *fields = json_object();

    json_text_set(fields, "status", json_text_str("pong"));
    finish_fields(c, fields);
}

static void on_info(void *owner, int code, const char *message, struct engine_info *info)
{
    struct command *c = owner;
    json_t *fields;

    c->info = NULL;
    if (code < 0) {
        fail_engine(c, code, 0, message);
        return;
    }
    fields = json_object();
    json_text_set(fields, "os_type", json_text_str(info->os_type));
    json_text_set(fields, "os_version", json_text_str(info->os_version));
    json_text_set(fields, "kernel_version", json_text_str(info->kernel_version));
    json_text_set(fields, "docker_version", json_text_str(info->docker_version));
    json_text_set(fields, "daemon_started_at", json_text_str(info->daemon_started_at));
    json_text_set(fields, "total_memory", json_integer(info->total_memory));
    json_text_set(fields, "num_cpus", json_integer(info->n_cpus));
    finish_fields(c, fields);
}

static void run_system_info(struct command *c)
{
    struct error err = ERROR_INIT;

    if (engine_info_start(&c->info, c->engine, on_info, c, &err) < 0)
        fail_engine(c, err.code, 0, err.msg);
}

static void on_list(void *owner, const struct container_list_result *result)
{
    struct command *c = owner;
    struct buf text = BUF_INIT(c->sender->max_message);
    int r;

    c->list = NULL;
    if (result->code < 0) {
        fail_engine(c, result->code, result->status, result->message);
        return;
    }
    r = buf_append_char(&text, '[');
    for (size_t i = 0; r == 0 && i < result->n; i++) {
        if (i > 0)
            r = buf_append_char(&text, ',');
        if (r == 0)
            r = buf_append(&text, result->items[i].text.p, result->items[i].text.n);
    }
    if (r == 0)
        r = buf_append_char(&text, ']');
    if (r < 0) {
        fail_code(c, CODE_REPLY_TOO_LARGE, "the list of containers is too large for one message");
    } else {
        finish_text(c, NULL, "", (struct json_span){buf_str(&text), text.size});
    }
    buf_done(&text);
}

static void run_list(struct command *c)
{
    struct error err = ERROR_INIT;
    int r;

    r = container_list_start(
        &c->list,
        &(struct container_list_options){
            .engine = c->engine, .facts = c->facts, .done = on_list, .owner = c},
        &err);
    if (r < 0)
        fail_engine(c, err.code, 0, err.msg);
}

static void on_resource(void *owner, const struct resource_result *result)
{
    struct command *c = owner;

    c->resource = NULL;
    if (result->code < 0) {
        fail_engine(c, result->code, result->status, result->message);
    } else {
        finish_fields(c, json_incref(result->payload));
    }
}

/* Images, networks and volumes. */
static void run_resource(struct command *c)
{
    struct error err = ERROR_INIT;
    int r;

    r = resource_start(&c->resource,
                       &(struct resource_options){.engine = c->engine,
                                                  .command = c->action->name,
                                                  .payload = c->msg.payload,
                                                  .timeout_ms = command_deadline_ms(c) + 5000,
                                                  .done = on_resource,
                                                  .owner = c},
                       &err);
    if (r == -EINVAL || r == -EMSGSIZE) {
        command_fail(c, &(struct reply_error){
                            .text = err.msg, .status = 400, .code = CODE_INVALID_ARGUMENT});
    } else if (r < 0) {
        fail_engine(c, err.code, 0, err.msg);
    }
}

/* --- may it be done? ---------------------------------------------------------------------------- */

static void run_allowed(struct command *c)
{
    _cleanup_free_ char *why = guard_refuse_container(c->guard, c->target, c->action->name);

    if (why) {
        fail_permission(c, why); /* c is gone now */
    } else {
        c->action->run(c); /* c may be gone now */
    }
}

static void on_described(void *owner, const struct engine_reply *reply)
{
    struct command *c = owner;
    struct error err = ERROR_INIT;
    char id[CONTAINER_ID_SIZE];

    c->call = NULL;
    if (reply->code < 0) {
        fail_engine(c, reply->code, reply->status, reply->message);
    } else if (guard_learn(c->guard, reply, id, &err) < 0) {
        fail_engine(c, err.code, 0, err.msg);
    } else {
        free(c->target);
        c->target = xstrdup(id);
        run_allowed(c);
    }
}

static void run_container(struct command *c)
{
    _cleanup_free_ char *path = NULL;

    if (guard_knows(c->guard, c->target, c->action->name)) {
        run_allowed(c);
        return;
    }
    path = xasprintf("/containers/%s/json", c->target);
    start_call(c, "GET", path, on_described);
}

#define OP  COMMAND_KIND_OPERATION
#define CMD COMMAND_KIND_COMMAND
#define C   NEEDS_CONTAINER

/* The deadlines stay under what the Python backend waits, so that it is told why instead of timing out. */
static const struct action actions[] = {
    {OP,  25,  "start",             run_change,      "POST",   "/start",               "started",   C                },
    {OP,  15,  "stop",              run_change,      "POST",   "/stop",                "stopped",   C | TAKES_TIMEOUT},
    {OP,  15,  "restart",           run_change,      "POST",   "/restart",             "restarted", C | TAKES_TIMEOUT},
    {OP,  25,  "kill",              run_change,      "POST",   "/kill?signal=SIGKILL", "killed",    C                },
    {OP,  25,  "pause",             run_change,      "POST",   "/pause",               "paused",    C                },
    {OP,  25,  "unpause",           run_change,      "POST",   "/unpause",             "unpaused",  C                },
    {OP,  25,  "rename",            run_change,      "POST",   "/rename",              "renamed",   C | TAKES_NAME   },
    {OP,  25,  "remove",            run_change,      "DELETE", "",                     NULL,        C | TAKES_REMOVE },
    {OP,  25,  "get_logs",          run_logs,        NULL,     NULL,                   NULL,        C                },
    {OP,  12,  "inspect",           run_inspect,     NULL,     NULL,                   NULL,        C                },
    {CMD, 5,   "ping",              run_ping,        NULL,     NULL,                   NULL,        0                },
    {CMD, 25,  "get_system_info",   run_system_info, NULL,     NULL,                   NULL,        0                },
    {CMD, 28,  "list_containers",   run_list,        NULL,     NULL,                   NULL,        0                },
    {CMD, 25,  "start_container",   run_change,      "POST",   "/start",               "started",   C                },
    {CMD, 15,  "stop_container",    run_change,      "POST",   "/stop",                "stopped",   C | TAKES_TIMEOUT},
    {CMD, 15,  "restart_container", run_change,      "POST",   "/restart",             "restarted", C | TAKES_TIMEOUT},
    {CMD, 25,  "delete_container",  run_change,      "DELETE", "",                     "deleted",
     C | TAKES_REMOVE | IS_FORCED                                                                                    },
    {CMD, 25,  "container_logs",    run_logs,        NULL,     NULL,                   NULL,        C                },
    {CMD, 25,  "list_images",       run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 55,  "remove_image",      run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 115, "prune_images",      run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 25,  "list_networks",     run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 25,  "create_network",    run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 55,  "delete_network",    run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 55,  "prune_networks",    run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 25,  "list_volumes",      run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 25,  "create_volume",     run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 55,  "delete_volume",     run_resource,    NULL,     NULL,                   NULL,        0                },
    {CMD, 55,  "prune_volumes",     run_resource,    NULL,     NULL,                   NULL,        0                },
};

#undef OP
#undef CMD
#undef C

const struct action *action_find(enum command_kind kind, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (actions[i].kind == kind && str_eq(actions[i].name, name))
            return &actions[i];
    }
    return NULL;
}

bool action_needs_container(const struct action *action)
{
    return action->flags & NEEDS_CONTAINER;
}

const char *action_find_fault(const struct action *action, const struct command_args *args)
{
    if (action->flags & NEEDS_CONTAINER && str_is_empty(args->container_id))
        return "container_id is required";
    if (action->flags & NEEDS_CONTAINER && !str_is_container_ref(args->container_id))
        return "container_id is neither an id nor a name of a container";
    if (action->flags & TAKES_NAME && str_is_empty(args->new_name))
        return "new_name is required";
    if (action->flags & TAKES_NAME && !str_is_container_ref(args->new_name))
        return "new_name is not a valid container name";
    return NULL;
}

const char *action_name(size_t i)
{
    return i < ARRAY_LEN(actions) ? actions[i].name : NULL;
}

uint64_t command_deadline_ms(const struct command *c)
{
    uint64_t s = c->action->deadline_s;
    int64_t timeout_s = c->msg.args.timeout_s;

    if (c->action->flags & TAKES_TIMEOUT) {
        s += timeout_s < 0 || timeout_s > LONGEST_TIMEOUT_S ? LONGEST_TIMEOUT_S
                                                            : (uint64_t)timeout_s;
    }
    return s * 1000;
}

static void on_deadline(struct loop_timer *t)
{
    struct command *c = CONTAINER_OF(t, struct command, deadline);
    unsigned long long s = command_deadline_ms(c) / 1000;
    _cleanup_free_ char *text = NULL;

    text = c->is_running
               ? xasprintf("%s did not finish within %llu s", c->action->name, s)
               : xasprintf("%s did not start within %llu s: another command still runs there",
                           c->action->name, s);
    log_warn(LOG_FIELDS("id", c->msg.id, "container", c->msg.args.container_id), "%s", text);
    command_fail(
        c, &(struct reply_error){.text = text, .type = REPLY_ERROR_DOCKER, .code = CODE_TIMEOUT});
}

void command_arm(struct command *c)
{
    c->due_ms = time_monotonic_ms() + command_deadline_ms(c);
    loop_timer_start(engine_loop(c->engine), &c->deadline, command_deadline_ms(c), on_deadline);
}

void command_run(struct command *c)
{
    _cleanup_free_ char *why = guard_refuse(c->guard, c->action->name);

    c->is_running = true;
    if (why) {
        fail_permission(c, why);
    } else if (action_needs_container(c->action)) {
        run_container(c);
    } else {
        c->action->run(c);
    }
    /* c may be gone now */
}

void command_cancel_work(struct command *c)
{
    loop_timer_stop(&c->deadline);
    engine_call_cancel(TAKE_PTR(c->call));
    engine_info_cancel(TAKE_PTR(c->info));
    container_list_cancel(TAKE_PTR(c->list));
    log_fetch_cancel(TAKE_PTR(c->logs));
    resource_cancel(TAKE_PTR(c->resource));
}

void command_fail(struct command *c, const struct reply_error *e)
{
    command_cancel_work(c);
    sender_reply_error(c->sender, reply_to(c), e);
    command_finished(c);
}
