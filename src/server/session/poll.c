#include "server/session/session_internal.h"

#include <assert.h>
#include <errno.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#define POLL_TIMEOUT_MS 30000
#define POLL_MAX_MS     60000
/* The delay of a poll requested during another one; limits polls of hosts with frequent events. */
#define POLL_AGAIN_MS 100

/* The owner of a command. It holds the session's key: the session may end before the command. */
struct poll_request {
    struct sessions *owner;
    char key[SESSION_KEY_SIZE];
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

static uint64_t next_delay_ms(const struct session *se)
{
    uint64_t delay_ms = se->owner->o.poll_interval_ms;

    for (unsigned i = 0; i < se->poll.n_failures && delay_ms < POLL_MAX_MS; i++)
        delay_ms *= 2;
    return delay_ms < POLL_MAX_MS ? delay_ms : POLL_MAX_MS;
}

static int take_list(struct session *se, const struct command_result *r)
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

    version = h->containers_version;
    n_skipped = fleet_apply_snapshot(h, r->result, time_utc_ms());
    session_complain_skipped(se, h, n_skipped);
    if (h->containers_version != version)
        fleet_notify_containers(se->owner->o.fleet, h);
    return 0;
}

static void on_list(void *owner, const struct command_result *r)
{
    struct poll_request *q = owner;
    struct session *se = sessions_find(q->owner, q->key);
    int code;

    free(q);
    if (!se || se->poll.state != POLL_ASKING)
        return;

    code = take_list(se, r);
    if (code == 0) {
        se->poll.n_failures = 0;
    } else {
        se->poll.n_failures++;
        session_complain(se, "could not get the container list:",
                         r->code < 0 ? r->message : "the result is not an array");
    }
    wait_ms(se, se->poll.is_wanted ? POLL_AGAIN_MS : next_delay_ms(se));
}

static void ask(struct loop_timer *t)
{
    struct session *se = CONTAINER_OF(t, struct session, poll.timer);
    struct poll_request *q = xcalloc(1, sizeof(*q));

    q->owner = se->owner;
    str_copy(q->key, sizeof(q->key), se->key);
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
