#include "agent/commands/commands.h"
#include "agent/commands/command.h"
#include "agent/commands/unsupported.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/operation_rule.h"

#include <assert.h>

#define MIN_LEFT_MS 1000 /* a command with less time left is not started; its deadline ends it */

struct commands {
    struct commands_options options;
    struct command_options command_options;
    struct list waiting, running;
    size_t n_waiting, n_running; /* n_running counts those with a key only */
    bool is_dispatching;         /* inside dispatch() */
    bool is_draining;
    struct completion drained;
};

static void free_all(struct list *l)
{
    while (!list_empty(l))
        command_free(CONTAINER_OF(list_take_first(l), struct command, link));
}

void commands_free(struct commands *cs)
{
    if (!cs)
        return;
    completion_done(&cs->drained);
    free_all(&cs->waiting);
    free_all(&cs->running);
    free(cs);
}

static struct rule_subject subject_of(const struct command *c)
{
    return (struct rule_subject){.id = c->msg.operation,
                                 .is_forced = c->msg.args.force,
                                 .is_mild = c->msg.operation == OPERATION_KILL &&
                                            command_is_mild_signal(c->msg.args.signal)};
}

/* The rule for `c` beside those that run. *ret is the running one that it comes from, or NULL. */
static enum operation_rule find_rule(const struct commands *cs,
                                     const struct command *c,
                                     struct command **ret)
{
    enum operation_rule rule = RULE_BESIDE;

    *ret = NULL;
    for (struct list *l = cs->running.next; c->key && l != &cs->running; l = l->next) {
        struct command *running = CONTAINER_OF(l, struct command, link);
        enum operation_rule found;

        if (!running->key || !str_eq(running->key, c->key))
            continue;
        found = operation_rule(subject_of(running), subject_of(c));
        if (found > rule) {
            rule = found;
            *ret = running;
        }
    }
    return rule;
}

/*
 * Finds the first command that may start, or that has to be refused. Those that wait for the same
 * ones keep their order. An overtaking command does not wait for a free place, either.
 */
static struct command *find_ready(const struct commands *cs,
                                  enum operation_rule *ret_rule,
                                  struct command **ret_running)
{
    uint64_t now_ms = time_monotonic_ms();

    for (struct list *l = cs->waiting.next; l != &cs->waiting; l = l->next) {
        struct command *c = CONTAINER_OF(l, struct command, link);
        enum operation_rule rule = find_rule(cs, c, ret_running);

        *ret_rule = rule;
        if (rule == RULE_REFUSE)
            return c;
        if (c->due_ms < now_ms + MIN_LEFT_MS || rule == RULE_WAIT)
            continue;
        if (!c->key || rule == RULE_OVERTAKE || cs->n_running < COMMANDS_MAX_RUNNING)
            return c;
    }
    return NULL;
}

static void mark_overtaken(struct commands *cs, const struct command *c)
{
    for (struct list *l = cs->running.next; l != &cs->running; l = l->next) {
        struct command *running = CONTAINER_OF(l, struct command, link);

        if (running->key && str_eq(running->key, c->key) &&
            operation_rule(subject_of(running), subject_of(c)) == RULE_OVERTAKE)
            running->overtaken_by = c->msg.operation;
    }
}

static void run(struct commands *cs, struct command *c)
{
    list_unlink(&c->link);
    list_append(&cs->running, &c->link);
    cs->n_waiting--;
    cs->n_running += c->key ? 1 : 0;
    command_run(c); /* c may be gone now */
}

static void dispatch(struct commands *cs)
{
    enum operation_rule rule;
    struct command *c, *running;

    if (cs->is_dispatching)
        return; /* a command has ended at once; the loop below continues */
    cs->is_dispatching = true;
    while ((c = find_ready(cs, &rule, &running))) {
        if (rule == RULE_REFUSE) {
            command_refuse_running(c, running->msg.operation);
            continue; /* c is gone now */
        }
        if (rule == RULE_OVERTAKE)
            mark_overtaken(cs, c);
        run(cs, c);
    }
    cs->is_dispatching = false;
}

