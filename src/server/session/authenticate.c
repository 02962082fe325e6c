#include "server/session/session_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/auth.h"
#include "proto/envelope.h"
#include "proto/error_code.h"
#include "proto/json_text.h"
#include "proto/known_texts.h"
#include "proto/operation.h"

#include "server/fleet/host_settings.h"

/*
 * The store job of a registration. It holds the session's key: the session may end before the
 * job.
 */
struct auth_job {
    struct list link; /* in sessions.held */
    struct sessions *owner;
    struct db *store;
    uint64_t max_agents;
    char key[SESSION_KEY_SIZE];
    struct msg_register m;
    int64_t now_ms;
    struct registration out;
    int code;
    struct error err;
};

static void auth_job_free(struct auth_job *job)
{
    msg_register_done(&job->m);
    registration_done(&job->out);
    free(job);
}

void session_refuse(struct session *se, const struct session_refusal *r)
{
    struct msg_auth_error m = {.error = xstrdup(r->text)};

    sessions_note_refusal(se->owner, se->peer, r->code, r->text);
    if (se->knows_codes)
        m.code = xstrdup(error_code_name(r->code));
    (void)session_send(se, msg_auth_error_encode(&m)); /* the close reason reports it, too */
    msg_auth_error_done(&m);
    session_close(se, r->close_code, r->close_reason);
}

void session_warn_stranger(struct session *se, const char *what, const char *why)
{
    unsigned n_left_out;

    if (!log_limit_pass(&se->owner->refusals, time_monotonic_ms(), &n_left_out))
        return;
    if (n_left_out > 0) {
        log_warn(LOG_FIELDS("peer", se->peer), "%s: %s (and %u more before this one)", what, why,
                 n_left_out);
    } else {
        log_warn(LOG_FIELDS("peer", se->peer), "%s: %s", what, why);
    }
}

static void refuse_logged(struct session *se, enum error_code code, const char *text)
{
    session_warn_stranger(se, "agent refused", text);
    session_refuse(se,
                   &(struct session_refusal){code, text, WS_CLOSE_POLICY, "Authentication failed"});
}

static void refuse_busy(struct session *se)
{
    session_refuse(se, &(struct session_refusal){CODE_BUSY, TEXT_SERVER_BUSY, WS_CLOSE_TRY_AGAIN,
                                                 "Server busy"});
}

static int send_success(struct session *se, const struct registration *r)
{
    const struct history *history = se->owner->o.history;
    struct history_position kept;
    struct msg_auth_success m = {
        .agent_id = r->agent.id,
        .host_id = r->host.id,
        .permanent_token = r->permanent_token,
        .capabilities = json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "inventory", 1,
                                  "event_replay", 1, "samples", 1, "engine_state", 1,
                                  ERROR_CODES_CAPABILITY, 1, UPDATES_CAPABILITY, 1,
                                  SELF_UPDATE_CAPABILITY, 1),
        .release_key = (char *)(uintptr_t)se->owner->o.release_key,
        .events_since = r->events_since,
    };
    int code;

    if (history && history_position(history, r->host.id, &kept)) {
        m.samples_epoch = kept.epoch;
        m.samples_seq = kept.seq;
    }
    code = session_send(se, msg_auth_success_encode(&m));

    json_decref(m.capabilities);
    return code;
}

/* Applies a registration to the fleet although its agent has disconnected: the store has it. */
static void adopt_without_session(struct sessions *s, const struct registration *r)
{
    struct fleet_host *h;

    if (r->is_replaced)
        sessions_close_agent(s, r->agent.id, "Agent replaced");
    h = fleet_put_host(s->o.fleet, &r->host, &r->agent);
    host_settings_move(s->o.fleet, r->migrated_id, h);
    if (r->migrated_id)
        fleet_drop_host(s->o.fleet, r->migrated_id);
    if (r->candidates)
        fleet_set_candidates(h, r->candidates);
    fleet_notify_host(s->o.fleet, h);
}

static void refuse_code(struct session *se, const struct auth_job *job)
{
    switch (job->code) {
    case -EACCES: refuse_logged(se, error_code_of(&job->err), job->err.msg); return;
    case -ENOBUFS:
        log_error(LOG_FIELDS("peer", se->peer), "registration failed: %s", job->err.msg);
        refuse_busy(se);
        return;
    default:
        log_error(LOG_FIELDS("peer", se->peer), "registration failed: %s", job->err.msg);
        session_refuse(se, &(struct session_refusal){CODE_INTERNAL_ERROR, TEXT_INTERNAL_ERROR,
                                                     WS_CLOSE_INTERNAL, "Internal error"});
        return;
    }
}

