#include "server/session/session_internal.h"

#include <assert.h>
#include <errno.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/notice.h"

#define POLL_TIMEOUT_MS 30000
#define POLL_MAX_MS     60000
/* The delay of a poll requested during another one; limits polls of hosts with frequent events. */
#define POLL_AGAIN_MS 100
#define CLOSELY_MS    1500
#define CLOSE_POLL_MS 400
#define MISSING_MS    15000 /* samples come every second */
#define QUIET_MS      3000
#define NEEDED_MS     10000
#define IDLE_POLL_MS  10000

/* The owner of a command. It holds the session's key: the session may end before the command. */
struct poll_request {
    struct sessions *owner;
    char key[SESSION_KEY_SIZE];
    uint64_t number;
};

static void poll_set_state(struct poll *p, enum poll_state to)
{
    static const bool is_legal[][3] = {
        [POLL_OFF] = {[POLL_WAITING] = true},
        [POLL_WAITING] = { [POLL_ASKING] = true,    [POLL_OFF] = true},
        [POLL_ASKING] = { [POLL_WAITING] = true,    [POLL_OFF] = true},
    };

    assert(is_legal[p->state][to]);
    p->state = to;
}

static void ask(struct loop_timer *t);

static void wait_ms(struct session *se, uint64_t delay_ms)
{
    poll_set_state(&se->poll, POLL_WAITING);
    loop_timer_start(se->owner->o.loop, &se->poll.timer, delay_ms, ask);
}

/* True: lists show what events should have announced. */
static bool is_watched(const struct session *se, uint64_t now_ms)
{
    return se->poll.missed_restart || now_ms < se->poll.look_until_ms;
}

/*
 * True: the list of this agent is only a safeguard. Nobody reads it, the samples show that the
 * engine works, and events announce changes.
 */
static bool is_idle(const struct session *se)
{
    uint64_t now_ms = time_monotonic_ms();

    return se->poll.sample_ms && now_ms - se->poll.sample_ms <= QUIET_MS &&
           now_ms >= se->owner->lists_needed_until_ms && !is_watched(se, now_ms);
}

static uint64_t next_delay_ms(const struct session *se)
{
    uint64_t delay_ms = se->owner->o.poll_interval_ms;

    for (unsigned i = 0; i < se->poll.n_failures && delay_ms < POLL_MAX_MS; i++)
        delay_ms *= 2;
    if (se->poll.n_failures == 0 && delay_ms > CLOSE_POLL_MS && is_watched(se, time_monotonic_ms()))
        delay_ms = CLOSE_POLL_MS;
    if (se->poll.is_idle && delay_ms < IDLE_POLL_MS)
        delay_ms = IDLE_POLL_MS;
    return delay_ms < POLL_MAX_MS ? delay_ms : POLL_MAX_MS;
}

static int take_list(struct session *se, uint64_t number, const struct command_result *r)
{
    struct fleet_host *h = session_host(se);
    uint64_t version;
    size_t n_skipped;

    if (r->code < 0)
        return r->code;
    if (!json_is_array(r->result))
        return -EPROTO;
    if (!h)
        return 0; /* the host was deleted, and the socket is about to be closed */
    if (number < se->poll.taken)
        return 0; /* a list that was asked for later has arrived before */

    se->poll.taken = number;
    version = h->containers_version;
    n_skipped = fleet_apply_snapshot(h, r->result, time_utc_ms());
    session_complain_skipped(se, h, n_skipped);
    if (h->containers_version != version)
        fleet_notify_containers(se->owner->o.fleet, h);
    return 0;
}

/* Whether a container that runs has sent samples, and sends none any more. */
static bool misses_samples(const struct fleet_host *h)
{
    int64_t now_ms = time_utc_ms();

    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;

        if (str_eq(c->state, "running") && c->sample.sampled_at_ms &&
            now_ms - c->sample.sampled_at_ms > MISSING_MS)
            return true;
    }
    return false;
}

/*
 * DockMon's agents lose the events and the samples of an engine that was restarted, until they
 * connect again. Those of today do that at once; those of the seed era never come back after a
 * close, so that their lists are read more often instead.
 */
static void renew(struct session *se, struct fleet_host *h)
{
    if (!str_is_empty(h->agent.os)) {
        log_info(LOG_FIELDS("agent", se->agent_id, "host", se->host_id),
                 "connection closed: the engine was restarted, and the agent has missed it");
        session_close(se, WS_CLOSE_TRY_AGAIN, "The engine was restarted: connect again");
        return;
    }
    if (se->poll.missed_restart)
        return;
    se->poll.missed_restart = true;
    se->poll.sample_ms = 0;
    log_warn(LOG_FIELDS("agent", se->agent_id, "host", se->host_id), TEXT_MISSED_RESTART);
}

/* The text stays until the agent connects again, or a sample shows that it has missed nothing. */
static void show_missed_restart(struct session *se, struct fleet_host *h)
{
    bool is_shown = str_eq(h->trouble, TEXT_MISSED_RESTART);

    if (se->poll.sample_ms)
        se->poll.missed_restart = false;
    if (se->poll.missed_restart && !h->trouble) {
        fleet_set_trouble(h, TEXT_MISSED_RESTART);
    } else if (!se->poll.missed_restart && is_shown) {
        fleet_set_trouble(h, NULL);
    } else {
        return;
    }
    fleet_notify_host(se->owner->o.fleet, h);
}

