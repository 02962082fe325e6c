#include "server/session/sample_apply.h"

#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"

#define COPY_MS          500
#define MAX_RATE_STEP_MS 60000 /* a longer interval is a gap, for which no rate is known */

/* Go agents of today send each sample on two connections, at almost the same time. */
static bool is_copy(const struct fleet_sample *old, const struct fleet_sample *s)
{
    int64_t age_ms = s->sampled_at_ms - old->sampled_at_ms;

    return old->sampled_at_ms && !old->is_expired && age_ms >= 0 && age_ms < COPY_MS &&
           old->network_rx == s->network_rx && old->network_tx == s->network_tx &&
           old->disk_read == s->disk_read && old->disk_write == s->disk_write &&
           old->memory_usage == s->memory_usage &&
           (int64_t)(old->cpu_percent * 10) == (int64_t)(s->cpu_percent * 10);
}

/* DockMon's agents say 0 where the engine has told them no limit in time. */
static double compute_memory_percent(const struct msg_container_stats *m)
{
    if (m->memory_percent > 0 || m->memory_limit <= 0 || m->memory_usage <= 0)
        return m->memory_percent;
    return (double)m->memory_usage * 100 / (double)m->memory_limit;
}

bool sample_apply_container(struct fleet_host *h, const struct msg_container_stats *m)
{
    struct fleet_container *c = map_find(&h->containers, m->container_id);
    const struct fleet_sample s = {
        .sampled_at_ms = time_utc_ms(),
        .cpu_percent = m->cpu_percent,
        .memory_percent = compute_memory_percent(m),
        .memory_usage = m->memory_usage,
        .memory_limit = m->memory_limit,
        .network_rx = m->network_rx,
        .network_tx = m->network_tx,
        .disk_read = m->disk_read,
        .disk_write = m->disk_write,
        .pids = -1, /* not in this message */
    };

    return !(c && is_copy(&c->sample, &s)) && fleet_put_sample(h, 0, m->container_id, &s);
}

static void put_host_sample(struct fleet_host *h, const struct fleet_sample *s)
{
    if (!s->is_derived)
        h->sums.measured_ms = time_monotonic_ms();
    fleet_put_host_sample(h, s);
}

/* The message has only the share of the memory. */
static int64_t compute_memory_used(const struct fleet_host *h, const struct msg_host_stats *m)
{
    if (h->row.total_memory <= 0 || !(m->mem_percent >= 0 && m->mem_percent <= 100))
        return -1;
    return (int64_t)((double)h->row.total_memory * m->mem_percent / 100);
}

void sample_apply_host(struct fleet_host *h, const struct msg_host_stats *m, bool is_derived)
{
    struct fleet_sample s = {.sampled_at_ms = time_utc_ms(), .is_derived = is_derived};

    fleet_sample_clear(&s);
    s.cpu_percent = m->cpu_percent;
    s.memory_percent = m->mem_percent;
    s.memory_usage = compute_memory_used(h, m);
    s.memory_limit = h->row.total_memory > 0 ? h->row.total_memory : -1;
    s.net_bytes_per_sec = m->net_bytes_per_sec;
    put_host_sample(h, &s);
}

static int64_t to_hundredths(double percent)
{
    return percent >= 0 && percent < 1e12 ? (int64_t)(percent * 100 + 0.5) : METRIC_NONE;
}

static int64_t to_metric(int64_t v)
{
    return v >= 0 ? v : METRIC_NONE;
}

bool sample_to_batch(const struct fleet_host *h,
                     const struct msg_container_stats *m,
                     struct container_sample *c,
                     struct samples *ret)
{
    struct fleet_container *container;
    bool has_memory = m->memory_limit > 0 || m->memory_usage > 0;

    if (fleet_find_container(h, m->container_id, &container) < 0)
        return false;
    *c = (struct container_sample){.name = container->name};
    str_copy(c->id, sizeof(c->id), container->id);
    samples_clear_values(c->values, CONTAINER_METRICS);
    c->values[CONTAINER_CPU] = to_hundredths(m->cpu_percent);
    c->values[CONTAINER_MEM_USED] = has_memory ? to_metric(m->memory_usage) : METRIC_NONE;
    c->values[CONTAINER_MEM_LIMIT] = m->memory_limit > 0 ? m->memory_limit : METRIC_NONE;
    c->values[CONTAINER_NET_RX] = to_metric(m->network_rx);
    c->values[CONTAINER_NET_TX] = to_metric(m->network_tx);
    c->values[CONTAINER_BLK_READ] = to_metric(m->disk_read);
    c->values[CONTAINER_BLK_WRITE] = to_metric(m->disk_write);
    *ret = (struct samples){.at_ms = time_utc_ms(), .containers = c, .n_containers = 1};
    return true;
}

