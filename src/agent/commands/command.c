#include "agent/commands/command.h"
#include "agent/common/channel.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/limits.h"

#include <string.h>

#define LONGEST_TIMEOUT_S 600 /* of a stop or restart; one without end is given up after this */

int command_check_args(enum operation_id id, const struct command_args *args, struct error *err)
{
    unsigned takes = operation_spec(id)->arguments;
    const char *fault = takes & TAKES_CONTAINER ? channel_container_fault(args->container_id)
                                                : NULL;
    struct error why = ERROR_INIT;

    if (!fault && takes & TAKES_NEW_NAME && str_is_empty(args->new_name))
        fault = "new_name is required";
    if (!fault && takes & TAKES_NEW_NAME && !str_is_container_ref(args->new_name))
        fault = "new_name is not a valid container name";
    if (!fault && takes & TAKES_SIGNAL && args->signal && !command_is_signal(args->signal))
        fault = "signal is not the name or number of a signal";
    if (fault)
        return error_code_set(err, CODE_INVALID_ARGUMENT, "%s", fault);
    if (takes & TAKES_LIMITS && limits_check(args->limits, &why) < 0)
        return error_code_set(err, CODE_INVALID_ARGUMENT, "%s", why.msg);
    return 0;
}

static const char *get_name(const struct command *c)
{
    return operation_spec(c->msg.operation)->name;
}

static uint64_t get_deadline_ms(const struct command *c)
{
    uint64_t s = c->row->deadline_s;
    int64_t timeout_s = c->msg.args.timeout_s;

    if (operation_spec(c->msg.operation)->arguments & TAKES_TIMEOUT) {
        s += timeout_s < 0 || timeout_s > LONGEST_TIMEOUT_S ? LONGEST_TIMEOUT_S
                                                            : (uint64_t)timeout_s;
    }
    return s * 1000;
}

static struct reply_to reply_to(const struct command *c)
{
    return (struct reply_to){c->msg.kind, c->msg.id};
}

static void answer(struct command *c, const struct operation_result *r)
{
    const struct sender *sender = c->o->sender;

    if (r->error) {
        sender_reply_error(sender, reply_to(c), r->error);
    } else if (r->key) {
        sender_reply_text(sender, reply_to(c), r->fields, r->key, r->text);
    } else {
        sender_reply(sender, reply_to(c), r->fields);
    }
    c->o->finished(c->o->owner, c); /* c is gone now */
}

static void refuse(struct command *c, const struct reply_error *error)
{
    log_warn(LOG_FIELDS("id", c->msg.id, "container", c->msg.args.container_id), "refused: %s",
             error->text);
    answer(c, &(struct operation_result){.error = error}); /* c is gone now */
}

static void answer_overtaken(struct command *c)
{
    struct reply_error error = {.type = REPLY_ERROR_DOCKER, .code = CODE_OPERATION_OVERTAKEN};
    _cleanup_free_ char *text = xasprintf("%s was ended by %s", get_name(c),
                                          operation_spec(c->overtaken_by)->name);

    error.text = text;
    answer(c, &(struct operation_result){.error = &error}); /* c is gone now */
}

void command_release(struct command *c)
{
    answer(c, &(struct operation_result){.fields = TAKE_PTR(c->held)}); /* c is gone now */
}

void command_refuse_running(struct command *c, enum operation_id running)
{
    struct reply_error error = {.type = REPLY_ERROR_DOCKER, .code = CODE_OPERATION_IN_PROGRESS};
    _cleanup_free_ char *text = xasprintf("%s is refused: %s is in progress on this container",
                                          get_name(c), operation_spec(running)->name);

    error.text = text;
    refuse(c, &error); /* c is gone now */
}

static void answer_late(struct command *c)
{
    unsigned long long s = get_deadline_ms(c) / 1000;
    struct reply_error error = {.type = REPLY_ERROR_DOCKER,
                                .code = c->is_running ? CODE_TIMEOUT : CODE_CONTAINER_BUSY};
    _cleanup_free_ char *text = NULL;

    text = c->is_running
               ? xasprintf("%s did not finish within %llu s", get_name(c), s)
               : xasprintf("%s did not start within %llu s: another command still runs there",
                           get_name(c), s);
    log_warn(LOG_FIELDS("id", c->msg.id, "container", c->msg.args.container_id), "%s", text);
    operation_free(TAKE_PTR(c->operation));
    error.text = text;
    answer(c, &(struct operation_result){.error = &error}); /* c is gone now */
}

