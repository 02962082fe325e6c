#include "agent/stats/target.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <unistd.h>

#define NO_LIMIT    (INT64_MAX - ((int64_t)1 << 20)) /* v1 reports a whole number of pages */
#define MAX_CPU     1e12                             /* more means that a clock has jumped */
#define MIN_SPAN_MS 400 /* closer readings are too inexact: the kernel counts in ticks of 10 ms */

int64_t target_cpu(int64_t usage_us, int64_t ticks, int64_t n_cpus)
{
    double ticks_us = (double)ticks * 1000000.0 / (double)sysconf(_SC_CLK_TCK);

    double cpu;

    if (usage_us < 0 || ticks <= 0 || n_cpus <= 0)
        return METRIC_NONE;
    cpu = (double)usage_us / ticks_us * (double)n_cpus * 10000.0 + 0.5;
    return cpu < MAX_CPU ? (int64_t)cpu : METRIC_NONE;
}

static void set_base(struct target *t, const struct stats_cpu *cpu)
{
    t->usage = t->values[CONTAINER_CPU_TIME];
    t->ticks = cpu->n > 0 ? cpu->docker : METRIC_NONE;
    t->base_ms = time_monotonic_ms();
}

static void use_cpu(struct target *t, const struct stats_cpu *cpu)
{
    int64_t usage = t->values[CONTAINER_CPU_TIME];

    t->values[CONTAINER_CPU] = METRIC_NONE;
    if (usage == METRIC_NONE || cpu->n == 0)
        return;
    if (t->usage != METRIC_NONE && t->ticks != METRIC_NONE) {
        if (time_monotonic_ms() - t->base_ms < MIN_SPAN_MS)
            return; /* keep the base */
        t->values[CONTAINER_CPU] = target_cpu(usage - t->usage, cpu->docker - t->ticks, cpu->n);
    }
    set_base(t, cpu);
}

/* Without a limit the memory of the host is the limit, as in the engine. */
static void clip_limit(struct target *t, const struct target_sources *s)
{
    int64_t *limit = &t->values[CONTAINER_MEM_LIMIT];

    if (*limit == METRIC_NONE)
        return;
    if (s->host_memory != METRIC_NONE && *limit > s->host_memory) {
        *limit = s->host_memory;
    } else if (*limit >= NO_LIMIT) {
        *limit = METRIC_NONE;
    }
}

static void use_running(struct target *t)
{
    t->values[CONTAINER_RESTARTS] = t->running.restarts;
    t->values[CONTAINER_STARTED_AT] = t->running.started_at_ms;
}

static void clear_values(struct target *t)
{
    for (size_t i = 0; i < CONTAINER_METRICS; i++)
        t->values[i] = METRIC_NONE;
    use_running(t);
}

static int read_files(struct target *t, bool is_thorough)
{
    int r = cgroup_read(t->cg, is_thorough, t->values);

    if (r < 0 || !t->net)
        return r;
    if (network_read(t->net, is_thorough, &t->values[CONTAINER_NET_RX],
                     &t->values[CONTAINER_NET_TX]) < 0)
        t->values[CONTAINER_NET_RX] = t->values[CONTAINER_NET_TX] = METRIC_NONE;
    return 0;
}

/* Also false if the container shares the network of one that uses the host's. */
static bool has_own_network(const struct target_sources *s, const struct running *r)
{
    return !r->is_host_network && cgroup_has_process(s->fs, r->pid, r->id) &&
           !network_is_of_host(s->net, r->pid);
}

void target_open(struct target *t,
                 const struct target_sources *s,
                 const struct running *r,
                 const struct stats_cpu *cpu,
                 struct error *err)
{
    *t = (struct target){.running = *r, .usage = METRIC_NONE, .ticks = METRIC_NONE};
    clear_values(t);
    if (!s->fs)
        return;
    if (cgroup_open(&t->cg, s->fs, r->pid, r->id, err) < 0) {
        log_debug(LOG_FIELDS("container", r->name), "statistics: %s", err->msg);
        t->cg = NULL;
        return;
    }
    if (has_own_network(s, r) && network_open(&t->net, s->net, r->pid, true) < 0)
        t->net = NULL;
    if (read_files(t, true) == 0)
        set_base(t, cpu);
}

void target_drop_files(struct target *t)
{
    network_close(TAKE_PTR(t->net));
    cgroup_close(TAKE_PTR(t->cg));
    t->usage = t->ticks = METRIC_NONE;
    t->is_fresh = false;
    clear_values(t);
}

void target_done(struct target *t)
{
    target_drop_files(t);
    free(TAKE_PTR(t->api));
}

int target_read(struct target *t,
                const struct target_sources *s,
                const struct stats_cpu *cpu,
                bool is_thorough)
{
    int r;

    if (!t->cg)
        return 0;
    r = read_files(t, is_thorough);
    if (r < 0)
        return r;
    use_cpu(t, cpu);
    clip_limit(t, s);
    use_running(t);
    t->is_fresh = true;
    return 0;
}

void target_use_api(struct target *t,
                    const struct target_sources *s,
                    const struct api_sample *sample)
{
    for (size_t i = 0; i < CONTAINER_METRICS; i++)
        t->values[i] = sample->values[i];
    if (t->api)
        t->values[CONTAINER_CPU] = api_sample_cpu(t->api, sample);
    free(t->api);
    t->api = xmemdup(sample, sizeof(*sample));
    if (t->running.is_host_network)
        t->values[CONTAINER_NET_RX] = t->values[CONTAINER_NET_TX] = METRIC_NONE;
    clip_limit(t, s);
    use_running(t);
    t->is_fresh = true;
}
