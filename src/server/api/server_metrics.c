#include "base/file.h"
#include "base/str.h"
#include "server/api/call.h"
#include "server/api/prometheus.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define UNLIMITED 18446744073709551615.0 /* as client libraries report it */

/* A negative value is unknown, and omitted. */
static void put(struct buf *out, const char *name, const char *type, const char *help, double v)
{
    if (v < 0)
        return;
    prometheus_head(out, name, type, help);
    (void)buf_printf(out, "%s %.15g\n", name, v);
}

enum { STATM_SIZE, STATM_RESIDENT };

/* Reads one of the numbers "size resident shared ...", which count pages. */
static double read_memory_bytes(size_t column)
{
    _cleanup_free_ char *text = NULL;
    const char *pages;
    char *rest;
    uint64_t n;
    size_t size;

    if (file_read("/proc/self/statm", 4096, &text, &size, NULL) < 0)
        return -1;
    rest = text;
    do {
        pages = strsep(&rest, " ");
    } while (column--);
    if (!pages || parse_u64(pages, UINT64_MAX, &n) < 0)
        return -1;
    return (double)n * (double)sysconf(_SC_PAGESIZE);
}

static double get_cpu_seconds(void)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) < 0)
        return -1;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static double count_open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    double n = -3; /* ".", ".." and the open directory are not counted */

    if (!d)
        return -1;
    while (readdir(d)) /* NOLINT(concurrency-mt-unsafe): no other thread uses this stream */
        n++;
    (void)closedir(d);
    return n;
}

static double get_limit(enum __rlimit_resource resource)
{
    struct rlimit l;

    if (getrlimit(resource, &l) < 0)
        return -1;
    return l.rlim_cur == RLIM_INFINITY ? UNLIMITED : (double)l.rlim_cur;
}

/* The names are those of all client libraries, so that common dashboards and alerts find them. */
static void put_process(const struct api *a, struct buf *out)
{
    put(out, "process_cpu_seconds_total", "counter", "CPU time of the server.", get_cpu_seconds());
    put(out, "process_open_fds", "gauge", "Open file descriptors.", count_open_descriptors());
    put(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
        get_limit(RLIMIT_NOFILE));
    put(out, "process_virtual_memory_bytes", "gauge", "Virtual memory of the server.",
        read_memory_bytes(STATM_SIZE));
    put(out, "process_virtual_memory_max_bytes", "gauge", "Maximum of its virtual memory.",
        get_limit(RLIMIT_AS));
    put(out, "process_resident_memory_bytes", "gauge", "Resident memory of the server.",
        read_memory_bytes(STATM_RESIDENT));
    put(out, "process_start_time_seconds", "gauge", "Start time of the server, in unix time.",
        (double)health_started_at_ms(a->o.health) / 1000);
}

static void put_fleet(const struct api *a, struct buf *out)
{
    double n_online = 0, n_hosts = 0, n_containers = 0;

    map_foreach(fleet_hosts(a->o.fleet), i) {
        const struct fleet_host *h = i->value;

        n_hosts++;
        n_online += h->is_online;
        n_containers += (double)h->containers.size;
    }
    put(out, "dockmon_hosts", "gauge", "Hosts.", n_hosts);
    put(out, "dockmon_agents_online", "gauge", "Agents that are connected.", n_online);
    put(out, "dockmon_containers", "gauge", "Containers that are known.", n_containers);
    put(out, "dockmon_sessions", "gauge",
        "Connections of agents, including those that are not authenticated yet.",
        (double)sessions_count(a->o.sessions));
    put(out, "dockmon_feed_clients", "gauge", "Clients of the feed.",
        (double)feed_count(a->o.feed));
    put(out, "dockmon_log_followers", "gauge", "Logs that are followed over REST.",
        (double)a->n_log_viewers);
}

static void put_stores(const struct api *a, struct buf *out)
{
    struct history_state state = {0};
    struct history_usage usage = {0};
    struct ring_pool live = stats_live_memory(a->o.stats);
    double bytes;

    put(out, "dockmon_store_up", "gauge", "Whether the database works.", db_state(a->o.store) == 0);
    put(out, "dockmon_store_queue_length", "gauge", "Jobs that wait for the database.",
        (double)job_queue_pending(a->o.store_jobs));
    put(out, "dockmon_stats_memory_bytes", "gauge",
        "Memory used by the samples of the last 15 minutes.", (double)live.bytes);
    put(out, "dockmon_stats_memory_limit_bytes", "gauge",
        "Memory limit of the samples of the last 15 minutes.", (double)live.max_bytes);
    put(out, "dockmon_history_enabled", "gauge", "Whether a history is kept.", !!a->o.history);
    if (!a->o.history)
        return;
    state = history_state(a->o.history);
    usage = history_usage(a->o.history);
    bytes = (double)usage.head_bytes;
    for (size_t t = 0; t < TIER_COUNT; t++)
        bytes += (double)usage.tiers[t].bytes;
    put(out, "dockmon_history_up", "gauge", "Whether the history is written.", state.code == 0);
    put(out, "dockmon_history_dropped_total", "counter",
        "Steps of hosts that could not be written.", (double)state.n_dropped);
    put(out, "dockmon_history_damaged_files_total", "counter", "Damaged files that were set aside.",
        (double)state.n_damaged);
    put(out, "dockmon_history_size_bytes", "gauge", "Disk space used by the history.", bytes);
}

void server_metrics_write(const struct api *api, struct buf *out)
{
    prometheus_head(out, "dockmon_build_info", "gauge", "The version of the server.");
    (void)buf_printf(out, "dockmon_build_info{version=\"%s\"} 1\n", DOCKMON_VERSION);
    put(out, "dockmon_uptime_seconds", "gauge", "Time since the server was started.",
        (double)health_uptime_ms(api->o.health) / 1000);
    put_fleet(api, out);
    put_stores(api, out);
    put_process(api, out);
}
