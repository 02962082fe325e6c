#include "server/logs/sources.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "server/logs/source_internal.h"

#include <assert.h>

static void on_stream(struct sessions_listener *l,
                      const char *agent_id,
                      const char *name,
                      const json_t *payload)
{
    const struct log_sources *ss = CONTAINER_OF(l, struct log_sources, sessions);
    struct msg_log_data m;
    struct error err = ERROR_INIT;
    struct log_source *s;

    if (!str_eq(name, "log_data"))
        return;
    if (msg_log_data_decode(payload, &m, &err) < 0) {
        log_warn(LOG_FIELDS("agent", agent_id), "malformed message: %s", err.msg);
        return;
    }
    s = map_find(&ss->by_stream, m.stream_id);
    if (s && str_eq(s->agent_id, agent_id)) {
        source_stream_on_data(s, &m);
    } else {
        log_debug(LOG_FIELDS("agent", agent_id, "stream", m.stream_id),
                  "ignoring data of an unknown log stream");
    }
    msg_log_data_done(&m);
}

static bool uses_agent(const struct log_source *s)
{
    return s->state == SOURCE_STARTING || s->state == SOURCE_LIVE || s->state == SOURCE_POLLING;
}

static void on_agent_gone(struct sessions_listener *listener, const char *agent_id)
{
    struct log_sources *ss = CONTAINER_OF(listener, struct log_sources, sessions);

    for (struct list *l = ss->list.next; l != &ss->list; l = l->next) {
        struct log_source *s = CONTAINER_OF(l, struct log_source, link);

        if (!uses_agent(s) || !str_eq(s->agent_id, agent_id))
            continue;
        source_close(s, false);
        source_look_in(s, 0); /* finds out whether the host is offline */
    }
}

/* The host or its containers have changed. */
static void on_host(struct fleet_listener *listener, const struct fleet_host *h)
{
    struct log_sources *ss = CONTAINER_OF(listener, struct log_sources, fleet);

    for (struct list *l = ss->list.next; l != &ss->list; l = l->next) {
        struct log_source *s = CONTAINER_OF(l, struct log_source, link);

        if ((s->state == SOURCE_OFFLINE || s->state == SOURCE_SEEKING) &&
            str_eq(s->host_id, h->row.id))
            source_look_in(s, 0);
    }
}

/* Sources that wait find out that their host is gone; the others lose its agent before. */
static void on_host_removal(struct fleet_listener *listener, const struct fleet_host *h)
{
    struct log_sources *ss = CONTAINER_OF(listener, struct log_sources, fleet);

    for (struct list *l = ss->list.next; l != &ss->list; l = l->next) {
        struct log_source *s = CONTAINER_OF(l, struct log_source, link);

        if ((s->state == SOURCE_OFFLINE || s->state == SOURCE_SEEKING ||
             s->state == SOURCE_BLOCKED) &&
            str_eq(s->host_id, h->row.id))
            source_look_in(s, 0);
    }
}

struct log_sources *log_sources_new(const struct log_sources_options *o)
{
    struct log_sources *ss = xcalloc(1, sizeof(*ss));

    ss->o = *o;
    log_read_audit_init(&ss->audit, o->store, o->store_jobs);
    list_init(&ss->list);
    ss->fleet = (struct fleet_listener){
        .on_host = on_host, .on_containers = on_host, .on_host_removal = on_host_removal};
    fleet_add_listener(o->fleet, &ss->fleet);
    ss->sessions = (struct sessions_listener){.on_stream = on_stream,
                                              .on_agent_gone = on_agent_gone};
    sessions_add_listener(o->sessions, &ss->sessions);
    return ss;
}

struct log_read_audit *log_sources_audit(struct log_sources *ss)
{
    return &ss->audit;
}

void log_sources_stop(struct log_sources *ss)
{
    struct list *next;

    ss->is_stopping = true;
    for (struct list *l = ss->list.next; l != &ss->list; l = next) {
        next = l->next;
        source_end(CONTAINER_OF(l, struct log_source, link), CODE_UNAVAILABLE, "stopped",
                   "Server is stopping");
    }
}

void log_sources_free(struct log_sources *ss)
{
    if (!ss)
        return;
    assert(list_empty(&ss->list));
    sessions_remove_listener(&ss->sessions);
    fleet_remove_listener(&ss->fleet);
    map_done(&ss->by_stream);
    log_read_audit_done(&ss->audit);
    free(ss);
}
