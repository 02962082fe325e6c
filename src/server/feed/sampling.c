#include "server/feed/sampling.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "base/set.h"
#include "base/time.h"
#include "proto/samples.h"
#include "server/fleet/fleet_listener.h"
#include "server/fleet/staleness.h"

#include <errno.h>

#define DELAY_MS    200 /* collects changes: a client that scrolls subscribes often */
#define REFRESH_MS  UINT64_C(30000)
#define ASKED_MS    UINT64_C(30000)
#define MAX_ASKED   10000
#define EXPIRY_MS   UINT64_C(2500)
#define TTL_S       75 /* survives the loss of one message */
#define INTERVAL_MS 1000
#define LIST_MS     2000 /* of hosts that are only shown in full lists, which are sent as often */

struct sampling {
    struct sampling_options o;
    struct fleet_listener fleet;
    struct feed_listener feed;
    struct loop_timer soon, refresh, expiry;
    struct set changed; /* host ids */
    bool is_all_changed;
    struct map asked;   /* uint64_t (monotonic ms of the expiry) by "HOST/CONTAINER" or "HOST/" */
    struct set hurried; /* ids of hosts whose agents were sent a rate */
};

static char *asked_key(const struct fleet_host *h, const char *container_id)
{
    return xasprintf("%s/%s", h->row.id, container_id ? container_id : "");
}

static bool is_asked(const struct sampling *s, const struct fleet_host *h, const char *container_id)
{
    _cleanup_free_ char *key = s->asked.size > 0 ? asked_key(h, container_id) : NULL;
    const uint64_t *until = key ? map_find(&s->asked, key) : NULL;

    return until && *until > time_monotonic_ms();
}

static void forget_asked(struct sampling *s)
{
    struct strings old = {0};

    map_foreach(&s->asked, e) {
        if (*(const uint64_t *)e->value <= time_monotonic_ms())
            strings_add(&old, e->key);
    }
    for (size_t i = 0; i < old.n; i++)
        free(map_remove(&s->asked, old.items[i]));
    strings_done(&old);
}

static void add_containers(const struct sampling *s,
                           const struct fleet_host *h,
                           struct msg_stats_rate *rate)
{
    if (rate->all || (!feed_is_any_watched(s->o.feed, h->row.id) && s->asked.size == 0))
        return;
    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;

        if (feed_is_watched(s->o.feed, h->row.id, c->id) || is_asked(s, h, c->id))
            strings_add(&rate->containers, c->id);
    }
}

/* False: no sample of the host is watched, or requested. */
static bool make_rate(const struct sampling *s,
                      const struct fleet_host *h,
                      struct msg_stats_rate *ret)
{
    *ret = (struct msg_stats_rate){
        .interval_ms = INTERVAL_MS,
        .ttl_s = TTL_S,
        .host = feed_is_watched(s->o.feed, h->row.id, NULL) || is_asked(s, h, NULL),
        .all = feed_is_watched(s->o.feed, h->row.id, ""),
    };
    add_containers(s, h, ret);
    if (feed_is_listed(s->o.feed, h)) {
        if (!ret->host && !ret->all && ret->containers.n == 0)
            ret->interval_ms = LIST_MS;
        ret->host = ret->all = true;
    }
    return ret->host || ret->all || ret->containers.n > 0;
}

static void send_rate(struct sampling *s, const struct fleet_host *h)
{
    _cleanup_(msg_stats_rate_done) struct msg_stats_rate rate;
    bool is_wanted = make_rate(s, h, &rate);
    bool was_hurried = set_remove(&s->hurried, h->row.id);
    int r;

    if (!is_wanted && !was_hurried)
        return;
    r = sessions_stats_rate(s->o.sessions, h->agent.id, &rate);
    if (r == -ENOBUFS) {
        log_debug(LOG_FIELDS("host", h->row.id),
                  "could not send the rate of samples: the agent reads too slowly");
    }
    if (is_wanted && r == 0)
        (void)set_add(&s->hurried, h->row.id);
}

