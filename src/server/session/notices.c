#include "base/container_id.h"
#include "server/session/session_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/notice.h"
#include "proto/operation.h"
#include "proto/self_update.h"

#define MAX_TITLE     200 /* bytes of an agent's text in a title */
#define ROWS_BURST    30  /* rows of an agent's reports in the event log */
#define ROWS_PER_S    0.5
#define STEPS_BURST   100 /* steps of progress that are sent to clients */
#define STEPS_PER_S   20
#define EVENTS_BURST  10000 /* container events: a busy host that was away for hours */
#define EVENTS_PER_S  100
#define UPDATES_BURST 1000 /* all journals of a host when its session starts */
#define UPDATES_PER_S 50
#define UPDATE        "container_update_progress"
#define SELF_UPDATE   "agent_update_progress"

bool session_may_report_event(struct session *se)
{
    if (bucket_take(&se->notices.events, EVENTS_BURST, EVENTS_PER_S, time_monotonic_ms()))
        return true;
    session_complain(se, "container events dropped: there are more than 100 per second", NULL);
    return false;
}

bool session_may_report_update(struct session *se)
{
    if (bucket_take(&se->notices.updates, UPDATES_BURST, UPDATES_PER_S, time_monotonic_ms()))
        return true;
    session_complain(se, "reports of updates dropped: there are more than 50 per second", NULL);
    return false;
}

/* A report of an agent, as a row of the event log. add_row() takes ownership of `details`. */
struct row {
    const char *type, *severity, *container_id; /* container_id may be NULL */
    const char *what, *words;                   /* the title is "what: words" */
    const char *dedup_key;                      /* NULL: it is never repeated */
    json_t *details;
};

static char *make_title(const struct fleet_host *h, const struct row *row)
{
    char *title = xasprintf("%s on %s: %.*s", row->what, h->row.name,
                            STR_CUT(row->words, MAX_TITLE));

    for (char *p = title; *p; p++) {
        if ((unsigned char)*p < ' ')
            *p = ' '; /* titles are shown on terminals */
    }
    return title;
}

/* Sets the name of a known container, or the id of an unknown one in its place. */
static void set_container(struct event *e, const struct fleet_host *h, const char *id)
{
    struct fleet_container *c;

    if (str_is_empty(id) || !str_is_container_ref(id))
        return;
    if (fleet_find_container(h, id, &c) == 0) {
        e->container_id = xstrndup(c->id, CONTAINER_SHORT_ID_LEN);
        e->container_name = xstrdup(c->name);
    } else {
        e->container_id = xstrndup(id, CONTAINER_SHORT_ID_LEN);
        e->container_name = xstrndup(id, CONTAINER_SHORT_ID_LEN);
    }
}

static void add_row(struct session *se, const struct fleet_host *h, const struct row *row)
{
    struct notices *n = &se->notices;
    struct event e = {0};

    if (!bucket_take(&n->rows, ROWS_BURST, ROWS_PER_S, time_monotonic_ms())) {
        n->n_suppressed++;
        json_decref(row->details);
        session_complain(se, "reports of the agent are not stored: rate limit exceeded", NULL);
        return;
    }
    if (n->n_suppressed > 0)
        json_text_set(row->details, "left_out_before", json_integer((json_int_t)n->n_suppressed));
    n->n_suppressed = 0;
    e = (struct event){
        .at_ms = time_utc_ms(),
        .category = xstrdup(row->container_id ? "container" : "agent"),
        .type = xstrdup(row->type),
        .severity = xstrdup(row->severity),
        .host_id = xstrdup(h->row.id),
        .host_name = xstrdup(h->row.name),
        .title = make_title(h, row),
        .message = xstrdup(row->words),
        .triggered_by = xstrdup("agent"),
        .details = json_text_write(row->details, NULL),
        .dedup_key = row->dedup_key ? xstrdup(row->dedup_key) : NULL,
    };
    json_decref(row->details);
    set_container(&e, h, row->container_id);
    if (ingest_event(se->owner->ingest, &e) < 0)
        session_complain(se, "events lost: the store is too slow", NULL);
}

/* --- progress --------------------------------------------------------------------------------- */

