#include "server/fleet/element.h"
#include "server/session/session_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "docker/checked_text.h"
#include "proto/envelope.h"
#include "proto/json_text.h"
#include "proto/stats.h"
#include "proto/stats_text.h"
#include "server/session/container_events.h"
#include "server/session/host_sum.h"
#include "server/session/sample_apply.h"

#define COMPLAINT_MS        60000
#define POLL_AFTER_EVENT_MS 100 /* events come in groups: one poll for all of them */
#define PARSE_ON_LOOP_MAX   ((size_t)256 * 1024) /* a few ms */
#define MAX_QUOTED          200                  /* bytes of a peer's word in a log line */

void session_complain(struct session *se, const char *what, const char *word)
{
    struct complaint *c = &se->complaint;
    uint64_t now_ms = time_monotonic_ms();

    if (c->said_ms > 0 && now_ms - c->said_ms < COMPLAINT_MS) {
        c->n_suppressed++;
        return;
    }
    if (!word || strlen(word) > MAX_QUOTED)
        word = "";
    if (c->n_suppressed > 0) {
        log_warn(LOG_FIELDS("agent", se->agent_id, "host", se->host_id),
                 "%s %s (and %u warnings before this one)", what, word, c->n_suppressed);
    } else {
        log_warn(LOG_FIELDS("agent", se->agent_id, "host", se->host_id), "%s %s", what, word);
    }
    c->n_suppressed = 0;
    c->said_ms = now_ms;
}

/* --- events ----------------------------------------------------------------------------------- */
static void note_condition(struct fleet_host *h, const struct msg_container_event *m)
{
    struct fleet_container *c = map_find(&h->containers, m->container_id);

    if (c)
        condition_note_event(&c->condition, m);
}

/* Only the list has the new state, and the first one may still have the old state. */
static void look_again(struct session *se)
{
    session_poll_soon(se, POLL_AFTER_EVENT_MS);
    session_poll_closely(se);
}

static void on_container_event(struct session *se, const json_t *payload, size_t size _unused_)
{
    _cleanup_(msg_container_event_done) struct msg_container_event m = {0};
    struct fleet_host *h = session_host(se);
    struct error err = ERROR_INIT;
    struct event e;

    if (msg_container_event_decode(payload, &m, &err) < 0) {
        session_complain(se, err.msg, NULL);
        return;
    }
    if (h) {
        element_note_event(h, m.container_id, msg_container_event_find_cut(payload));
        note_condition(h, &m);
    }
    if (h && str_eq(m.action, "stop")) /* no row, but the last word about the state */
        look_again(se);
    if (!h || !container_event_make(&m, se->envelope_time, h, time_utc_ms(), &e))
        return;
    if (!session_may_report_event(se)) {
        event_done(&e);
        return;
    }

    look_again(se);
    if (ingest_renamed(se->owner->ingest, &e, container_event_old_name(&m)) == 0)
        return;

    session_complain(se, "events lost: the store is too slow", NULL);
    if (se->can_replay) /* the agent sends them again */
        session_close(se, WS_CLOSE_TRY_AGAIN, "Event queue is full");
}

static void take_sample(struct session *se, const struct msg_container_stats *m)
{
    struct fleet_host *h = session_host(se);
    struct container_sample sample;
    struct samples batch;

    if (!h)
        return;
    se->poll.sample_ms = time_monotonic_ms();
    if (!sample_apply_container(h, m)) /* unknown until the next list arrives, or a copy */
        return;
    if (sample_to_batch(h, m, &sample, &batch))
        fleet_notify_samples(se->owner->o.fleet, h, &batch);
    host_sum_update(se->owner->o.fleet, h, HOST_SUM_AFTER_MS);
}

static void on_container_stats(struct session *se, const json_t *payload, size_t size _unused_)
{
    _cleanup_(msg_container_stats_done) struct msg_container_stats m = {0};
    struct error err = ERROR_INIT;

    if (!session_host(se))
        return;
    if (msg_container_stats_decode(payload, &m, &err) < 0) {
        session_complain(se, err.msg, NULL);
    } else {
        take_sample(se, &m);
    }
}