/*
 * A counter for the history from the rate, which is that of both directions. The history shows the
 * sum, too.
 */
static int64_t count_network(struct fleet_host *h, const struct msg_host_stats *m)
{
    if (m->net_bytes_per_sec > 0 && m->net_bytes_per_sec < 1e12 && h->sample.interval_ms > 0 &&
        h->sample.interval_ms <= MAX_RATE_STEP_MS)
        h->net_counted += m->net_bytes_per_sec * (double)h->sample.interval_ms / 1000;
    return (int64_t)h->net_counted;
}

void sample_host_to_batch(struct fleet_host *h, const struct msg_host_stats *m, struct samples *ret)
{
    int64_t *v = ret->host.values;

    *ret = (struct samples){.at_ms = time_utc_ms(), .has_host = true};
    samples_clear_values(v, HOST_METRICS);
    v[HOST_CPU] = to_hundredths(m->cpu_percent);
    if (m->net_bytes_per_sec >= 0) {
        v[HOST_NET_RX] = count_network(h, m);
        v[HOST_NET_TX] = 0;
    }
    if (compute_memory_used(h, m) >= 0) {
        v[HOST_MEM_TOTAL] = h->row.total_memory;
        v[HOST_MEM_USED] = compute_memory_used(h, m);
    }
}

/* In the model -1 means unknown. */
static double to_share(int64_t used, int64_t total)
{
    return used >= 0 && total > 0 ? (double)used * 100.0 / (double)total : -1;
}

static double to_percent(int64_t hundredths)
{
    return hundredths >= 0 ? (double)hundredths / 100.0 : -1;
}

static int64_t to_model(int64_t v)
{
    return v >= 0 ? v : -1;
}

static void put_container(struct fleet_host *h,
                          size_t place,
                          const struct container_sample *c,
                          int64_t now_ms)
{
    const int64_t *v = c->values;
    const struct fleet_sample s = {
        .sampled_at_ms = now_ms,
        .cpu_percent = to_percent(v[CONTAINER_CPU]),
        .memory_percent = to_share(v[CONTAINER_MEM_USED], v[CONTAINER_MEM_LIMIT]),
        .memory_usage = to_model(v[CONTAINER_MEM_USED]),
        .memory_limit = to_model(v[CONTAINER_MEM_LIMIT]),
        .network_rx = to_model(v[CONTAINER_NET_RX]),
        .network_tx = to_model(v[CONTAINER_NET_TX]),
        .disk_read = to_model(v[CONTAINER_BLK_READ]),
        .disk_write = to_model(v[CONTAINER_BLK_WRITE]),
        .pids = to_model(v[CONTAINER_PIDS]),
    };

    (void)fleet_put_sample(h, place, c->id, &s); /* unknown until the next list arrives */
}

static void put_host(struct fleet_host *h, const int64_t *v, int64_t now_ms)
{
    const struct fleet_sample s = {
        .sampled_at_ms = now_ms,
        .cpu_percent = to_percent(v[HOST_CPU]),
        .memory_percent = to_share(v[HOST_MEM_USED], v[HOST_MEM_TOTAL]),
        .net_bytes_per_sec = -1, /* the model computes it from the counters */
        .memory_usage = to_model(v[HOST_MEM_USED]),
        .memory_limit = to_model(v[HOST_MEM_TOTAL]),
        .network_rx = to_model(v[HOST_NET_RX]),
        .network_tx = to_model(v[HOST_NET_TX]),
        .disk_read = -1,
        .disk_write = -1,
    };

    put_host_sample(h, &s);
}

static void put_source(struct fleet_host *h, const struct samples_source *s)
{
    json_t *notes = json_array();

    for (size_t i = 0; i < s->n_notes; i++)
        (void)json_array_append_new(notes, json_text_str(s->notes[i]));
    fleet_take_stats_source(
        h, json_pack("{s:o, s:o, s:o, s:o}", "containers", json_text_str(s->containers), "network",
                     json_text_str(s->network), "why", json_text_str(s->why), "notes", notes));
}

void sample_apply_batch(struct fleet_host *h, const struct samples *s)
{
    int64_t now_ms = time_utc_ms();

    for (size_t i = 0; !s->is_late && i < s->n_containers; i++)
        put_container(h, i, &s->containers[i], now_ms);
    if (s->has_host && !s->is_late)
        put_host(h, s->host.values, now_ms);
    if (s->has_source)
        put_source(h, &s->source);
}