static void auth_work(void *owner)
{
    struct auth_job *job = owner;

    job->code = registration_run(job->store, &job->m, job->max_agents, job->now_ms, &job->out,
                                 &job->err);
}

static void answer_registration(struct auth_job *job)
{
    struct session *se = sessions_find(job->owner, job->key);

    if (!se || se->state != SESSION_AUTHENTICATING) {
        if (job->code == 0)
            adopt_without_session(job->owner, &job->out);
    } else if (job->code < 0) {
        refuse_code(se, job);
    } else {
        loop_timer_stop(&se->auth_timer);
        if (send_success(se, &job->out) == 0) {
            session_register(se, &job->out);
        } else {
            adopt_without_session(job->owner, &job->out);
            session_close(se, WS_CLOSE_INTERNAL, "Internal error");
        }
    }
    auth_job_free(job);
}

static void auth_done(void *owner)
{
    struct auth_job *job = owner;

    if (job->code == 0)
        sessions_set_tokens(job->owner, job->out.agent.id, job->out.token_hashes);
    if (job->owner->is_holding) {
        list_append(&job->owner->held, &job->link);
    } else {
        answer_registration(job);
    }
}

void sessions_hold(struct sessions *s)
{
    s->is_holding = true;
}

void sessions_release(struct sessions *s)
{
    s->is_holding = false;
    while (!list_empty(&s->held))
        answer_registration(CONTAINER_OF(list_take_first(&s->held), struct auth_job, link));
}

/* Agents of the seed era send no address of their host, and no system of their own. */
static void add_address(struct msg_register *m, const char *peer)
{
    struct in6_addr address;

    if (m->host_ips.n > 0 || !str_is_empty(m->host_ip) || !str_is_empty(m->agent_os) || !peer)
        return;
    if (inet_pton(AF_INET, peer, &address) == 1 || inet_pton(AF_INET6, peer, &address) == 1)
        strings_add(&m->host_ips, peer);
}

static void start_job(struct session *se, struct msg_register *m)
{
    struct auth_job *job = xcalloc(1, sizeof(*job));

    job->owner = se->owner;
    job->store = se->owner->o.store;
    job->max_agents = se->owner->o.max_agents;
    str_copy(job->key, sizeof(job->key), se->key);
    job->m = *m;
    *m = (struct msg_register){0};
    add_address(&job->m, se->peer);
    job->now_ms = time_utc_ms();
    job->err = ERROR_INIT;

    if (job_submit(se->owner->o.store_jobs, job, auth_work, auth_done) < 0) {
        auth_job_free(job);
        log_error(LOG_FIELDS("peer", se->peer), "registration refused: the store queue is full");
        refuse_busy(se);
        return;
    }
    session_set_state(se, SESSION_AUTHENTICATING);
}

void session_authenticate(struct session *se, const char *data, size_t size, bool is_binary)
{
    _cleanup_(msg_register_done) struct msg_register m = {0};
    struct error err = ERROR_INIT;
    const char *type;
    json_t *v;
    int r;

    v = is_binary ? NULL : json_text_parse(data, size, 0, &err);
    if (!json_is_object(v)) {
        json_decref(v);
        refuse_logged(se, CODE_INVALID_REGISTRATION,
                      TEXT_INVALID_REGISTRATION ": the first message must be a JSON object");
        return;
    }

    se->knows_codes = json_is_true(
        json_object_get(json_object_get(v, "capabilities"), ERROR_CODES_CAPABILITY));
    type = envelope_type(v);
    if (!str_eq(type, "register")) {
        _cleanup_free_ char *text = xasprintf(TEXT_INVALID_AUTH_TYPE,
                                              strlen(type) <= 64 ? type : "(too long)");

        json_decref(v);
        refuse_logged(se, CODE_INVALID_REGISTRATION, text);
        return;
    }

    r = msg_register_decode(v, &m, &err);
    json_decref(v);
    if (r < 0) {
        refuse_logged(se, CODE_INVALID_REGISTRATION, err.msg);
    } else if (!contest_refuses(se, m.token)) {
        start_job(se, &m);
    }
}

const struct refusals *sessions_refusals(const struct sessions *s)
{
    return &s->refused;
}

void sessions_note_refusal(struct sessions *s,
                           const char *peer,
                           enum error_code code,
                           const char *text)
{
    refusals_note(&s->refused, peer, error_code_name(code), text, time_utc_ms());
}

bool sessions_clock_offset(const struct sessions *s, const char *agent_id, int64_t *ret_ms)
{
    const struct agent_record *record = map_find(&s->records, agent_id);

    if (!record || !record->session)
        return false;
    *ret_ms = record->session->clock_offset_ms;
    return true;
}
