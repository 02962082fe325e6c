#include "server/session/host_sum.h"

#include "base/time.h"
#include "server/fleet/fleet_listener.h"
#include "server/session/sample_apply.h"

#define INTERVAL_MS 2000

struct sums {
    double cpu, memory, net; /* -1: no container has it */
};

static void add(double *sum, double v)
{
    if (v >= 0)
        *sum = (*sum > 0 ? *sum : 0) + v;
}

static struct sums sum_containers(const struct fleet_host *h)
{
    struct sums sums = {-1, -1, -1};

    map_foreach(&h->containers, e) {
        const struct fleet_sample *s = &((const struct fleet_container *)e->value)->sample;

        if (!s->sampled_at_ms)
            continue;
        add(&sums.cpu, s->cpu_percent);
        add(&sums.memory, (double)s->memory_usage);
        add(&sums.net, s->net_bytes_per_sec);
    }
    return sums;
}

/* Containers are measured one after the other, so that their sum may exceed the host. */
static double to_share(double sum, double total)
{
    double percent = sum / total * 100;

    if (sum < 0 || total <= 0)
        return -1;
    return percent < 100 ? percent : 100;
}

static bool is_due(const struct fleet_host *h, uint64_t after_ms)
{
    uint64_t now_ms = time_monotonic_ms();

    return now_ms - h->sums.measured_ms >= after_ms && now_ms - h->sums.derived_ms >= INTERVAL_MS;
}

void host_sum_update(struct fleet *f, struct fleet_host *h, uint64_t after_ms)
{
    struct sums sums;
    struct msg_host_stats m;
    struct samples batch;

    if (!is_due(h, after_ms))
        return;
    sums = sum_containers(h);
    m = (struct msg_host_stats){
        .cpu_percent = to_share(sums.cpu, (double)h->row.num_cpus * 100),
        .mem_percent = to_share(sums.memory, (double)h->row.total_memory),
        .net_bytes_per_sec = sums.net,
    };
    if (m.cpu_percent < 0 && m.mem_percent < 0 && m.net_bytes_per_sec < 0)
        return;
    h->sums.derived_ms = time_monotonic_ms();
    sample_apply_host(h, &m, true);
    sample_host_to_batch(h, &m, &batch);
    fleet_notify_samples(f, h, &batch);
}