static void on_soon(struct loop_timer *t)
{
    struct sampling *s = CONTAINER_OF(t, struct sampling, soon);

    map_foreach(fleet_hosts(s->o.fleet), e) {
        const struct fleet_host *h = e->value;

        if (h->is_online && h->agent.id && (s->is_all_changed || set_has(&s->changed, h->row.id)))
            send_rate(s, h);
    }
    set_done(&s->changed);
    s->is_all_changed = false;
}

static void on_refresh(struct loop_timer *t)
{
    struct sampling *s = CONTAINER_OF(t, struct sampling, refresh);

    loop_timer_start(s->o.loop, t, REFRESH_MS, on_refresh);
    s->is_all_changed = true;
    forget_asked(s);
    on_soon(&s->soon);
}

static void on_expiry(struct loop_timer *t)
{
    struct sampling *s = CONTAINER_OF(t, struct sampling, expiry);

    loop_timer_start(s->o.loop, t, EXPIRY_MS, on_expiry);
    fleet_expire_samples(s->o.fleet, time_utc_ms());
    if (feed_count(s->o.feed) > 0)
        sessions_need_lists(s->o.sessions);
}

/* Sends the rate of one host, or of all if NULL, after a short delay. */
static void renew_soon(struct sampling *s, const char *host_id)
{
    if (!host_id) {
        s->is_all_changed = true;
    } else if (fleet_find_host(s->o.fleet, host_id)) { /* clients may name unknown hosts */
        (void)set_add(&s->changed, host_id);
    }
    if (!loop_timer_is_running(&s->soon))
        loop_timer_start(s->o.loop, &s->soon, DELAY_MS, on_soon);
}

static void on_watched(struct feed_listener *l, const char *host_id)
{
    renew_soon(CONTAINER_OF(l, struct sampling, feed), host_id);
}

static void on_host(struct fleet_listener *l, const struct fleet_host *h)
{
    struct sampling *s = CONTAINER_OF(l, struct sampling, fleet);

    if (h->is_online && (feed_is_watched(s->o.feed, h->row.id, NULL) ||
                         feed_is_any_watched(s->o.feed, h->row.id) || feed_is_listed(s->o.feed, h)))
        renew_soon(s, h->row.id);
}

struct sampling *sampling_new(const struct sampling_options *o)
{
    struct sampling *s = xcalloc(1, sizeof(*s));

    s->o = *o;
    loop_timer_start(o->loop, &s->refresh, REFRESH_MS, on_refresh);
    loop_timer_start(o->loop, &s->expiry, EXPIRY_MS, on_expiry);
    s->fleet.on_host = on_host;
    fleet_add_listener(o->fleet, &s->fleet);
    s->feed.on_watched = on_watched;
    feed_add_listener(o->feed, &s->feed);
    return s;
}

void sampling_free(struct sampling *s)
{
    if (!s)
        return;
    feed_remove_listener(&s->feed);
    fleet_remove_listener(&s->fleet);
    loop_timer_stop(&s->soon);
    loop_timer_stop(&s->refresh);
    loop_timer_stop(&s->expiry);
    set_done(&s->changed);
    set_done(&s->hurried);
    map_foreach(&s->asked, e)
        free(e->value);
    map_done(&s->asked);
    free(s);
}

void sampling_on_asked(struct sampling *s, const struct fleet_host *h, const char *container_id)
{
    _cleanup_free_ char *key = asked_key(h, container_id);
    uint64_t *until = map_find(&s->asked, key);
    bool is_new = !until || *until <= time_monotonic_ms();

    if (!until) {
        if (s->asked.size >= MAX_ASKED)
            return;
        until = xcalloc(1, sizeof(*until));
        (void)map_put(&s->asked, key, until);
    }
    *until = time_monotonic_ms() + ASKED_MS;
    if (is_new)
        renew_soon(s, h->row.id);
}
