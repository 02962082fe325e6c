#include "server/session/session_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/known_texts.h"
#include "server/fleet/host_settings.h"
#include "server/session/agent_token.h"
#include "server/session/host_events.h"

static const char *const state_names[] = {
    [SESSION_AWAIT_AUTH] = "await-auth",
    [SESSION_AUTHENTICATING] = "authenticating",
    [SESSION_ACTIVE] = "active",
    [SESSION_CLOSING] = "closing",
};

struct session *sessions_find(struct sessions *s, const char *key)
{
    return map_find(&s->live, key);
}

void session_set_state(struct session *se, enum session_state to)
{
    static const bool is_legal[][4] = {
        [SESSION_AWAIT_AUTH] = {[SESSION_AUTHENTICATING] = true, [SESSION_CLOSING] = true},
        [SESSION_AUTHENTICATING] = {[SESSION_ACTIVE] = true,                               [SESSION_CLOSING] = true},
        [SESSION_ACTIVE] = {[SESSION_CLOSING] = true},
        [SESSION_CLOSING] = {false       },
    };

    assert(is_legal[se->state][to]);
    log_debug(LOG_FIELDS("session", se->key, "agent", se->agent_id), "%s -> %s",
              state_names[se->state], state_names[to]);
    se->state = to;
}

int session_send(struct session *se, json_t *message)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    json_decref(message);
    return ws_send_text(se->ws, text, size);
}

struct fleet_host *session_host(const struct session *se)
{
    return se->host_id ? fleet_find_host(se->owner->o.fleet, se->host_id) : NULL;
}

void session_touch(struct session *se)
{
    struct fleet_host *h = session_host(se);
    uint64_t now_ms = time_monotonic_ms();

    if (!h)
        return;

    h->seen_at_ms = time_utc_ms();
    h->agent.last_seen_at_ms = h->seen_at_ms;
    if (se->touched_ms > 0 && now_ms - se->touched_ms < SESSION_TOUCH_MS)
        return;
    se->touched_ms = now_ms;
    ingest_seen(se->owner->ingest, se->agent_id, h->seen_at_ms);
}

static void on_event_stored(void *owner, const struct event *e, const char *old_name)
{
    const struct sessions *s = owner;

    if (old_name)
        host_settings_rename(s->o.fleet, e->host_id, old_name, e->container_name);
    fleet_notify_event(s->o.fleet, e);
}

static void notify_gone(struct sessions *s, const char *agent_id)
{
    listeners_emit(&s->listeners, struct sessions_listener, on_agent_gone, agent_id);
}

struct token_load {
    struct sessions *owner;
    struct error *err;
    int code;
};

static void load_tokens(void *arg, const struct agent *a)
{
    struct token_load *load = arg;
    _cleanup_free_ char *hashes = NULL;

    if (load->code == 0)
        load->code = agent_token_list(load->owner->o.store, a, &hashes, load->err);
    if (load->code == 0)
        agent_keys_set(&load->owner->keys, a->id, hashes);
}

int sessions_load_tokens(struct sessions *s, struct error *err)
{
    struct token_load load = {.owner = s, .err = err};
    int r = agents_each(s->o.store, load_tokens, &load, err);

    return r < 0 ? r : load.code;
}

void sessions_set_tokens(struct sessions *s, const char *agent_id, const char *hashes)
{
    agent_keys_set(&s->keys, agent_id, hashes);
    listeners_emit(&s->listeners, struct sessions_listener, on_tokens, agent_id);
}

const char *sessions_find_token(const struct sessions *s, const char *token_hash)
{
    return agent_keys_find(&s->keys, token_hash);
}

void sessions_add_listener(struct sessions *s, struct sessions_listener *l)
{
    listeners_add(&s->listeners, &l->base);
}

void sessions_remove_listener(struct sessions_listener *l)
{
    listeners_remove(&l->base);
}