/* A restart that `c` has overtaken starts the container once more before it ends. */
static bool on_must_hold(void *owner, const struct command *c)
{
    const struct commands *cs = owner;

    if (!c->key || subject_of(c).is_mild)
        return false;
    for (struct list *l = cs->running.next; l != &cs->running; l = l->next) {
        const struct command *running = CONTAINER_OF(l, struct command, link);

        if (running != c && running->key && str_eq(running->key, c->key) &&
            running->overtaken_by == c->msg.operation)
            return true;
    }
    return false;
}

/* Answers commands that need not be held any more. */
static void release(struct commands *cs)
{
    struct list *next;

    for (struct list *l = cs->running.next; l != &cs->running; l = next) {
        struct command *c = CONTAINER_OF(l, struct command, link);

        next = l->next;
        if (c->is_held && !on_must_hold(cs, c)) {
            command_release(c); /* c is gone now, and others may be */
            next = cs->running.next;
        }
    }
}

static void check_drained(struct commands *cs)
{
    if (list_empty(&cs->waiting) && list_empty(&cs->running))
        completion_signal(&cs->drained, cs->options.loop);
}

static void on_finished(void *owner, struct command *c)
{
    struct commands *cs = owner;

    if (c->is_running) {
        cs->n_running -= c->key ? 1 : 0;
    } else {
        cs->n_waiting--;
    }
    command_free(c);
    release(cs);
    dispatch(cs);
    check_drained(cs);
}

struct commands *commands_new(const struct commands_options *o)
{
    struct commands *cs = xcalloc(1, sizeof(*cs));

    cs->options = *o;
    cs->command_options = (struct command_options){
        .engine = o->engine,
        .facts = o->facts,
        .guard = o->guard,
        .network_undo = o->network_undo,
        .updates = o->updates,
        .self_update = o->self_update,
        .inventory = o->inventory,
        .sender = &cs->options.sender,
        .must_hold = on_must_hold,
        .finished = on_finished,
        .owner = cs,
    };
    list_init(&cs->waiting);
    list_init(&cs->running);
    return cs;
}

static void refuse(struct commands *cs, struct msg_command *m, const struct error *err)
{
    sender_reply_error(&cs->options.sender, (struct reply_to){m->kind, m->id},
                       &(struct reply_error){.text = err->msg, .code = error_code_of(err)});
    msg_command_done(m);
}

static bool is_full(const struct commands *cs)
{
    size_t n = cs->n_waiting;

    for (const struct list *l = cs->running.next; l != &cs->running; l = l->next)
        n++;
    return n >= COMMANDS_MAX_ACCEPTED;
}

/* 0 when the command can be accepted. */
static int check_request(const struct commands *cs, const struct msg_command *m, struct error *err)
{
    if (!agent_operation(m->operation)) {
        return error_code_set(err, CODE_UNKNOWN_OPERATION, "unknown %s: %s",
                              m->kind == COMMAND_KIND_OPERATION ? "action" : "command",
                              m->name ? m->name : "");
    }
    if (cs->is_draining)
        return error_code_set(err, CODE_AGENT_STOPPING, "the agent is stopping");
    if (is_full(cs)) {
        return error_code_set(err, CODE_TOO_MANY_COMMANDS, "too many commands are pending (%d)",
                              COMMANDS_MAX_ACCEPTED);
    }
    return command_check_args(m->operation, &m->args, err);
}

void commands_submit(struct commands *cs, struct msg_command *m)
{
    struct command *c, *running;
    struct error err = ERROR_INIT;

    if (unsupported_answer(&cs->options.sender, m)) {
        msg_command_done(m);
        return;
    }
    if (check_request(cs, m, &err) < 0) {
        refuse(cs, m, &err);
        return;
    }
    c = command_new(&cs->command_options, m);
    list_append(&cs->waiting, &c->link);
    cs->n_waiting++;
    if (find_rule(cs, c, &running) == RULE_WAIT) {
        log_debug(LOG_FIELDS("container", c->key), "%s waits: %s is in progress",
                  operation_spec(c->msg.operation)->name,
                  operation_spec(running->msg.operation)->name);
    }
    dispatch(cs);
}

void commands_drain(struct commands *cs, struct completion_wait *w, completion_fn fn)
{
    assert(!cs->is_draining);
    cs->is_draining = true;
    completion_await(&cs->drained, w, fn);
    check_drained(cs);
}