static void on_other_event(struct session *se, const json_t *payload _unused_, size_t size _unused_)
{
    log_debug(LOG_FIELDS("agent", se->agent_id), "event ignored: its feature is not supported");
}

static void notify_stream(struct session *se, const char *name, const json_t *payload)
{
    listeners_emit(&se->owner->listeners, struct sessions_listener, on_stream, se->agent_id, name,
                   payload);
}

static void on_shell_data(struct session *se, const json_t *payload, size_t size _unused_)
{
    notify_stream(se, "shell_data", payload);
}

static void on_log_data(struct session *se, const json_t *payload, size_t size _unused_)
{
    notify_stream(se, "log_data", payload);
}

/* The updates of containers belong to server/updates/; a flood of them is dropped. */
static void notify_update(struct session *se, const char *name, const json_t *payload)
{
    if (!session_may_report_update(se) || !session_host(se))
        return;
    listeners_emit(&se->owner->listeners, struct sessions_listener, on_update, se->agent_id, name,
                   payload);
}

static void on_update_progress(struct session *se, const json_t *payload, size_t size)
{
    session_on_update_progress(se, payload, size);
    notify_update(se, "update_progress", payload);
}

static void on_update_layers(struct session *se, const json_t *payload, size_t size _unused_)
{
    notify_update(se, "update_layer_progress", payload);
}

static void on_update_complete(struct session *se, const json_t *payload, size_t size _unused_)
{
    notify_update(se, "update_complete", payload);
}

static void on_update_journal(struct session *se, const json_t *payload, size_t size _unused_)
{
    notify_update(se, "update_journal", payload);
}

static const struct event_type {
    const char *name;
    void (*handle)(struct session *se, const json_t *payload, size_t size);
} event_types[] = {
    {"container_event",       on_container_event            },
    {"container_stats",       on_container_stats            },
    {"inventory_snapshot",    session_on_snapshot           },
    {"inventory_delta",       session_on_delta              },
    {"engine_state",          session_on_engine_state       },
    {"update_progress",       on_update_progress            },
    {"update_journal",        on_update_journal             },
    {"selfupdate_progress",   session_on_selfupdate_progress},
    {"self_update_progress",  session_on_self_update        },
    {"update_layer_progress", on_update_layers              },
    {"update_complete",       on_update_complete            },
    {"health_check_result",   on_other_event                },
    {"deploy_progress",       on_other_event                },
    {"deploy_complete",       on_other_event                },
    {"shell_data",            on_shell_data                 },
    {"log_data",              on_log_data                   },
};

static void on_event(struct session *se, const json_t *message, size_t size)
{
    const char *name = envelope_event_name(message);

    if (se->can_samples && name && str_starts_with(name, "inventory_"))
        session_note_clock(se, message);
    for (size_t i = 0; i < ARRAY_LEN(event_types); i++) {
        if (str_eq(name, event_types[i].name)) {
            se->envelope_time = json_text_get(message, "timestamp");
            event_types[i].handle(se, envelope_payload(message), size);
            se->envelope_time = NULL;
            return;
        }
    }
    session_complain(se, "unknown event", name);
}

/* --- messages without an envelope ------------------------------------------------------------- */
static void on_heartbeat(struct session *se _unused_,
                         const json_t *message _unused_,
                         size_t size _unused_)
{
    /* session_receive() has already recorded that the agent is alive. */
}

static void on_host_stats(struct session *se, const json_t *message, size_t size _unused_)
{
    struct fleet_host *h = session_host(se);
    struct msg_host_stats m = {0};
    struct samples batch;
    struct error err = ERROR_INIT;

    if (!h)
        return;
    if (msg_host_stats_decode(message, &m, &err) < 0) {
        session_complain(se, err.msg, NULL);
        return;
    }
    sample_apply_host(h, &m, false);
    sample_host_to_batch(h, &m, &batch);
    fleet_notify_samples(se->owner->o.fleet, h, &batch);
}

static const struct event_type message_types[] = {
    {"event",     on_event                  },
    {"stats",     on_host_stats             },
    {"heartbeat", on_heartbeat              },
    {"progress",  session_on_update_progress},
    {"error",     session_on_error          },
};