/* Takes the agent's host offline, unless another session has become the registered one. */
static void session_unregister(struct session *se, unsigned code, const char *reason)
{
    struct sessions *s = se->owner;
    struct agent_record *record = map_find(&s->records, se->agent_id);
    struct fleet_host *h = session_host(se);

    if (!record || record->session != se)
        return; /* superseded or dropped: the record is of another session */

    record->session = NULL;
    log_info(LOG_FIELDS("agent", se->agent_id, "host", se->host_id, "peer", se->peer),
             "agent disconnected (%u %s)", code, reason);
    if (h) {
        _cleanup_free_ char *why = xasprintf("the agent is not connected: %s", reason);

        fleet_set_online(s->o.fleet, h, false, time_utc_ms());
        fleet_set_trouble(h, why);
        ingest_seen(s->ingest, se->agent_id, h->seen_at_ms);
        if (!s->is_stopping)
            host_event_add(s->ingest, HOST_EVENT_DISCONNECTED, h, se->peer, NULL);
        fleet_notify_host(s->o.fleet, h);
    }
    commands_fail_agent(
        s->commands, se->agent_id,
        "the agent disconnected before it answered: it is not known whether this was done");
    notify_gone(s, se->agent_id);
}

void session_close(struct session *se, unsigned code, const char *reason)
{
    if (se->state == SESSION_CLOSING)
        return;

    loop_timer_stop(&se->auth_timer);
    session_poll_stop(se);
    session_info_stop(se);
    session_set_state(se, SESSION_CLOSING);
    ws_close(se->ws, code, reason);
    if (se->agent_id)
        session_unregister(se, code, reason);
}

static void free_record(struct agent_record *record)
{
    if (record)
        contest_end(record);
    free(record);
}

static struct agent_record *get_record(struct sessions *s, const char *agent_id)
{
    struct agent_record *record = map_find(&s->records, agent_id);

    if (record)
        return record;
    record = xcalloc(1, sizeof(*record));
    record->owner = s;
    (void)map_put(&s->records, agent_id, record); /* replaces nothing */
    return record;
}

static void supersede(struct session *old, struct session *se, const struct registration *r)
{
    if (r->is_replaced) {
        session_close(old, WS_CLOSE_POLICY, "Agent replaced");
    } else {
        session_close(old, WS_CLOSE_NORMAL, "New connection established");
    }
    commands_fail_agent(
        se->owner->commands, se->agent_id,
        "the agent reconnected before it answered: it is not known whether this was done");
    notify_gone(se->owner, se->agent_id);
}

static void report_connected(struct session *se, const struct registration *r)
{
    struct ingest *in = se->owner->ingest;
    const struct fleet_host *h = session_host(se);
    json_t *details;

    log_info(LOG_FIELDS("agent", se->agent_id, "host", se->host_id, "name", h->row.name, "peer",
                        se->peer),
             "agent %s %s", h->agent.version,
             r->is_new        ? "registered"
             : r->is_replaced ? "registered in the place of the host's former one"
             : r->is_repeated ? "registered again: it did not receive the first answer"
                              : "connected");
    host_event_add(in, r->is_new ? HOST_EVENT_ADDED : HOST_EVENT_CONNECTED, h, se->peer, NULL);
    if (!r->migrated_id)
        return;

    log_info(LOG_FIELDS("host", se->host_id, "old", r->migrated_id), "host migrated to its agent");
    details = json_object();
    json_text_set(details, "old_host_id", json_text_str(r->migrated_id));
    json_text_set(details, "old_host_name", json_text_str(r->migrated_name));
    host_event_add(in, HOST_EVENT_MIGRATED, h, se->peer, details);
}

static void report_name(struct session *se, const struct registration *r)
{
    json_t *details;

    if (!r->former_name)
        return;
    log_warn(LOG_FIELDS("host", se->host_id, "old", r->former_name, "new", r->host.name),
             "the agent has renamed its host");
    details = json_object();
    json_text_set(details, "old_name", json_text_str(r->former_name));
    json_text_set(details, "new_name", json_text_str(r->host.name));
    host_event_add(se->owner->ingest, HOST_EVENT_RENAMED, session_host(se), se->peer, details);
}

