#include "agent/stats/schedule.h"

#include "agent/stats/interval.h"
#include "base/str.h"

#define THOROUGH_MS 5000  /* between readings of expensive or slowly changing values */
#define HOST_MS     10000 /* file systems and temperatures */
#define RESCAN_MS   30000 /* which interfaces there are */

static bool is_rate_on(const struct schedule *s, uint64_t now)
{
    return now < s->rate_until_ms;
}

static bool has_live(const struct schedule *s, uint64_t now)
{
    return s->is_eager || is_rate_on(s, now);
}

static uint64_t live_interval(const struct schedule *s, uint64_t now)
{
    uint64_t fastest = s->live_interval_ms;
    uint64_t wanted = is_rate_on(s, now) ? (uint64_t)s->rate.interval_ms : fastest;

    return wanted > fastest ? wanted : fastest;
}

static uint64_t get_near_ms(const struct schedule *s)
{
    return s->live_interval_ms / 2;
}

void schedule_init(struct schedule *s, uint64_t rest_ms, uint64_t live_ms, uint64_t now_ms)
{
    *s = (struct schedule){
        .rest_interval_ms = rest_ms,
        .live_interval_ms = live_ms,
        .rest_at_ms = now_ms + live_ms,
        .live_at_ms = now_ms + live_ms,
    };
}

void schedule_done(struct schedule *s)
{
    msg_stats_rate_done(&s->rate);
}

uint64_t schedule_next(const struct schedule *s, uint64_t now_ms)
{
    return has_live(s, now_ms) && s->live_at_ms < s->rest_at_ms ? s->live_at_ms : s->rest_at_ms;
}

bool schedule_begin(struct schedule *s, uint64_t now_ms, struct schedule_tick *ret)
{
    bool is_rest, is_live;

    if (has_live(s, now_ms))
        interval_merge(&s->rest_at_ms, &s->live_at_ms, now_ms, get_near_ms(s));
    is_rest = interval_is_due(&s->rest_at_ms, now_ms, s->rest_interval_ms);
    is_live = has_live(s, now_ms) &&
              interval_is_due(&s->live_at_ms, now_ms, live_interval(s, now_ms));
    if (!is_rest && !is_live)
        return false;
    s->ticked_ms = now_ms;
    *ret = (struct schedule_tick){
        .is_rest = is_rest,
        .is_thorough = interval_is_due(&s->thorough_at_ms, now_ms, THOROUGH_MS) || is_rest,
        .is_rescan = interval_is_due(&s->rescan_at_ms, now_ms, RESCAN_MS),
        .has_host = is_rest || s->is_eager || s->rate.host,
    };
    return true;
}

static void drop_rate(struct schedule *s)
{
    msg_stats_rate_done(&s->rate);
    s->rate = (struct msg_stats_rate){0};
    s->rate_until_ms = 0;
}

void schedule_reset(struct schedule *s)
{
    s->is_eager = false;
    drop_rate(s);
}

/* The live interval has begun or has changed. */
static void begin_live(struct schedule *s, uint64_t now)
{
    if (s->live_at_ms < now || s->live_at_ms > now + live_interval(s, now))
        s->live_at_ms = now;
    if (s->live_at_ms < s->ticked_ms + get_near_ms(s)) {
        s->live_at_ms = s->ticked_ms +
                        get_near_ms(s); /* values that were just read are new enough */
    }
}

void schedule_set_rate(struct schedule *s, const struct msg_stats_rate *rate, uint64_t now_ms)
{
    drop_rate(s);
    s->rate = *rate;
    s->rate.containers = (struct strings){0};
    for (size_t i = 0; i < rate->containers.n; i++)
        strings_add(&s->rate.containers, rate->containers.items[i]);
    s->rate_until_ms = now_ms + (uint64_t)rate->ttl_s * 1000;
    begin_live(s, now_ms);
}

void schedule_set_eager(struct schedule *s, bool is_eager, uint64_t now_ms)
{
    s->is_eager = is_eager;
    if (is_eager && s->rest_at_ms > now_ms + s->live_interval_ms)
        s->rest_at_ms = now_ms + s->live_interval_ms;
    begin_live(s, now_ms);
}

bool schedule_is_watched(const struct schedule *s, const char *id)
{
    for (size_t i = 0; i < s->rate.containers.n; i++) {
        if (str_eq(s->rate.containers.items[i], id))
            return true;
    }
    return s->rate.all;
}

bool schedule_is_host_due(struct schedule *s, uint64_t now_ms)
{
    return interval_is_due(&s->host_at_ms, now_ms, HOST_MS);
}

bool schedule_is_api_due(struct schedule *s, uint64_t now_ms)
{
    return interval_is_due(&s->api_at_ms, now_ms, SCHEDULE_API_MS);
}
