#include "server/shell/internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>

#define MAX_SHELLS  500
#define MAX_MESSAGE ((size_t)64 * 1024) /* of a client */
#define MAX_QUEUE   ((size_t)2 << 20)   /* to a client */
#define AWAIT_MS    10000

/* An upgrade request, kept until its socket is accepted. */
struct request {
    struct shells *owner;
    struct credentials *credentials;
    char *host, *container;
    bool waits_for_start;
};

static void request_free(void *context)
{
    struct request *q = context;

    credentials_free(q->credentials);
    free(q->host);
    free(q->container);
    free(q);
}

/* --- the client's side ------------------------------------------------------------------------ */

static void on_await_timeout(struct loop_timer *t)
{
    shell_close(CONTAINER_OF(t, struct shell, timer), WS_CLOSE_POLICY, "No start message came");
}

static void on_refused(void *owner, const struct identity *who, unsigned code, const char *why)
{
    struct shell *s = owner;

    if (s->state == SHELL_CLOSING)
        return;
    if (who) {
        s->who = *who;
        shell_refuse(s, code, why);
    } else {
        shell_close(s, code, why);
    }
}

static void on_admitted(void *owner, const struct identity *who)
{
    struct shell *s = owner;

    if (s->state == SHELL_CLOSING)
        return;
    s->who = *who;
    if (who->role < ROLE_OPERATOR) {
        shell_refuse(s, WS_CLOSE_FORBIDDEN, "Permission denied: shells need the role operator");
    } else if (s->waits_for_start) {
        shell_set_state(s, SHELL_AWAITING);
        loop_timer_start(s->owner->o.loop, &s->timer, AWAIT_MS, on_await_timeout);
    } else {
        shell_start(s, NULL);
    }
}

static const struct admission_handler admission_handler = {
    .admitted = on_admitted,
    .refused = on_refused,
};

static void *on_accept(void *owner, struct ws *ws, void *context)
{
    struct shells *ss = owner;
    struct request *q = context;
    struct shell *s = shell_new(ss, ws);

    s->host_ref = TAKE_PTR(q->host);
    s->container_ref = TAKE_PTR(q->container);
    s->waits_for_start = q->waits_for_start;
    if (ss->is_stopping) {
        shell_close(s, WS_CLOSE_GOING_AWAY, "Server is stopping");
    } else if (ss->n > MAX_SHELLS) {
        shell_close(s, WS_CLOSE_TRY_AGAIN, "Too many shells");
    } else {
        admission_start(&s->admission, ss->o.auth, ws, TAKE_PTR(q->credentials), &admission_handler,
                        s);
    }
    request_free(q);
    return s;
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    shell_on_client(owner, data, size, is_binary);
}

static void on_drain(void *owner)
{
    shell_on_drain(owner);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct shell *s = owner;

    log_debug(LOG_FIELDS("shell", s->id), "shell disconnected: %u %s", why->code, why->reason);
    shell_end(s);
    shell_free(s);
}

int shells_accept(struct shells *ss, const struct http_request *r, struct ws_accept *ret)
{
    static const struct ws_handler handler = {
        .on_message = on_message,
        .on_drain = on_drain,
        .on_close = on_close,
    };
    const char *host = r->path + strlen(SHELLS_PATH), *slash = strchr(host, '/');
    _cleanup_free_ char *exec = http_request_query(r, "exec");
    struct request *q;

    if (!slash || slash == host || !slash[1] || strchr(slash + 1, '/'))
        return 404;
    q = xcalloc(1, sizeof(*q));
    q->credentials = credentials_new(r);
    q->host = xstrndup(host, (size_t)(slash - host));
    q->container = xstrdup(slash + 1);
    q->waits_for_start = str_eq(exec, "1");
    *ret = (struct ws_accept){
        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
        .handler = &handler,
        .on_accept = on_accept,
        .owner = ss,
        .context = q,
        .free_context = request_free,
    };
    return 0;
}

/* --- the agents' side ------------------------------------------------------------------------- */

static void on_stream(struct sessions_listener *l,
                      const char *agent_id,
                      const char *name,
                      const json_t *payload)
{
    const struct shells *ss = CONTAINER_OF(l, struct shells, sessions);
    struct msg_shell_data m;
    struct error err = ERROR_INIT;
    struct shell *s;

    if (!str_eq(name, "shell_data"))
        return;
    if (msg_shell_data_decode(payload, &m, &err) < 0) {
        log_warn(LOG_FIELDS("agent", agent_id), "malformed message: %s", err.msg);
        return;
    }
    s = map_find(&ss->by_id, m.session_id);
    if (s && str_eq(s->agent_id, agent_id)) {
        shell_on_agent(s, &m);
    } else {
        log_debug(LOG_FIELDS("agent", agent_id, "shell", m.session_id),
                  "ignoring data of an unknown shell");
    }
    msg_shell_data_done(&m);
}

static void on_agent_gone(struct sessions_listener *listener, const char *agent_id)
{
    struct shells *ss = CONTAINER_OF(listener, struct shells, sessions);

    for (struct list *l = ss->list.next; l != &ss->list; l = l->next) {
        struct shell *s = CONTAINER_OF(l, struct shell, link);

        if (s->state != SHELL_CLOSING && str_eq(s->agent_id, agent_id)) {
            free(s->outcome);
            s->outcome = xstrdup("the agent disconnected");
            shell_close(s, WS_CLOSE_GOING_AWAY, "The agent disconnected");
        }
    }
}

/* --- life ------------------------------------------------------------------------------------- */

struct shells *shells_new(const struct shells_options *o)
{
    struct shells *ss = xcalloc(1, sizeof(*ss));

    ss->o = *o;
    list_init(&ss->list);
    ss->sessions = (struct sessions_listener){.on_stream = on_stream,
                                              .on_agent_gone = on_agent_gone};
    sessions_add_listener(o->sessions, &ss->sessions);
    return ss;
}

void shells_stop(struct shells *ss)
{
    ss->is_stopping = true;
    for (struct list *l = ss->list.next; l != &ss->list; l = l->next) {
        struct shell *s = CONTAINER_OF(l, struct shell, link);

        shell_close(s, WS_CLOSE_GOING_AWAY, "Server is stopping");
    }
}

void shells_free(struct shells *ss)
{
    if (!ss)
        return;
    sessions_remove_listener(&ss->sessions);
    while (!list_empty(&ss->list)) {
        struct shell *s = CONTAINER_OF(list_take_first(&ss->list), struct shell, link);

        shell_end(s);
        ws_free(s->ws);
        shell_free(s);
    }
    map_done(&ss->by_id);
    free(ss);
}