static void report_engine(struct session *se, const struct registration *r)
{
    const struct fleet_host *h = session_host(se);
    json_t *details;

    if (!r->former_engine)
        return;
    log_warn(LOG_FIELDS("host", se->host_id, "old", r->former_engine, "new", h->row.engine_id),
             "the engine of the host has another id");
    details = json_object();
    json_text_set(details, "old_engine_id", json_text_str(r->former_engine));
    json_text_set(details, "new_engine_id", json_text_str(h->row.engine_id));
    host_event_add(se->owner->ingest, HOST_EVENT_ENGINE_CHANGED, h, se->peer, details);
}

void session_register(struct session *se, const struct registration *r)
{
    struct sessions *s = se->owner;
    struct agent_record *record = get_record(s, r->agent.id);
    struct session *old = record->session;
    struct fleet_host *h = fleet_put_host(s->o.fleet, &r->host, &r->agent);

    se->agent_id = xstrdup(r->agent.id);
    se->host_id = xstrdup(r->host.id);
    se->touched_ms = time_monotonic_ms(); /* the registration has just written last_seen_at */
    se->can_inventory = r->can_inventory;
    se->can_replay = r->can_replay;
    se->can_samples = r->can_samples;
    if (r->agent.joined_with)
        se->unproven_hash = xstrdup(r->agent.token_hash);
    session_set_state(se, SESSION_ACTIVE);
    ws_trust(se->ws);
    ws_set_limits(se->ws, &(struct ws_limits){.max_message = s->o.max_message,
                                              .max_queue = SESSION_MAX_QUEUE,
                                              .ping_interval_ms = s->o.ping_interval_ms});

    record->session = se;
    session_expect_samples(se, record);
    str_copy(record->host_id, sizeof(record->host_id), se->host_id);
    host_settings_move(s->o.fleet, r->migrated_id, h);
    if (r->migrated_id)
        fleet_drop_host(s->o.fleet, r->migrated_id);
    if (r->candidates)
        fleet_set_candidates(h, r->candidates);
    fleet_set_online(s->o.fleet, h, true, time_utc_ms());
    fleet_set_trouble(h, NULL);
    if (old && !r->is_replaced)
        contest_note(record, old, se);
    if (old) {
        supersede(old, se, r);
    } else {
        report_connected(se, r);
    }
    if (r->is_replaced)
        contest_end(record);
    if (r->is_replaced && !r->is_repeated)
        host_event_add(s->ingest, HOST_EVENT_REPLACED, h, se->peer, NULL);
    report_name(se, r);
    report_engine(se, r);
    fleet_notify_host(s->o.fleet, h);
    if (!se->can_inventory)
        session_poll_start(se);
    session_info_start(se);
}

static void session_free(struct session *se)
{
    (void)map_remove(&se->owner->live, se->key);
    loop_timer_stop(&se->auth_timer);
    session_poll_stop(se);
    session_info_stop(se);
    inventory_done(se);
    free(se->peer);
    free(se->agent_id);
    free(se->host_id);
    free(se->unproven_hash);
    free(se);
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct session *se = owner;

    switch (se->state) {
    case SESSION_AWAIT_AUTH: session_authenticate(se, data, size, is_binary); return;
    case SESSION_AUTHENTICATING: return; /* messages before the answer are ignored */
    case SESSION_ACTIVE: session_receive(se, data, size, is_binary); return;
    case SESSION_CLOSING: return;
    }
}

static void on_pong(void *owner)
{
    struct session *se = owner;

    if (se->state == SESSION_ACTIVE)
        session_touch(se);
}

static void on_stop_timer(struct loop_timer *t)
{
    struct sessions *s = CONTAINER_OF(t, struct sessions, stop_timer);

    completion_signal(&s->stopped, s->o.loop);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct session *se = owner;
    struct sessions *s = se->owner;

    if (se->state == SESSION_ACTIVE)
        session_unregister(se, why->code, why->reason);
    session_free(se);
    if (s->live.size == 0)
        completion_signal(&s->stopped, s->o.loop);
}

