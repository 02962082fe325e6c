#include "server/shell/internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <string.h>

#define MAX_SHELLS 500
#define AWAIT_MS   10000

/* --- the client's side ------------------------------------------------------------------------ */

static struct shell *shell_of(struct ws_client *socket)
{
    return CONTAINER_OF(socket, struct shell, socket);
}

static void on_await_timeout(struct loop_timer *t)
{
    shell_close(CONTAINER_OF(t, struct shell, timer), WS_CLOSE_POLICY, "No start message came");
}

static void on_refused(struct ws_client *socket,
                       const struct identity *who,
                       unsigned code,
                       const char *why)
{
    if (who) {
        shell_refuse(shell_of(socket), code, why);
    } else {
        ws_client_close(socket, code, why);
    }
}

static void on_admitted(struct ws_client *socket)
{
    struct shell *s = shell_of(socket);

    if (s->copy && !shell_knows_copy(s)) {
        shell_refuse(s, WS_CLOSE_POLICY,
                     "Give action=stat, out or in, and path=, which is absolute");
    } else if (s->waits_for_start) {
        shell_set_state(s, SHELL_AWAITING);
        loop_timer_start(s->owner->o.loop, &s->timer, AWAIT_MS, on_await_timeout);
    } else {
        shell_start(s, NULL);
    }
}

static void on_closing(struct ws_client *socket, unsigned code, const char *reason)
{
    shell_end(shell_of(socket), code, reason);
}

static void on_message(struct ws_client *socket, const char *data, size_t size, bool is_binary)
{
    shell_on_client(shell_of(socket), data, size, is_binary);
}

static void on_drain(struct ws_client *socket)
{
    shell_on_drain(shell_of(socket));
}

static void on_gone(struct ws_client *socket)
{
    shell_free(shell_of(socket));
}

static const struct ws_client_handler client_handler = {
    .admitted = on_admitted,
    .refused = on_refused,
    .closing = on_closing,
    .on_message = on_message,
    .on_drain = on_drain,
    .gone = on_gone,
};

/* NULL when the target has another form than "HOST/CONTAINER". */
static struct shell *make_shell(struct shells *ss, const char *target)
{
    const char *slash = strchr(target, '/');
    struct shell *s;

    if (!slash || slash == target || !slash[1] || strchr(slash + 1, '/'))
        return NULL;
    s = shell_new(ss);
    s->host_ref = xstrndup(target, (size_t)(slash - target));
    s->container_ref = xstrdup(slash + 1);
    return s;
}

int shells_accept_copy(struct shells *ss,
                       const struct http_request *r,
                       const char *target,
                       const struct ws_rules *rules,
                       struct ws_accept *ret)
{
    _cleanup_free_ char *owner = http_request_query(r, "keep_owner");
    struct shell *s = make_shell(ss, target);

    if (!s)
        return 404;
    s->copy = http_request_query(r, "action");
    if (!s->copy)
        s->copy = xstrdup("");
    s->path = http_request_query(r, "path");
    s->keeps_owner = str_eq(owner, "1");
    ws_clients_accept(&ss->clients, &s->socket, r, rules, ret);
    return 0;
}

int shells_accept(struct shells *ss,
                  const struct http_request *r,
                  const char *target,
                  const struct ws_rules *rules,
                  struct ws_accept *ret)
{
    _cleanup_free_ char *exec = http_request_query(r, "exec");
    struct shell *s = make_shell(ss, target);

    if (!s)
        return 404;
    s->waits_for_start = str_eq(exec, "1");
    ws_clients_accept(&ss->clients, &s->socket, r, rules, ret);
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

    for (struct list *l = ss->clients.list.next; l != &ss->clients.list; l = l->next) {
        struct shell *s = CONTAINER_OF(l, struct shell, socket.link);

        if (s->state != SHELL_ENDED && str_eq(s->agent_id, agent_id)) {
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
    ws_clients_init(&ss->clients, &(struct ws_clients){.name = "shell",
                                                       .auth = o->auth,
                                                       .max = MAX_SHELLS,
                                                       .handler = &client_handler});
    ss->sessions = (struct sessions_listener){.on_stream = on_stream,
                                              .on_agent_gone = on_agent_gone};
    sessions_add_listener(o->sessions, &ss->sessions);
    return ss;
}

void shells_stop(struct shells *ss)
{
    ws_clients_stop(&ss->clients);
}

void shells_free(struct shells *ss)
{
    if (!ss)
        return;
    sessions_remove_listener(&ss->sessions);
    ws_clients_free_all(&ss->clients);
    map_done(&ss->by_id);
    free(ss);
}
