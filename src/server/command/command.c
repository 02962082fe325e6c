#include "server/command/command.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/command.h"
#include "proto/json_text.h"
#include "proto/reply.h"
#include "server/command/breaker.h"

#include <assert.h>
#include <errno.h>

#define RETRY_ATTEMPTS 3
#define RETRY_FIRST_MS 1000

struct commands {
    struct loop *loop;
    command_send_fn send;
    void *send_owner;
    void (*on_failure)(void *owner, const struct command_failure *f);
    command_circuit_fn on_circuit;
    size_t max_awaited;  /* replies of one peer */
    struct map pending;  /* correlation id -> struct command */
    struct map peers;    /* agent id -> struct peer, while it has pending commands */
    struct map breakers; /* agent id -> struct breaker, of connected agents that have failed */
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
    COMMAND_RETRYING,
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
    char *text;  /* to be sent again; NULL: it is not tried again */
    size_t text_size;
    unsigned n_attempts;
    enum operation_id operation;
    char *container; /* for the log; NULL: routine */
    command_done_fn done;
    void *done_owner;
};

static void set_state(struct command *c, enum command_state to)
{
    static const bool is_legal[][5] = {
        [COMMAND_NEW] = {[COMMAND_WAITING] = true, [COMMAND_REFUSED] = true},
        [COMMAND_WAITING] = {[COMMAND_RETRYING] = true,                        [COMMAND_DONE] = true},
        [COMMAND_RETRYING] = {[COMMAND_WAITING] = true,[COMMAND_DONE] = true},
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
    r->id = c->id;
    r->took_ms = time_monotonic_ms() - c->started_ms;
    if (!r->message)
        r->message = "";
    report_failure(c, r);
    unlink_command(c);
    set_state(c, COMMAND_DONE);
    c->done(c->done_owner, r);
    free(c->container);
    free(c->text);
    free(c);
}

static void fail(struct command *c, enum error_code reason, const char *message)
{
    finish(c, &(struct command_result){
                  .code = error_code_errno(reason), .reason = reason, .message = message});
}

static struct breaker *find_breaker(const struct command *c)
{
    return map_find(&c->owner->breakers, c->peer->agent_id);
}

static void report_circuit(struct commands *cs, const char *agent_id, bool is_open, const char *why)
{
    if (cs->on_circuit)
        cs->on_circuit(cs->send_owner, agent_id, is_open, why);
}

/* Failures of routine commands do not count: an agent may lack them. */
static void count_failure(const struct command *c)
{
    struct breaker *b = find_breaker(c);
    bool was_closed;

    if (!c->container)
        return;
    if (!b) {
        b = xcalloc(1, sizeof(*b));
        (void)map_put(&c->owner->breakers, c->peer->agent_id, b);
    }
    was_closed = b->state == BREAKER_CLOSED; /* a failed attempt opens it again, without a report */
    if (breaker_on_failure(b, time_monotonic_ms()) && was_closed) {
        report_circuit(c->owner, c->peer->agent_id, true,
                       "5 commands were not answered properly within a minute");
    }
}

static void count_success(const struct command *c)
{
    struct breaker *b = find_breaker(c);

    if (b && breaker_on_success(b, time_monotonic_ms()))
        report_circuit(c->owner, c->peer->agent_id, false, "the agent answers again");
}

static void on_timeout(struct loop_timer *t)
{
    struct command *c = CONTAINER_OF(t, struct command, timer);
    _cleanup_free_ char *message = NULL;

    count_failure(c);

    message = xasprintf(
        "the agent did not answer: timeout after %llu ms; it is not known whether this was done",
        (unsigned long long)c->timeout_ms);
    fail(c, CODE_TIMEOUT, message);
}

static void on_refused(struct loop_timer *t)
{
    struct command *c = CONTAINER_OF(t, struct command, timer);

    switch (c->refusal) {
    case -ENOTCONN: fail(c, CODE_HOST_OFFLINE, "the agent is not connected"); break;
    case -ECONNREFUSED:
        fail(
            c, CODE_CIRCUIT_OPEN,
            "the agent has not answered several commands, so that no more are sent for up to 30 s");
        break;
    default: fail(c, CODE_TOO_MANY_COMMANDS, "too many commands are waiting for this agent"); break;
    }
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

void commands_on_circuit(struct commands *cs, command_circuit_fn fn)
{
    cs->on_circuit = fn;
}

static void forget_breaker(struct commands *cs, const char *agent_id)
{
    free(map_remove(&cs->breakers, agent_id));
}

const char *commands_circuit(struct commands *cs, const char *agent_id)
{
    struct breaker *b = map_find(&cs->breakers, agent_id);

    return breaker_state_name(b ? breaker_check(b, time_monotonic_ms()) : BREAKER_CLOSED);
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
    while (cs->breakers.size > 0)
        forget_breaker(cs, map_next(&cs->breakers, NULL)->key);
    map_done(&cs->breakers);
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

static int send_command(struct command *c, const char *text, size_t size)
{
    struct breaker *b = c->container ? find_breaker(c) : NULL;

    if (c->peer->n_pending > c->owner->max_awaited)
        return -ENOBUFS;
    if (b && breaker_check(b, time_monotonic_ms()) == BREAKER_OPEN)
        return -ECONNREFUSED;
    c->n_attempts++;
    return c->owner->send(c->owner->send_owner, c->peer->agent_id, text, size);
}

static void on_retry(struct loop_timer *t)
{
    struct command *c = CONTAINER_OF(t, struct command, timer);
    uint64_t passed_ms = time_monotonic_ms() - c->started_ms;

    c->refusal = send_command(c, c->text, c->text_size);
    if (c->refusal < 0) {
        on_refused(t);
        return;
    }
    set_state(c, COMMAND_WAITING);
    loop_timer_start(c->owner->loop, &c->timer,
                     passed_ms < c->timeout_ms ? c->timeout_ms - passed_ms : 0, on_timeout);
}

/* 1 s, then twice as long, each by a factor of 0.5 to 1.5. */
static uint64_t retry_delay_ms(unsigned n_attempts)
{
    uint64_t middle = (uint64_t)RETRY_FIRST_MS << (n_attempts - 1);

    return middle / 2 + random_below(middle + 1);
}

/* Whether the command is tried again; the failure is not reported then. */
static bool retry(struct command *c)
{
    uint64_t delay_ms = retry_delay_ms(c->n_attempts);

    if (!c->text || c->n_attempts >= RETRY_ATTEMPTS ||
        time_monotonic_ms() - c->started_ms + delay_ms >= c->timeout_ms)
        return false;
    set_state(c, COMMAND_RETRYING);
    loop_timer_start(c->owner->loop, &c->timer, delay_ms, on_retry);
    return true;
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
    c->refusal = send_command(c, text, size);
    if (c->refusal < 0) {
        set_state(c, COMMAND_REFUSED);
        loop_timer_start(cs->loop, &c->timer, 0, on_refused);
        return;
    }
    if (q->may_retry && operation_spec(q->operation)->effect == EFFECT_READS) {
        c->text = TAKE_PTR(text);
        c->text_size = size;
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

    if (reply.code == -EPROTO) {
        count_failure(c);
        if (retry(c))
            return true;
    } else {
        count_success(c);
    }
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
    struct breaker *b = map_find(&cs->breakers, agent_id);
    struct peer *p = map_find(&cs->peers, agent_id);
    char(*ids)[UUID_TEXT_SIZE];
    size_t n = 0;

    if (b && b->state != BREAKER_CLOSED)
        report_circuit(cs, agent_id, false, "the connection of the agent has ended");
    forget_breaker(cs, agent_id);
    if (!p)
        return;

    /* By id: `done` may start new commands, which must not fail, and the peer may be freed. */
    ids = xcalloc(p->n_pending, sizeof(*ids));
    for (struct list *l = p->commands.next; l != &p->commands; l = l->next)
        str_copy(ids[n++], sizeof(*ids), CONTAINER_OF(l, struct command, link)->id);

    for (size_t i = 0; i < n; i++) {
        struct command *c = map_find(&cs->pending, ids[i]);

        if (c && c->state == COMMAND_WAITING && !retry(c))
            fail(c, CODE_HOST_OFFLINE, why);
    }
    free(ids);
}