static void on_auth_timeout(struct loop_timer *t)
{
    struct session *se = CONTAINER_OF(t, struct session, auth_timer);

    session_warn_stranger(se, "agent refused", "it did not authenticate within 30 s");
    session_refuse(se, &(struct session_refusal){CODE_TIMEOUT, TEXT_AUTH_TIMEOUT, WS_CLOSE_POLICY,
                                                 TEXT_AUTH_TIMEOUT});
}

static void *on_accept(void *owner, struct ws *ws, void *context _unused_)
{
    struct sessions *s = owner;
    struct session *se = xcalloc(1, sizeof(*se));

    se->owner = s;
    se->ws = ws;
    se->peer = xstrdup(ws_peer_address(ws));
    (void)snprintf(se->key, sizeof(se->key), "%" PRIu64, ++s->n_keys);
    (void)map_put(&s->live, se->key, se); /* keys are never reused */
    if (s->is_stopping) {
        session_close(se, WS_CLOSE_GOING_AWAY, "Server is stopping");
    } else {
        loop_timer_start(s->o.loop, &se->auth_timer, s->o.auth_timeout_ms, on_auth_timeout);
    }
    return se;
}

static const struct ws_handler session_handler = {
    .on_message = on_message,
    .on_pong = on_pong,
    .on_close = on_close,
};

void sessions_accept(struct sessions *s, const struct ws_limits *limits, struct ws_accept *ret)
{
    *ret = (struct ws_accept){
        .limits = *limits,
        .handler = &session_handler,
        .on_accept = on_accept,
        .owner = s,
    };
}

static int send_command(void *owner, const char *agent_id, const char *text, size_t size)
{
    const struct sessions *s = owner;
    const struct agent_record *record = map_find(&s->records, agent_id);

    if (!record || !record->session || record->session->state != SESSION_ACTIVE)
        return -ENOTCONN;
    return ws_send_text(record->session->ws, text, size);
}

/*
 * A refusal by the engine is the caller's fault (info), other failures concern the administrator.
 */
static void on_command_failure(void *owner, const struct command_failure *f)
{
    const struct sessions *s = owner;
    const struct agent_record *record = map_find(&s->records, f->agent_id);
    const struct command_result *r = f->result;
    bool is_asker_fault = r->code == -EREMOTEIO && r->engine_status >= 400 &&
                          r->engine_status < 500;

    log_write(is_asker_fault ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              LOG_FIELDS("host", record && record->host_id[0] ? record->host_id : "", "agent",
                         f->agent_id, "container", f->container, "id", f->id),
              "%s failed: %s", f->name, r->message);
}

static void on_circuit(void *owner, const char *agent_id, bool is_open, const char *why)
{
    const struct sessions *s = owner;
    const struct agent_record *record = map_find(&s->records, agent_id);

    log_write(
        is_open ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
        LOG_FIELDS("host", record && record->host_id[0] ? record->host_id : "", "agent", agent_id),
        "commands to the agent are %s: %s", is_open ? "held back" : "sent again", why);
}

int sessions_send(struct sessions *s, const char *agent_id, const char *text, size_t size)
{
    return send_command(s, agent_id, text, size);
}

struct sessions *sessions_new(const struct sessions_options *o)
{
    struct sessions *s = xcalloc(1, sizeof(*s));

    s->o = *o;
    list_init(&s->held);
    if (s->o.max_agents == 0)
        s->o.max_agents = AGENTS_DEFAULT_MAX;
    if (s->o.max_message == 0)
        s->o.max_message = SESSION_MAX_MESSAGE;
    if (s->o.auth_timeout_ms == 0)
        s->o.auth_timeout_ms = SESSION_AUTH_TIMEOUT_MS;
    if (s->o.poll_interval_ms == 0)
        s->o.poll_interval_ms = SESSION_POLL_MS;
    s->commands = commands_new(o->loop, send_command, s);
    commands_on_failure(s->commands, on_command_failure);
    commands_on_circuit(s->commands, on_circuit);
    if (o->max_commands > 0)
        commands_set_max_awaited(s->commands, o->max_commands);
    s->ingest = ingest_new(o->loop, o->store_jobs, o->store, on_event_stored, s);
    if (o->history)
        sessions_attach_history(s);
    return s;
}

