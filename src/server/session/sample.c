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