static const struct end {
    const char *stage;
    bool is_success;
} ends[] = {
    {"complete",  true },
    {"completed", true },
    {"failed",    false},
    {"rollback",  false},
    {"error",     false},
};

/* True: this is the last step, which gets a row. */
static bool is_end(const struct msg_progress *m, bool *ret_is_success)
{
    *ret_is_success = false;
    if (!str_is_empty(m->error))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (str_eq(m->stage, ends[i].stage)) {
            *ret_is_success = ends[i].is_success;
            return true;
        }
    }
    return false;
}

static json_t *make_progress_json(const struct fleet_host *h, const struct msg_progress *m)
{
    json_t *o = json_pack("{s:s, s:s?, s:o, s:o, s:o}", "host_id", h->row.id, "agent_id",
                          h->agent.id, "stage", json_text_str(m->stage), "message",
                          json_text_str(m->message ? m->message : ""), "error",
                          json_text_str(str_is_empty(m->error) ? NULL : m->error));

    if (!str_is_empty(m->container_id))
        json_text_set(o, "container_id", json_string_nocheck(m->container_id));
    if (m->percent > 0)
        json_text_set(o, "progress", json_real(m->percent < 100 ? m->percent : 100));
    return o;
}

static void notify_progress(struct session *se, const char *type, json_t *data)
{
    if (bucket_take(&se->notices.steps, STEPS_BURST, STEPS_PER_S, time_monotonic_ms()))
        fleet_notify_progress(se->owner->o.fleet, type, data);
}

static void store_end(struct session *se,
                      const struct fleet_host *h,
                      const struct msg_progress *m,
                      bool is_agent,
                      bool is_success)
{
    const char *words = !str_is_empty(m->error)     ? m->error
                        : !str_is_empty(m->message) ? m->message
                                                    : m->stage;

    add_row(se, h,
            &(struct row){
                .type = is_agent ? (is_success ? "agent_updated" : "agent_update_failed")
                                 : (is_success ? "update_completed" : "update_failed"),
                .severity = is_success ? "info" : "error",
                .container_id = is_agent || str_is_empty(m->container_id) ? NULL : m->container_id,
                .what = is_agent ? (is_success ? "Agent updated" : "Agent update failed")
                                 : (is_success ? "Update completed" : "Update failed"),
                .words = words,
                .details = json_pack("{s:o, s:s?}", "stage", json_text_str(m->stage), "agent_id",
                                     h->agent.id),
            });
}

static void on_progress(struct session *se, const json_t *payload, const char *type)
{
    _cleanup_(msg_progress_done) struct msg_progress m = {0};
    const struct fleet_host *h = session_host(se);
    struct error err = ERROR_INIT;
    bool is_success;
    json_t *data;

    if (!h)
        return;
    if (msg_progress_decode(payload, &m, &err) < 0) {
        session_complain(se, err.msg, NULL);
        return;
    }
    if (!str_is_empty(m.container_id) && !str_is_container_ref(m.container_id)) {
        session_complain(se, "invalid progress: not the id of a container (field: container_id)",
                         NULL);
        return;
    }
    log_debug(LOG_FIELDS("agent", se->agent_id, "container", m.container_id, "stage", m.stage),
              "progress %.0f %%: %s", m.percent, m.message ? m.message : "");
    data = make_progress_json(h, &m);
    notify_progress(se, type, data);
    json_decref(data);
    /* Of agents with journals the record of the update is the event. */
    if (is_end(&m, &is_success) &&
        (str_eq(type, SELF_UPDATE) || !fleet_host_can(h, UPDATES_CAPABILITY)))
        store_end(se, h, &m, str_eq(type, SELF_UPDATE), is_success);
}

void session_on_update_progress(struct session *se, const json_t *payload, size_t size _unused_)
{
    on_progress(se, payload, UPDATE);
}

void session_on_selfupdate_progress(struct session *se, const json_t *payload, size_t size _unused_)
{
    on_progress(se, payload, SELF_UPDATE);
}