static void close_all(struct sessions *s)
{
    s->is_stopping = true;
    map_foreach(&s->live, e) {
        session_close(e->value, WS_CLOSE_GOING_AWAY, "Server is stopping");
    }
}

void sessions_stop(struct sessions *s, struct completion_wait *w, completion_fn fn)
{
    close_all(s);
    completion_await(&s->stopped, w, fn);
    loop_timer_start(s->o.loop, &s->stop_timer, s->live.size > 0 ? SESSION_STOP_MS : 0,
                     on_stop_timer);
}

static void drop_sockets(struct sessions *s)
{
    while (s->live.size > 0) {
        struct session *se = map_next(&s->live, NULL)->value;

        ws_free(se->ws);
        session_free(se);
    }
}

void sessions_free(struct sessions *s)
{
    if (!s)
        return;

    close_all(s);
    loop_timer_stop(&s->stop_timer);
    completion_done(&s->stopped);
    drop_sockets(s);
    sessions_release(s);
    /* The jobs of registrations, messages and events refer to this object. */
    if (s->o.parse_jobs)
        job_queue_drain(s->o.parse_jobs);
    job_queue_drain(s->o.store_jobs);
    ingest_flush(s->ingest);
    job_queue_drain(s->o.store_jobs);
    drop_sockets(s); /* agents may have connected meanwhile */
    commands_free(s->commands);
    history_remove_listener(&s->history);
    listeners_done(&s->listeners);
    map_foreach(&s->records, e)
        free_record(e->value);
    map_done(&s->records);
    map_done(&s->contested);
    agent_keys_done(&s->keys);
    map_done(&s->live);
    ingest_free(s->ingest);
    free(s);
}

struct commands *sessions_commands(struct sessions *s)
{
    return s->commands;
}

void sessions_drop_agent(struct sessions *s, const char *agent_id, const char *why)
{
    struct agent_record *record = map_remove(&s->records, agent_id);

    sessions_set_tokens(s, agent_id, NULL);
    if (record && record->session)
        session_close(record->session, WS_CLOSE_POLICY, why);
    commands_fail_agent(s->commands, agent_id, why);
    notify_gone(s, agent_id);
    free_record(record);
}

void sessions_close_agent(struct sessions *s, const char *agent_id, const char *why)
{
    const struct agent_record *record = map_find(&s->records, agent_id);

    if (record && record->session)
        session_close(record->session, WS_CLOSE_POLICY, why);
}

void sessions_refresh(struct sessions *s, const char *agent_id)
{
    const struct agent_record *record = map_find(&s->records, agent_id);

    if (record && record->session)
        session_poll_soon(record->session, 0);
}

void sessions_on_migrated(struct sessions *s, const struct migration_result *m)
{
    struct fleet_host *h = fleet_find_host(s->o.fleet, m->host_id);
    size_t i;
    json_t *candidate, *left;

    host_settings_move(s->o.fleet, m->source_host_id, h);
    fleet_drop_host(s->o.fleet, m->source_host_id);
    if (!h)
        return;

    left = json_array();
    json_array_foreach(h->migration_candidates, i, candidate)
    {
        if (!str_eq(json_text_get(candidate, "host_id"), m->source_host_id))
            json_array_append(left, candidate);
    }
    fleet_set_candidates(h, json_array_size(left) > 0 ? left : NULL);
    json_decref(left);
    fleet_notify_host(s->o.fleet, h);
}

size_t sessions_count(const struct sessions *s)
{
    return s->live.size;
}