/* True: the list shows that the agent has missed a restart of the engine. */
static bool has_missed_restart(const struct session *se, const struct fleet_host *h)
{
    if (se->poll.lost_engine)
        return true;
    return se->poll.sample_ms && time_monotonic_ms() - se->poll.sample_ms > MISSING_MS &&
           misses_samples(h);
}

/* Shows the result on the host. May close the session. */
static void show_result(struct session *se, const struct command_result *r, int code)
{
    struct fleet_host *h = session_host(se);
    bool was_failing = se->poll.is_failing;

    if (code < 0 && r->code != -ENOTCONN) {
        _cleanup_free_ char *text = xasprintf(NOTICE_NO_ANSWER ": %s",
                                              r->code < 0 ? r->message : "its list is no array");

        se->poll.is_failing = true;
        se->poll.lost_engine |= r->code == -EREMOTEIO;
        session_show_engine(se, text);
    } else if (code == 0 && h) {
        se->poll.is_failing = false;
        if (was_failing)
            session_show_engine(se, NULL);
        if (has_missed_restart(se, h))
            renew(se, h);
        show_missed_restart(se, h);
        se->poll.lost_engine = false;
    }
}

static void on_list(void *owner, const struct command_result *r)
{
    struct poll_request *q = owner;
    struct session *se = sessions_find(q->owner, q->key);
    uint64_t number = q->number;
    int code;

    free(q);
    if (!se || se->poll.state != POLL_ASKING)
        return;

    code = take_list(se, number, r);
    if (code == 0) {
        se->poll.n_failures = 0;
    } else {
        se->poll.n_failures++;
        session_complain(se, "could not get the container list:",
                         r->code < 0 ? r->message : "the result is not an array");
    }
    se->poll.is_idle = se->poll.n_failures == 0 && is_idle(se);
    wait_ms(se, se->poll.is_wanted ? POLL_AGAIN_MS : next_delay_ms(se));
    show_result(se, r, code);
}

static void ask(struct loop_timer *t)
{
    struct session *se = CONTAINER_OF(t, struct session, poll.timer);
    struct poll_request *q = xcalloc(1, sizeof(*q));

    q->owner = se->owner;
    str_copy(q->key, sizeof(q->key), se->key);
    q->number = ++se->owner->n_lists;
    poll_set_state(&se->poll, POLL_ASKING);
    se->poll.is_wanted = false;
    command_start(se->owner->commands, &(struct command_request){
                                           .agent_id = se->agent_id,
                                           .operation = OPERATION_LIST_CONTAINERS,
                                           .payload = json_object(),
                                           .timeout_ms = POLL_TIMEOUT_MS,
                                           .is_routine = true,
                                           .done = on_list,
                                           .owner = q,
                                       });
}

void session_poll_start(struct session *se)
{
    wait_ms(se, 0);
}

void session_poll_soon(struct session *se, uint64_t delay_ms)
{
    bool is_new = !se->poll.is_wanted;

    if (se->poll.state == POLL_OFF)
        return;

    se->poll.is_wanted = true;
    /* A later request must not postpone an earlier one. */
    if (se->poll.state == POLL_WAITING && (is_new || delay_ms == 0))
        loop_timer_start(se->owner->o.loop, &se->poll.timer, delay_ms, ask);
}

void session_poll_stop(struct session *se)
{
    loop_timer_stop(&se->poll.timer);
    if (se->poll.state != POLL_OFF)
        poll_set_state(&se->poll, POLL_OFF);
}

void session_poll_closely(struct session *se)
{
    se->poll.look_until_ms = time_monotonic_ms() + CLOSELY_MS;
}

static struct session *find_polled(struct sessions *s, const char *agent_id)
{
    const struct agent_record *record = map_find(&s->records, agent_id);
    struct session *se = record ? record->session : NULL;

    return se && se->poll.state != POLL_OFF ? se : NULL;
}

bool sessions_is_polled(struct sessions *s, const char *agent_id)
{
    return find_polled(s, agent_id) != NULL;
}

void sessions_note_sample(struct sessions *s, const char *agent_id)
{
    struct session *se = agent_id ? find_polled(s, agent_id) : NULL;

    if (se)
        se->poll.sample_ms = time_monotonic_ms();
}

void sessions_need_lists(struct sessions *s)
{
    uint64_t now_ms = time_monotonic_ms();
    bool is_new = now_ms >= s->lists_needed_until_ms;

    s->lists_needed_until_ms = now_ms + NEEDED_MS;
    if (!is_new)
        return;
    map_foreach(&s->records, e) {
        const struct agent_record *record = e->value;

        if (record->session && record->session->poll.state == POLL_WAITING &&
            record->session->poll.is_idle)
            session_poll_soon(record->session, 0);
    }
}

uint64_t sessions_number_list(struct sessions *s)
{
    return ++s->n_lists;
}

bool sessions_take_list(struct sessions *s,
                        const char *agent_id,
                        uint64_t number,
                        const struct command_result *r)
{
    struct session *se = find_polled(s, agent_id);

    return se && take_list(se, number, r) == 0;
}