/* Agents repeat the record at the start of each session. */
static void store_self_update(struct session *se,
                              const struct fleet_host *h,
                              const struct self_update_record *r)
{
    bool is_success = str_eq(r->state, SELF_UPDATE_DONE);
    _cleanup_free_ char *key = xasprintf("self-update/%s/%s", h->row.id, r->update_id);
    _cleanup_free_ char *words = xasprintf("%s -> %s%s%s", r->from_version, r->version,
                                           r->error ? ": " : "", r->error ? r->error : "");

    add_row(se, h,
            &(struct row){
                .type = is_success ? "agent_updated" : "agent_update_failed",
                .severity = is_success ? "info" : "error",
                .what = is_success ? "Agent updated" : "Agent update failed",
                .words = words,
                .dedup_key = key,
                .details = json_pack("{s:s, s:o, s:s?}", "update_id", r->update_id, "stage",
                                     json_text_str(r->stage), "agent_id", h->agent.id),
            });
}

void session_on_self_update(struct session *se, const json_t *payload, size_t size _unused_)
{
    struct self_update_record r = {0};
    struct fleet_host *h = session_host(se);
    struct error err = ERROR_INIT;
    bool was_known;
    json_t *data;

    if (!h || !session_may_report_update(se))
        return;
    if (self_update_record_decode(payload, &r, &err) < 0) {
        session_complain(se, err.msg, NULL);
        return;
    }
    was_known = str_eq(json_text_get(h->agent_update, "update_id"), r.update_id) &&
                str_eq(json_text_get(h->agent_update, "state"), r.state);
    json_decref(h->agent_update);
    h->agent_update = self_update_record_encode(&r);
    h->version++;
    data = json_copy(h->agent_update);
    json_text_set(data, "host_id", json_text_str(h->row.id));
    json_text_set(data, "agent_id", json_text_str(h->agent.id));
    json_text_set(data, "message", json_text_str(r.error ? r.error : r.stage));
    notify_progress(se, SELF_UPDATE, data);
    json_decref(data);
    if (!was_known && !str_eq(r.state, SELF_UPDATE_RUNNING))
        store_self_update(se, h, &r);
    self_update_record_done(&r);
}

/* --- errors ----------------------------------------------------------------------------------- */

void session_on_error(struct session *se, const json_t *message, size_t size _unused_)
{
    _cleanup_(msg_error_done) struct msg_error m = {0};
    const struct fleet_host *h = session_host(se);
    struct error err = ERROR_INIT;

    if (!h)
        return;
    if (msg_error_decode(message, &m, &err) < 0) {
        session_complain(se, err.msg, NULL);
        return;
    }
    session_complain(se, "error reported by the agent:", m.error);
    add_row(se, h,
            &(struct row){
                .type = "agent_error",
                .severity = "error",
                .container_id = str_is_empty(m.container_id) ? NULL : m.container_id,
                .what = "The agent reports an error",
                .words = m.error,
                .details = json_pack("{s:s?, s:o}", "agent_id", h->agent.id, "details",
                                     json_text_str(m.details)),
            });
}

/* --- engine ----------------------------------------------------------------------------------- */

void session_show_engine(struct session *se, const char *error)
{
    struct fleet_host *h = session_host(se);
    bool is_other, is_change;

    if (!h)
        return;
    /* Another trouble is no state of the engine, and stays. */
    is_other = contest_text(se) || str_eq(h->trouble, TEXT_MISSED_RESTART);
    is_change = (!h->trouble || is_other) != !error; /* another reason is not another state */
    if (is_change && !error)
        session_info_soon(se);
    if (error || !is_other)
        fleet_set_trouble(h, error);
    fleet_notify_host(se->owner->o.fleet, h);
    if (!is_change)
        return;
    add_row(se, h,
            &(struct row){
                .type = error ? "engine_lost" : "engine_back",
                .severity = error ? "error" : "info",
                .what = error ? "Engine lost" : "Engine back",
                .words = error ? error : "the engine answers again",
                .details = json_pack("{s:s}", "agent_id", h->agent.id),
            });
}

/* The agent is connected, but its engine does not answer, or answers again: the host shows that. */
void session_on_engine_state(struct session *se, const json_t *payload, size_t size _unused_)
{
    _cleanup_(msg_engine_state_done) struct msg_engine_state m = {0};
    struct error err = ERROR_INIT;

    if (msg_engine_state_decode(payload, &m, &err) < 0) {
        session_complain(se, err.msg, NULL);
    } else {
        session_show_engine(se, m.error);
    }
}
