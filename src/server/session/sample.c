#include "server/session/sample.h"

#include "base/time.h"

bool sample_put(struct fleet_host *h, const struct msg_container_stats *m)
{
    const struct fleet_sample s = {
        .sampled_at_ms = time_utc_ms(),
        .cpu_percent = m->cpu_percent,
        .memory_percent = m->memory_percent,
        .memory_usage = m->memory_usage,
        .memory_limit = m->memory_limit,
        .network_rx = m->network_rx,
        .network_tx = m->network_tx,
        .disk_read = m->disk_read,
        .disk_write = m->disk_write,
    };

    return fleet_put_sample(h, m->container_id, &s);
}

void sample_put_host(struct fleet_host *h, const struct msg_host_stats *m)
{
    const struct fleet_sample s = {
        .sampled_at_ms = time_utc_ms(),
        .cpu_percent = m->cpu_percent,
        .memory_percent = m->mem_percent,
        .net_bytes_per_sec = m->net_bytes_per_sec,
    };

    fleet_put_host_sample(h, &s);
}

/* -1 is what the model has for not known. */
static double share(int64_t used, int64_t total)
{
    return used >= 0 && total > 0 ? (double)used * 100.0 / (double)total : -1;
}

static double percent(int64_t hundredths)
{
    return hundredths >= 0 ? (double)hundredths / 100.0 : -1;
}

static int64_t known(int64_t v)
{
    return v >= 0 ? v : -1;
}

static void put_container(struct fleet_host *h, const struct container_sample *c, int64_t now_ms)
{
    const int64_t *v = c->values;
    const struct fleet_sample s = {
        .sampled_at_ms = now_ms,
        .cpu_percent = percent(v[CONTAINER_CPU]),
        .memory_percent = share(v[CONTAINER_MEM_USED], v[CONTAINER_MEM_LIMIT]),
        .memory_usage = known(v[CONTAINER_MEM_USED]),
        .memory_limit = known(v[CONTAINER_MEM_LIMIT]),
        .network_rx = known(v[CONTAINER_NET_RX]),
        .network_tx = known(v[CONTAINER_NET_TX]),
        .disk_read = known(v[CONTAINER_BLK_READ]),
        .disk_write = known(v[CONTAINER_BLK_WRITE]),
    };

    (void)fleet_put_sample(h, c->id, &s); /* unknown: its list is on the way */
}

static void put_host(struct fleet_host *h, const int64_t *v, int64_t now_ms)
{
    const struct fleet_sample s = {
        .sampled_at_ms = now_ms,
        .cpu_percent = percent(v[HOST_CPU]),
        .memory_percent = share(v[HOST_MEM_USED], v[HOST_MEM_TOTAL]),
        .net_bytes_per_sec = -1, /* made of the counters */
        .memory_usage = known(v[HOST_MEM_USED]),
        .memory_limit = known(v[HOST_MEM_TOTAL]),
        .network_rx = known(v[HOST_NET_RX]),
        .network_tx = known(v[HOST_NET_TX]),
        .disk_read = -1,
        .disk_write = -1,
    };

    fleet_put_host_sample(h, &s);
}

static void put_source(struct fleet_host *h, const struct samples_source *s)
{
    json_t *notes = json_array();

    for (size_t i = 0; i < s->n_notes; i++)
        (void)json_array_append_new(notes, json_string(s->notes[i]));
    fleet_take_stats_source(h, json_pack("{s:s, s:s, s:s, s:o}", "containers", s->containers,
                                         "network", s->network, "why", s->why, "notes", notes));
}

void samples_put(struct fleet_host *h, const struct samples *s)
{
    int64_t now_ms = time_utc_ms();

    for (size_t i = 0; i < s->n_containers; i++)
        put_container(h, &s->containers[i], now_ms);
    if (s->has_host)
        put_host(h, s->host.values, now_ms);
    if (s->has_source)
        put_source(h, &s->source);
}
