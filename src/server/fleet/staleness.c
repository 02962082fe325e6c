#include "server/fleet/staleness.h"

#include "base/str.h"
#include "proto/notice.h"
#include "server/fleet/fleet_listener.h"

#define MISSED          3
#define MIN_INTERVAL_MS 5000  /* a watched series is faster; a loaded agent is late */
#define NEW_INTERVAL_MS 10000 /* of a series with one sample: the agents' default */

static bool is_stale(const struct fleet_host *h)
{
    return !h->is_online || str_starts_with(h->trouble ? h->trouble : "", NOTICE_NO_ANSWER);
}

int64_t fleet_host_stale_since(const struct fleet_host *h)
{
    if (!is_stale(h))
        return 0;
    return !h->is_online && h->seen_at_ms ? h->seen_at_ms : h->containers_at_ms;
}

int64_t fleet_containers_stale_since(const struct fleet_host *h)
{
    return is_stale(h) ? h->containers_at_ms : 0;
}

static bool is_expired(const struct fleet_sample *s, int64_t now_ms)
{
    int64_t interval_ms = s->interval_ms ? s->interval_ms : NEW_INTERVAL_MS;

    if (interval_ms < MIN_INTERVAL_MS)
        interval_ms = MIN_INTERVAL_MS;
    return s->sampled_at_ms && !s->is_expired && now_ms - s->sampled_at_ms > MISSED * interval_ms;
}

void fleet_sample_clear(struct fleet_sample *s)
{
    s->cpu_percent = s->memory_percent = s->net_bytes_per_sec = -1;
    s->memory_usage = s->memory_limit = -1;
    s->network_rx = s->network_tx = -1;
    s->disk_read = s->disk_write = -1;
    s->pids = -1;
}

static void expire(struct fleet_sample *s)
{
    fleet_sample_clear(s);
    s->is_expired = true;
}

static bool expire_host(struct fleet_host *h, int64_t now_ms)
{
    uint64_t version = h->samples_version;

    if (is_expired(&h->sample, now_ms)) {
        expire(&h->sample);
        h->version++; /* the host has no source of samples any more */
        h->own_sample_version = ++h->samples_version;
    }
    map_foreach(&h->containers, e) {
        struct fleet_container *c = e->value;

        if (!is_expired(&c->sample, now_ms))
            continue;
        expire(&c->sample);
        c->own_sample_version = ++h->samples_version;
    }
    return h->samples_version != version;
}

void fleet_expire_samples(struct fleet *f, int64_t now_ms)
{
    map_foreach(fleet_hosts(f), e) {
        if (expire_host(e->value, now_ms))
            fleet_notify_containers(f, e->value);
    }
}
