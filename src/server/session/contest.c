#include "server/session/session_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/session/host_events.h"
#include "server/store/secret.h"

#define REPORT_MS     60000
#define WINDOW_MS     (UINT64_C(5) * 60 * 1000)
#define TAKEOVERS_MAX 5 /* within the window */

/* The text on the host, as long as the contest lasts. */
static void show(struct sessions *s, const struct agent_record *record, const char *text)
{
    struct fleet_host *h = fleet_find_host(s->o.fleet, record->host_id);

    if (!h || str_eq(h->trouble, text))
        return;
    fleet_set_trouble(h, text);
    fleet_notify_host(s->o.fleet, h);
}

/* Returns a token hash of the record, to be freed, or NULL. */
static char *find_token(const struct agent_record *record)
{
    map_foreach(&record->owner->contested, e) {
        if (e->value == record)
            return xstrdup(e->key);
    }
    return NULL;
}

static void forget_tokens(struct agent_record *record)
{
    char *hash;

    while ((hash = find_token(record))) {
        (void)map_remove(&record->owner->contested, hash);
        free(hash);
    }
}

void contest_end(struct agent_record *record)
{
    struct sessions *s = record->owner;
    struct fleet_host *h = fleet_find_host(s->o.fleet, record->host_id);
    bool is_shown = h && record->contest.text && str_eq(h->trouble, record->contest.text);

    loop_timer_stop(&record->contest.calm);
    record->contest.n_takeovers = 0;
    forget_tokens(record);
    if (is_shown)
        show(s, record, NULL);
    free(record->contest.text);
    record->contest.text = NULL;
}

static void on_calm(struct loop_timer *t)
{
    struct agent_record *record = CONTAINER_OF(t, struct agent_record, contest.calm);

    log_info(LOG_FIELDS("host", record->host_id), "only one agent uses this identity now");
    contest_end(record);
}

/* From now on further connections with the token of `se` are refused. */
static void begin(struct agent_record *record, const struct session *old, const struct session *se)
{
    struct sessions *s = record->owner;

    (void)map_put(&s->contested, se->token_hash, record);
    loop_timer_start(s->o.loop, &record->contest.calm, WINDOW_MS, on_calm);
    free(record->contest.text);
    record->contest.text = xasprintf(
        "two agents use this identity, from %s (connected) and %s: one machine has a copy of the "
        "other one's data directory; delete permanent_token there, and give that agent a "
        "registration token",
        se->peer, old->peer);
    log_warn(LOG_FIELDS("host", record->host_id, "peer", se->peer, "other", old->peer),
             "two agents use one identity: the connected one is kept");
}

static void report(struct agent_record *record, const struct session *old, const struct session *se)
{
    uint64_t now_ms = time_monotonic_ms();
    json_t *details;

    log_warn(
        LOG_FIELDS("agent", se->agent_id, "host", se->host_id, "old", old->peer, "new", se->peer),
        "agent superseded: it has connected again; if this repeats, two machines use copies of one "
        "data directory");
    record->n_superseded++;
    if (record->reported_ms > 0 && now_ms - record->reported_ms < REPORT_MS)
        return;

    details = json_object();
    json_text_set(details, "old_address", json_text_str(old->peer));
    json_text_set(details, "count", json_integer(record->n_superseded));
    host_event_add(se->owner->ingest, HOST_EVENT_SUPERSEDED, session_host(se), se->peer, details);
    record->n_superseded = 0;
    record->reported_ms = now_ms;
}

const char *contest_text(const struct session *se)
{
    const struct agent_record *record = map_find(&se->owner->records, se->agent_id);
    const struct fleet_host *h = session_host(se);
    const char *text = record ? record->contest.text : NULL;

    return text && h && str_eq(h->trouble, text) ? text : NULL;
}

void contest_note(struct agent_record *record, const struct session *old, const struct session *se)
{
    uint64_t now_ms = time_monotonic_ms();

    report(record, old, se);
    if (now_ms - record->contest.since_ms > WINDOW_MS)
        record->contest.n_takeovers = 0;
    if (record->contest.n_takeovers++ == 0)
        record->contest.since_ms = now_ms;
    if (record->contest.n_takeovers >= TAKEOVERS_MAX)
        begin(record, old, se);
}

bool contest_refuses(struct session *se, const char *token)
{
    struct agent_record *record;

    secret_hash(token, se->token_hash);
    record = map_find(&se->owner->contested, se->token_hash);
    if (!record || !record->session)
        return false; /* nobody is connected, so there is nothing to take over */

    loop_timer_start(se->owner->o.loop, &record->contest.calm, WINDOW_MS, on_calm);
    show(se->owner, record, record->contest.text);
    session_warn_stranger(se, "agent refused", TEXT_TWO_AGENTS);
    session_refuse(se, &(struct session_refusal){CODE_BUSY, TEXT_TWO_AGENTS, WS_CLOSE_TRY_AGAIN,
                                                 "Two agents use this identity"});
    return true;
}
