#include "server/command/command.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/command.h"
#include "proto/json_text.h"
#include "proto/reply.h"

#include <assert.h>
#include <errno.h>

struct commands {
    struct loop *loop;
    command_send_fn send;
    void *send_owner;
    void (*on_failure)(void *owner, const struct command_failure *f);
    size_t max_awaited; /* replies of one peer */
    struct map pending; /* correlation id -> struct command */
    struct map peers;   /* agent id -> struct peer, while it has pending commands */
};

/* An agent whose replies are awaited. It exists exactly as long as its list is not empty. */
struct peer {
    char *agent_id;
    size_t n_pending;
    struct list commands;
};

enum command_state {
    COMMAND_NEW,
    COMMAND_WAITING, /* sent, for a reply or the timeout */
    COMMAND_REFUSED, /* could not be sent; ends from the loop, because start must not call back */
    COMMAND_DONE,
};

struct command {
    struct commands *owner;
    enum command_state state;
    char id[UUID_TEXT_SIZE];
    struct peer *peer;
    struct list link; /* in peer->commands */
    struct loop_timer timer;
    uint64_t started_ms, timeout_ms;
    int refusal; /* the errno of a COMMAND_REFUSED */
    enum operation_id operation;
    char *container; /* for the log; NULL: routine */
    command_done_fn done;
    void *done_owner;
};

static void set_state(struct command *c, enum command_state to)
{
    static const bool is_legal[][4] = {
        [COMMAND_NEW] = {[COMMAND_WAITING] = true, [COMMAND_REFUSED] = true},
        [COMMAND_WAITING] = {[COMMAND_DONE] = true                       },
        [COMMAND_REFUSED] = {[COMMAND_DONE] = true},
        [COMMAND_DONE] = {false                       },
    };

    assert(is_legal[c->state][to]);
    c->state = to;
}

static struct peer *get_peer(struct commands *cs, const char *agent_id)
{
    struct peer *p = map_find(&cs->peers, agent_id);

    if (p)
        return p;

    p = xcalloc(1, sizeof(*p));
    p->agent_id = xstrdup(agent_id);
    list_init(&p->commands);
    (void)map_put(&cs->peers, agent_id, p); /* replaces nothing */
    return p;
}

static void unlink_command(struct command *c)
{
    struct peer *p = c->peer;

    loop_timer_stop(&c->timer);
    (void)map_remove(&c->owner->pending, c->id);
    list_unlink(&c->link);
    p->n_pending--;
    if (p->n_pending > 0)
        return;

    (void)map_remove(&c->owner->peers, p->agent_id);
    free(p->agent_id);
    free(p);
}

static void report_failure(const struct command *c, const struct command_result *r)
{
    const struct commands *cs = c->owner;

    if (r->code == 0 || !c->container || !cs->on_failure)
        return;
    cs->on_failure(cs->send_owner, &(struct command_failure){
                                       .agent_id = c->peer->agent_id,
                                       .id = c->id,
                                       .name = operation_spec(c->operation)->name,
                                       .container = c->container,
                                       .result = r,
                                   });
}

/* Ends the command and frees it. */
static void finish(struct command *c, struct command_result *r)
{
    r->took_ms = time_monotonic_ms() - c->started_ms;
    if (!r->message)
        r->message = "";
    report_failure(c, r);
    unlink_command(c);
    set_state(c, COMMAND_DONE);
    c->done(c->done_owner, r);
    free(c->container);
    free(c);
}

static void fail(struct command *c, enum error_code reason, const char *message)
{
    finish(c, &(struct command_result){
                  .code = error_code_errno(reason), .reason = reason, .message = message});
}

static void on_timeout(struct loop_timer *t)
{
    struct command *c = CONTAINER_OF(t, struct command, timer);
    _cleanup_free_ char *message = NULL;

    message = xasprintf(
        "the agent did not answer: timeout after %llu ms; it is not known whether this was done",
        (unsigned long long)c->timeout_ms);
    fail(c, CODE_TIMEOUT, message);
}

static void on_refused(struct loop_timer *t)
{
    struct command *c = CONTAINER_OF(t, struct command, timer);

    fail(c, c->refusal == -ENOTCONN ? CODE_HOST_OFFLINE : CODE_TOO_MANY_COMMANDS,
         c->refusal == -ENOTCONN ? "the agent is not connected"
                                 : "too many commands are waiting for this agent");
}

