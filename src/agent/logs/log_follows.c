#include "agent/logs/log_follows.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#include <errno.h>

struct log_follows {
    struct log_follows_options o;
    struct list list;
    size_t n;
    bool is_closing;
};

struct log_follows *log_follows_new(const struct log_follows_options *o)
{
    struct log_follows *ss = xcalloc(1, sizeof(*ss));

    ss->o = *o;
    list_init(&ss->list);
    return ss;
}

void log_follows_free(struct log_follows *ss)
{
    if (!ss)
        return;
    while (!list_empty(&ss->list))
        log_follow_free(log_follow_of_link(ss->list.next));
    free(ss);
}

void log_follows_close(struct log_follows *ss)
{
    ss->is_closing = true;
    while (!list_empty(&ss->list))
        log_follow_stop(log_follow_of_link(ss->list.next), "stopped");
}

static void on_done(void *owner, struct log_follow *stream)
{
    struct log_follows *ss = owner;

    log_debug(LOG_FIELDS("stream", log_follow_id(stream)), "log stream closed");
    ss->n--;
    log_follow_free(stream);
}

static struct log_follow *find(const struct log_follows *ss, const char *id)
{
    for (struct list *l = ss->list.next; l != &ss->list; l = l->next) {
        struct log_follow *stream = log_follow_of_link(l);

        if (str_eq(log_follow_id(stream), id))
            return stream;
    }
    return NULL;
}

static void refuse(const struct log_follows *ss, const char *id, const char *type, const char *why)
{
    json_t *fields = json_pack("{s:o, s:s}", "error", json_text_str(why), "error_type", type);
    json_t *payload = envelope_part("stream_id", id, "error", fields);

    log_warn(LOG_FIELDS("stream", id), "log stream refused: %s", why);
    if (sender_send(&ss->o.sender, envelope_event("log_data", payload, time_utc_ms())) < 0)
        log_debug(LOG_FIELDS("stream", id), "nobody could be told");
}

/* What is wrong with the request, or NULL. */
static const char *find_fault(const struct log_follows *ss, const struct msg_log_stream *m)
{
    if (ss->is_closing)
        return "the agent is stopping";
    if (ss->n >= LOG_FOLLOWS_MAX)
        return "too many logs of this host are followed (128)";
    if (str_is_empty(m->container_id))
        return "container_id is required";
    if (!str_is_container_ref(m->container_id))
        return "container_id is neither an id nor a name of a container";
    if (m->window <= 0)
        return "window is required";
    if (m->no_out && m->no_err)
        return "neither stdout nor stderr is asked for";
    return NULL;
}

static void start(struct log_follows *ss, const struct msg_log_stream *m)
{
    _cleanup_free_ char *policy = guard_refuse(ss->o.guard, "get_logs");
    const char *fault = policy ? policy : find_fault(ss, m);
    struct log_follow *stream = NULL;
    struct error err = ERROR_INIT;

    if (!fault && log_follow_new(&stream,
                                 &(struct log_follow_options){.engine = ss->o.engine,
                                                              .sender = &ss->o.sender,
                                                              .done = on_done,
                                                              .owner = ss},
                                 m, &err) < 0)
        fault = err.msg;
    if (fault) {
        refuse(ss, m->stream_id, policy ? "permission_denied" : "docker_error", fault);
        return;
    }
    list_append(&ss->list, log_follow_link(stream));
    ss->n++;
}

void log_follows_on_message(struct log_follows *ss, const json_t *payload)
{
    struct msg_log_stream m;
    struct error err = ERROR_INIT;
    struct log_follow *stream;

    if (msg_log_stream_decode(payload, &m, &err) < 0) {
        log_warn(NULL, "malformed message: %s", err.msg);
        return;
    }
    stream = find(ss, m.stream_id);
    if (str_eq(m.action, "start") && !stream) {
        start(ss, &m);
    } else if (stream && str_eq(m.action, "ack")) {
        log_follow_ack(stream, m.bytes);
    } else if (stream && str_eq(m.action, "stop")) {
        log_follow_stop(stream, "stopped");
    }
    msg_log_stream_done(&m);
}

/* A stream may end by what it hears of. */
static void tell_all(struct log_follows *ss, const char *container_id, const char *action)
{
    struct list *next;

    for (struct list *l = ss->list.next; l != &ss->list; l = next) {
        next = l->next;
        log_follow_on_event(log_follow_of_link(l), container_id, action);
    }
}

void log_follows_on_event(struct log_follows *ss, const struct event *e)
{
    tell_all(ss, e->id, e->action);
}

void log_follows_on_gap(struct log_follows *ss)
{
    tell_all(ss, NULL, "");
}