static void dispatch(struct session *se, const json_t *message, size_t size)
{
    const char *type = envelope_type(message);

    if (envelope_is_reply(message)) {
        if (!commands_on_reply(se->owner->commands, se->agent_id, message))
            session_complain(se, "unexpected reply: no command of this agent waits for it", NULL);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(message_types); i++) {
        if (str_eq(type, message_types[i].name)) {
            message_types[i].handle(se, message, size);
            return;
        }
    }
    session_complain(se, "unknown message type", type);
}

static void refuse_frame(struct session *se, const char *reason)
{
    log_warn(LOG_FIELDS("agent", se->agent_id, "host", se->host_id), "connection closed: %s",
             reason);
    session_close(se, WS_CLOSE_POLICY, reason);
}

/* Any container can have labels that its agent cannot send as valid JSON; the session continues. */
static void leave_out(struct session *se, const char *why)
{
    _cleanup_free_ char *text = NULL;

    se->n_left_out++;
    text = xasprintf("message left out (%" PRIu64 " of this session): %s", se->n_left_out, why);
    session_complain(se, text, NULL);
}

/*
 * Parses a message of an authenticated agent. Old agents forward text of containers as it is: NUL
 * in a key, or keys that become equal. Such a message is mended and read again.
 */
static json_t *parse_message(const char *data, size_t size, struct error *err)
{
    struct checked_text text;
    json_t *message = json_text_parse(data, size, 0, err);

    if (message || err->code == -EMSGSIZE || checked_text_init(&text, data, size, NULL) < 0)
        return message;
    message = json_text_parse(text.p, text.n, 0, err);
    checked_text_done(&text);
    return message;
}

static void handle_parsed(struct session *se,
                          const json_t *message,
                          size_t size,
                          const struct error *err)
{
    if (!message) {
        leave_out(se, err->msg);
    } else if (!json_is_object(message)) {
        leave_out(se, "not a JSON object");
    } else {
        dispatch(se, message, size);
    }
}

/* A large message that a worker parses. Its session is paused meanwhile, which keeps the order. */
struct parse_job {
    struct sessions *owner;
    char key[SESSION_KEY_SIZE];
    char *text;
    size_t size;
    json_t *message;
    struct error err;
};

static void parse_job_free(struct parse_job *job)
{
    json_decref(job->message);
    free(job->text);
    free(job);
}

static void parse_work(void *owner)
{
    struct parse_job *job = owner;

    job->message = parse_message(job->text, job->size, &job->err);
}

static void parse_done(void *owner)
{
    struct parse_job *job = owner;
    struct session *se = sessions_find(job->owner, job->key);

    if (se) {
        ws_pause(se->ws, false);
        if (se->state == SESSION_ACTIVE)
            handle_parsed(se, job->message, job->size, &job->err);
    }
    parse_job_free(job);
}

static bool parse_in_job(struct session *se, const char *data, size_t size)
{
    struct parse_job *job;

    if (!se->owner->o.parse_jobs || size < PARSE_ON_LOOP_MAX)
        return false;

    job = xcalloc(1, sizeof(*job));
    job->owner = se->owner;
    str_copy(job->key, sizeof(job->key), se->key);
    job->text = xmemdup(data, size);
    job->size = size;
    if (job_submit(se->owner->o.parse_jobs, job, parse_work, parse_done) < 0) {
        parse_job_free(job);
        return false;
    }
    ws_pause(se->ws, true);
    return true;
}

void session_receive(struct session *se, const char *data, size_t size, bool is_binary)
{
    struct error err = ERROR_INIT;
    struct stats_text sample;
    json_t *message;

    session_touch(se);
    session_note_arrival(se);
    if (is_binary && se->can_samples) {
        session_on_samples(se, data, size);
        return;
    }
    if (is_binary) {
        refuse_frame(se, "Binary messages are not understood");
        return;
    }
    if (stats_text_read(data, size, &sample)) { /* most messages of Go agents */
        take_sample(se, &sample.m);
        return;
    }
    if (parse_in_job(se, data, size))
        return;
    message = parse_message(data, size, &err);
    handle_parsed(se, message, size, &err);
    json_decref(message);
}