static void on_deadline(struct loop_timer *t)
{
    struct command *c = CONTAINER_OF(t, struct command, deadline);

    if (c->is_held) {
        command_release(c);
    } else if (c->operation && c->operation->is_over) {
        operation_advance(c->operation);
    } else if (c->overtaken_by) {
        answer_overtaken(c);
    } else {
        answer_late(c);
    }
    /* c is gone now */
}

/* A full id and its short form have the same key; a name has its own. */
static char *make_key(const char *container)
{
    size_t n = strspn(container, "0123456789abcdef");

    if (n >= CONTAINER_SHORT_ID_LEN && container[n] == '\0')
        return xstrndup(container, CONTAINER_SHORT_ID_LEN);
    return xstrdup(container);
}

struct command *command_new(const struct command_options *o, struct msg_command *m)
{
    struct command *c = xcalloc(1, sizeof(*c));

    c->o = o;
    c->msg = *m;
    *m = (struct msg_command){0};
    c->row = agent_operation(c->msg.operation);
    c->key = c->row->needs == NEEDS_RULES ? make_key(c->msg.args.container_id) : NULL;
    list_init(&c->link);
    c->due_ms = time_monotonic_ms() + get_deadline_ms(c);
    loop_timer_start(engine_loop(o->engine), &c->deadline, get_deadline_ms(c), on_deadline);
    return c;
}

void command_free(struct command *c)
{
    loop_timer_stop(&c->deadline);
    operation_free(c->operation);
    list_unlink(&c->link);
    json_decref(c->held);
    msg_command_done(&c->msg);
    free(c->key);
    free(c);
}

static void start(struct command *c, const struct msg_command *request);

static bool is_restart(const struct command *c)
{
    return str_eq(operation_spec(c->msg.operation)->word, "restart");
}

/* Ends the container that a restart has started although it was overtaken. */
static void undo(struct command *c)
{
    c->is_undoing = true;
    c->undo = (struct msg_command){.kind = COMMAND_KIND_OPERATION, .operation = OPERATION_KILL};
    c->undo.args = (struct command_args)COMMAND_ARGS_INIT;
    c->undo.args.container_id = c->msg.args.container_id; /* borrowed */
    start(c, &c->undo);
}

/* The end of the operation of a command that was overtaken. */
static void end_overtaken(struct command *c, const struct operation_result *r)
{
    bool has_killed = c->overtaken_by == OPERATION_KILL;

    if (has_killed && is_restart(c) && !r->error && !c->is_undoing) {
        json_decref(r->fields);
        undo(c);
    } else if (has_killed && !is_restart(c) && !r->error) {
        answer(c, r); /* it was asked to stop the container, and that has stopped */
    } else {
        json_decref(r->fields);
        answer_overtaken(c);
    }
    /* c may be gone now */
}

static void on_done(void *owner, const struct operation_result *r)
{
    struct command *c = owner;

    c->operation = NULL;
    if (c->overtaken_by) {
        end_overtaken(c, r);
    } else if (r->error && str_eq(r->error->type, REPLY_ERROR_PERMISSION)) {
        refuse(c, r->error);
    } else if (!r->error && c->o->must_hold(c->o->owner, c)) {
        c->is_held = true;
        c->held = r->fields;
    } else {
        answer(c, r);
    }
    /* c may be gone now */
}

static void start(struct command *c, const struct msg_command *request)
{
    const struct agent_operation *row = agent_operation(request->operation);

    c->operation = operation_new(row->type,
                                 &(struct operation_options){.engine = c->o->engine,
                                                             .facts = c->o->facts,
                                                             .guard = c->o->guard,
                                                             .network_undo = c->o->network_undo,
                                                             .updates = c->o->updates,
                                                             .self_update = c->o->self_update,
                                                             .inventory = c->o->inventory,
                                                             .request = request,
                                                             .max_text = c->o->sender->max_message,
                                                             .deadline_ms = get_deadline_ms(c),
                                                             .done = on_done,
                                                             .owner = c});
    operation_start(c->operation); /* c may be gone now */
}

void command_run(struct command *c)
{
    _cleanup_free_ char *why = guard_refuse(c->o->guard, c->msg.operation);

    c->is_running = true;
    if (why) {
        refuse(c, &(struct reply_error){
                      .text = why, .type = REPLY_ERROR_PERMISSION, .code = CODE_POLICY_DENIED});
        return; /* c is gone now */
    }
    start(c, &c->msg); /* c may be gone now */
}
