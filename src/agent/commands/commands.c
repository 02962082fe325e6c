#include "agent/commands/commands.h"
#include "agent/commands/command.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"

#include <assert.h>
#include <string.h>

#define SHORT_ID    12
#define MIN_LEFT_MS 1000 /* what has waited longer than that is left to its deadline */

struct commands {
    struct commands_options options;
    struct list waiting, running;
    size_t n_waiting, n_running; /* n_running counts those with a key only */
    bool is_dispatching;
    bool is_draining;
    struct completion drained;
};

struct commands *commands_new(const struct commands_options *o)
{
    struct commands *cs = xcalloc(1, sizeof(*cs));

    cs->options = *o;
    list_init(&cs->waiting);
    list_init(&cs->running);
    return cs;
}

static void command_free(struct command *c)
{
    command_cancel_work(c);
    list_unlink(&c->link);
    msg_command_done(&c->msg);
    free(c->target);
    free(c->key);
    free(c);
}

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

/* The same for a full id and its short form; a name stands for itself. */
static char *make_key(const char *container)
{
    size_t n = strspn(container, "0123456789abcdef");

    if (n >= SHORT_ID && container[n] == '\0')
        return xstrndup(container, SHORT_ID);
    return xstrdup(container);
}

static bool is_key_running(const struct commands *cs, const char *key)
{
    for (struct list *l = cs->running.next; l != &cs->running; l = l->next) {
        const struct command *c = CONTAINER_OF(l, struct command, link);

        if (c->key && str_eq(c->key, key))
            return true;
    }
    return false;
}

/*
 * The first that may start. One that waits behind another of its key is never first: what keeps the other
 * from starting keeps it, too.
 */
static struct command *find_startable(const struct commands *cs)
{
    uint64_t now_ms = time_monotonic_ms();

    for (struct list *l = cs->waiting.next; l != &cs->waiting; l = l->next) {
        struct command *c = CONTAINER_OF(l, struct command, link);

        if (c->due_ms < now_ms + MIN_LEFT_MS)
            continue;
        if (!c->key || (cs->n_running < COMMANDS_MAX_RUNNING && !is_key_running(cs, c->key)))
            return c;
    }
    return NULL;
}

static void dispatch(struct commands *cs)
{
    struct command *c;

    if (cs->is_dispatching)
        return; /* a command that ended at once; the loop below goes on */
    cs->is_dispatching = true;
    while ((c = find_startable(cs))) {
        list_unlink(&c->link);
        list_append(&cs->running, &c->link);
        cs->n_waiting--;
        cs->n_running += c->key ? 1 : 0;
        command_run(c); /* c may be gone now */
    }
    cs->is_dispatching = false;
}

static void check_drained(struct commands *cs)
{
    if (list_empty(&cs->waiting) && list_empty(&cs->running))
        completion_signal(&cs->drained, cs->options.loop);
}

void command_finished(struct command *c)
{
    struct commands *cs = c->owner;

    if (c->is_running) {
        cs->n_running -= c->key ? 1 : 0;
    } else {
        cs->n_waiting--;
    }
    command_free(c);
    dispatch(cs);
    check_drained(cs);
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
    return n >= COMMANDS_MAX_PENDING;
}

/* 0 when the request can run. */
static int check_request(const struct commands *cs,
                         const struct msg_command *m,
                         const struct action *action,
                         struct error *err)
{
    const char *fault;

    if (!action) {
        return error_code_set(err, CODE_UNKNOWN_OPERATION, "unknown %s: %s",
                              m->kind == COMMAND_KIND_OPERATION ? "action" : "command",
                              m->name ? m->name : "");
    }
    if (cs->is_draining)
        return error_code_set(err, CODE_AGENT_STOPPING, "the agent is stopping");
    if (is_full(cs)) {
        return error_code_set(err, CODE_TOO_MANY_COMMANDS, "too many commands are pending (%d)",
                              COMMANDS_MAX_PENDING);
    }
    fault = action_find_fault(action, &m->args);
    return fault ? error_code_set(err, CODE_INVALID_ARGUMENT, "%s", fault) : 0;
}

void commands_submit(struct commands *cs, struct msg_command *m)
{
    const struct action *action = action_find(m->kind, m->name);
    struct error err = ERROR_INIT;
    struct command *c;

    if (check_request(cs, m, action, &err) < 0) {
        refuse(cs, m, &err);
        return;
    }
    c = xcalloc(1, sizeof(*c));
    c->owner = cs;
    c->msg = *m;
    *m = (struct msg_command){0};
    c->action = action;
    c->target = xstrdup(c->msg.args.container_id);
    c->key = action_needs_container(action) ? make_key(c->msg.args.container_id) : NULL;
    c->engine = cs->options.engine;
    c->facts = cs->options.facts;
    c->guard = cs->options.guard;
    c->sender = &cs->options.sender;
    list_init(&c->link);
    list_append(&cs->waiting, &c->link);
    cs->n_waiting++;
    command_arm(c);
    dispatch(cs);
}

void commands_drain(struct commands *cs, struct completion_wait *w, completion_fn fn)
{
    assert(!cs->is_draining);
    cs->is_draining = true;
    completion_await(&cs->drained, w, fn);
    check_drained(cs);
}
