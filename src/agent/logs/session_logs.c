#include "agent/logs/session_logs.h"
#include "agent/logs/follow.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>

static const struct channel_kind kind = {
    .name = "log follow",
    .field = "stream",
    .event = "log_data",
    .id_key = "stream_id",
};

struct session_logs {
    struct session_logs_options o;
    struct channel_set follows;
};

struct session_logs *session_logs_new(const struct session_logs_options *o)
{
    struct session_logs *logs = xcalloc(1, sizeof(*logs));

    logs->o = *o;
    channel_set_init(&logs->follows, &kind, &o->sender);
    return logs;
}

void session_logs_free(struct session_logs *logs)
{
    struct channel *c;

    if (!logs)
        return;
    while ((c = channel_set_first(&logs->follows)))
        log_follow_free(log_follow_of_channel(c));
    channel_set_done(&logs->follows);
    free(logs);
}

void session_logs_close(struct session_logs *logs)
{
    struct channel *c;

    logs->follows.is_closing = true;
    while ((c = channel_set_first(&logs->follows)))
        log_follow_stop(log_follow_of_channel(c), "stopped");
}

/* Returns what is wrong with the request and sets its code, or NULL. */
static const char *find_fault(const struct session_logs *logs,
                              const struct msg_log_stream *m,
                              enum error_code *ret)
{
    const char *fault = channel_container_fault(m->container_id);

    *ret = CODE_AGENT_STOPPING;
    if (logs->follows.is_closing)
        return "the agent is stopping";
    *ret = CODE_BUSY;
    if (logs->follows.n >= SESSION_LOGS_MAX)
        return "too many logs of this host are followed (128)";
    *ret = CODE_INVALID_ARGUMENT;
    if (fault)
        return fault;
    if (m->window <= 0)
        return "window is required";
    if (m->no_out && m->no_err)
        return "neither stdout nor stderr is asked for";
    return NULL;
}

static void start(struct session_logs *logs, const struct msg_log_stream *m)
{
    _cleanup_free_ char *policy = guard_refuse(logs->o.guard, OPERATION_GET_LOGS);
    enum error_code code = CODE_POLICY_DENIED;
    const char *fault = policy ? policy : find_fault(logs, m, &code);
    struct error err = ERROR_INIT;

    if (!fault && log_follow_start(logs->o.engine, &logs->follows, m, &err) < 0) {
        fault = err.msg;
        code = error_code_of(&err);
    }
    if (fault) {
        channel_set_refuse(
            &logs->follows, m->stream_id,
            json_pack("{s:s}", "error_type", policy ? REPLY_ERROR_PERMISSION : REPLY_ERROR_DOCKER),
            code, fault);
    }
}

void session_logs_on_message(struct session_logs *logs, const json_t *payload)
{
    struct msg_log_stream m;
    struct error err = ERROR_INIT;
    struct channel *c;

    if (msg_log_stream_decode(payload, &m, &err) < 0) {
        log_warn(NULL, "malformed message: %s", err.msg);
        return;
    }
    c = channel_set_find(&logs->follows, m.stream_id);
    if (!c && str_eq(m.action, "start")) {
        start(logs, &m);
    } else if (c && str_eq(m.action, "ack")) {
        log_follow_ack(log_follow_of_channel(c), m.bytes);
    } else if (c && str_eq(m.action, "stop")) {
        log_follow_stop(log_follow_of_channel(c), "stopped");
    }
    msg_log_stream_done(&m);
}

static void notify_all(struct session_logs *logs, const char *container_id, const char *action)
{
    struct channel *next;

    for (struct channel *c = channel_set_first(&logs->follows); c; c = next) {
        next = channel_next(c); /* the event may end the follow */
        log_follow_on_event(log_follow_of_channel(c), container_id, action);
    }
}

void session_logs_on_event(struct session_logs *logs, const struct event *e)
{
    notify_all(logs, e->id, e->action);
}

void session_logs_on_gap(struct session_logs *logs)
{
    notify_all(logs, NULL, "");
}