struct commands *commands_new(struct loop *loop, command_send_fn send, void *owner)
{
    struct commands *cs = xcalloc(1, sizeof(*cs));

    cs->loop = loop;
    cs->send = send;
    cs->send_owner = owner;
    cs->max_awaited = COMMANDS_MAX_AWAITED;
    return cs;
}

void commands_set_max_awaited(struct commands *cs, size_t max)
{
    cs->max_awaited = max;
}

void commands_on_failure(struct commands *cs,
                         void (*fn)(void *owner, const struct command_failure *f))
{
    cs->on_failure = fn;
}

void commands_free(struct commands *cs)
{
    if (!cs)
        return;

    while (cs->peers.size > 0) {
        const struct peer *p = map_next(&cs->peers, NULL)->value;

        fail(CONTAINER_OF(p->commands.next, struct command, link), CODE_HOST_OFFLINE,
             "the server is stopping");
    }
    map_done(&cs->peers);
    map_done(&cs->pending);
    free(cs);
}

static char *encode_command(const struct command *c,
                            const struct command_request *q,
                            size_t *ret_size)
{
    const struct operation_spec *spec = operation_spec(q->operation);
    json_t *message = msg_command_encode(spec->kind, c->id, spec->name, q->payload);
    char *text = json_text_write(message, ret_size);

    json_decref(message);
    return text;
}

static int send_command(struct command *c,
                        const struct command_request *q,
                        const char *text,
                        size_t size)
{
    if (c->peer->n_pending > c->owner->max_awaited)
        return -ENOBUFS;

    return c->owner->send(c->owner->send_owner, q->agent_id, text, size);
}

void command_start(struct commands *cs, struct command_request *q)
{
    struct command *c = xcalloc(1, sizeof(*c));
    _cleanup_free_ char *text = NULL;
    size_t size;

    c->owner = cs;
    c->started_ms = time_monotonic_ms();
    c->timeout_ms = q->timeout_ms;
    c->done = q->done;
    c->done_owner = q->owner;
    c->operation = q->operation;
    if (!q->is_routine) {
        const char *container = json_text_get(q->payload, "container_id");

        c->container = xstrdup(container ? container : "");
    }
    random_uuid(c->id);
    c->peer = get_peer(cs, q->agent_id);
    c->peer->n_pending++;
    list_append(&c->peer->commands, &c->link);
    (void)map_put(&cs->pending, c->id, c); /* a fresh random id */

    text = encode_command(c, q, &size);
    json_decref(TAKE_PTR(q->payload));
    c->refusal = send_command(c, q, text, size);
    if (c->refusal < 0) {
        set_state(c, COMMAND_REFUSED);
        loop_timer_start(cs->loop, &c->timer, 0, on_refused);
        return;
    }
    set_state(c, COMMAND_WAITING);
    loop_timer_start(cs->loop, &c->timer, c->timeout_ms, on_timeout);
}

bool commands_on_reply(struct commands *cs, const char *agent_id, const json_t *message)
{
    _cleanup_(msg_reply_done) struct msg_reply reply = {0};
    struct command_result result;
    struct command *c;

    if (msg_reply_decode(message, &reply, NULL) < 0)
        return false;

    c = map_find(&cs->pending, reply.id);
    if (!c || c->state != COMMAND_WAITING || !str_eq(c->peer->agent_id, agent_id))
        return false;

    result = (struct command_result){
        .code = reply.code,
        .reason = reply.reason,
        .message = reply.error,
        .engine_status = reply.status,
        .reply = reply.code == 0 ? message : NULL,
        .result = reply.result,
    };
    finish(c, &result);
    return true;
}

void commands_fail_agent(struct commands *cs, const char *agent_id, const char *why)
{
    struct peer *p = map_find(&cs->peers, agent_id);
    char(*ids)[UUID_TEXT_SIZE];
    size_t n = 0;

    if (!p)
        return;

    /* By id: `done` may start new commands, which must not fail, and the peer may be freed. */
    ids = xcalloc(p->n_pending, sizeof(*ids));
    for (struct list *l = p->commands.next; l != &p->commands; l = l->next)
        str_copy(ids[n++], sizeof(*ids), CONTAINER_OF(l, struct command, link)->id);

    for (size_t i = 0; i < n; i++) {
        struct command *c = map_find(&cs->pending, ids[i]);

        if (c && c->state == COMMAND_WAITING)
            fail(c, CODE_HOST_OFFLINE, why);
    }
    free(ids);
}
