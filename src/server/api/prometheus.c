#include "server/api/prometheus.h"
#include "base/alloc.h"
#include "base/set.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/call.h"
#include "server/fleet/scope_view.h"

#include <assert.h>
#include <string.h>

#define NEW_MS    60000 /* older samples are not current */
#define MAX_LABEL 255   /* bytes */

enum subject { SUBJECT_HOST, SUBJECT_CONTAINER };

/* Families whose values are not metrics of samples. */
enum {
    STATE = 1000, /* whether the host is online, or the container runs */
    CIRCUIT,      /* whether the breaker of the agent is open */
    DERIVED,      /* whether the metrics of a host are sums of its containers */
    BOOTED_AT,    /* of a host: the time of its sample less its uptime */
    STATE_NAME,   /* 1, with the state as a label */
    HEALTH,
    EXIT_CODE,
    OOM_KILLED,
};
static_assert((int)HOST_METRICS < (int)STATE && (int)CONTAINER_METRICS < (int)STATE,
              "families of samples are numbered by their metric");

struct family {
    const char *name, *type, *help;
    enum subject subject;
    size_t metric;
    double factor;
};

#define HOST(name, type, metric, factor, help)                         \
    {                                                                  \
        "dockmon_host_" name, type, help, SUBJECT_HOST, metric, factor \
    }
#define CONTAINER(name, type, metric, factor, help)                              \
    {                                                                            \
        "dockmon_container_" name, type, help, SUBJECT_CONTAINER, metric, factor \
    }

/* clang-format off */
static const struct family families[] = {
    HOST("up",                           "gauge",   STATE,                   1,    "Whether the agent is connected."),
    HOST("circuit_open",                 "gauge",   CIRCUIT,                 1,    "Whether commands are held back because the agent does not answer them."),
    HOST("metrics_derived",              "gauge",   DERIVED,                 1,    "Whether the metrics are sums of the containers, because the agent measures no host."),
    HOST("cpu_ratio",                    "gauge",   HOST_CPU,                1e-4, "CPU in use; 1 is all cores."),
    HOST("cpus",                         "gauge",   HOST_CPUS,               1,    "CPUs online."),
    HOST("load1",                        "gauge",   HOST_LOAD_1,             1e-2, "Load of the last minute."),
    HOST("load5",                        "gauge",   HOST_LOAD_5,             1e-2, "Load of the last 5 minutes."),
    HOST("load15",                       "gauge",   HOST_LOAD_15,            1e-2, "Load of the last 15 minutes."),
    HOST("memory_total_bytes",           "gauge",   HOST_MEM_TOTAL,          1,    "Total memory."),
    HOST("memory_used_bytes",            "gauge",   HOST_MEM_USED,           1,    "Memory in use."),
    HOST("swap_total_bytes",             "gauge",   HOST_SWAP_TOTAL,         1,    "Swap space."),
    HOST("swap_used_bytes",              "gauge",   HOST_SWAP_USED,          1,    "Swap space in use."),
    HOST("network_receive_bytes_total",  "counter", HOST_NET_RX,             1,    "Received by external interfaces."),
    HOST("network_transmit_bytes_total", "counter", HOST_NET_TX,             1,    "Sent by external interfaces."),
    HOST("uptime_seconds",               "gauge",   HOST_UPTIME,             1,    "Time since the host was booted."),
    HOST("start_time_seconds",           "gauge",   BOOTED_AT,               1,    "Time of the boot, in unix time, to about a second."),
    HOST("containers",                   "gauge",   HOST_CONTAINERS,         1,    "Containers in any state."),
    HOST("containers_running",           "gauge",   HOST_CONTAINERS_RUNNING, 1,    "Containers that run."),

    CONTAINER("running",                       "gauge",   STATE,                        1,    "Whether the container runs."),
    CONTAINER("state",                         "gauge",   STATE_NAME,                   1,    "1 for the current state, which is a label; other states are absent."),
    CONTAINER("health",                        "gauge",   HEALTH,                       1,    "Result of the health check: 1 healthy, 0 unhealthy. Absent without a check, and until its first result."),
    CONTAINER("last_exit_code",                "gauge",   EXIT_CODE,                    1,    "Exit code of the last run that has ended."),
    CONTAINER("oom_killed",                    "gauge",   OOM_KILLED,                   1,    "Whether a process was killed because memory ran out, in this run or the one that has ended."),
    CONTAINER("cpu_cores",                     "gauge",   CONTAINER_CPU,                1e-4, "CPU in use; 1 is one core."),
    CONTAINER("cpu_seconds_total",             "counter", CONTAINER_CPU_TIME,           1e-6, "Total CPU time."),
    CONTAINER("cpu_periods_total",             "counter", CONTAINER_CPU_PERIODS,        1,    "Periods of the CPU quota."),
    CONTAINER("cpu_throttled_periods_total",   "counter", CONTAINER_CPU_THROTTLED,      1,    "Periods in which the quota throttled the container."),
    CONTAINER("cpu_throttled_seconds_total",   "counter", CONTAINER_CPU_THROTTLED_TIME, 1e-6, "Time for which the quota throttled the container."),
    CONTAINER("memory_used_bytes",             "gauge",   CONTAINER_MEM_USED,           1,    "Memory in use, as docker stats shows it."),
    CONTAINER("memory_limit_bytes",            "gauge",   CONTAINER_MEM_LIMIT,          1,    "Memory limit, or the memory of the host."),
    CONTAINER("memory_anon_bytes",             "gauge",   CONTAINER_MEM_ANON,           1,    "Anonymous memory."),
    CONTAINER("memory_file_bytes",             "gauge",   CONTAINER_MEM_FILE,           1,    "Page cache."),
    CONTAINER("memory_kernel_bytes",           "gauge",   CONTAINER_MEM_KERNEL,         1,    "Kernel memory."),
    CONTAINER("processes",                     "gauge",   CONTAINER_PIDS,               1,    "Processes and threads."),
    CONTAINER("network_receive_bytes_total",   "counter", CONTAINER_NET_RX,             1,    "Received."),
    CONTAINER("network_transmit_bytes_total",  "counter", CONTAINER_NET_TX,             1,    "Sent."),
    CONTAINER("disk_read_bytes_total",         "counter", CONTAINER_BLK_READ,           1,    "Read from block devices."),
    CONTAINER("disk_written_bytes_total",      "counter", CONTAINER_BLK_WRITE,          1,    "Written to block devices."),
    CONTAINER("oom_kills_total",               "counter", CONTAINER_OOM_KILLS,          1,    "Processes killed because memory ran out."),
    CONTAINER("pressure_cpu_some_ratio",       "gauge",   CONTAINER_PSI_CPU_SOME,       1e-4, "Share of 10 s in which some process waited for CPU."),
    CONTAINER("pressure_cpu_full_ratio",       "gauge",   CONTAINER_PSI_CPU_FULL,       1e-4, "Share of 10 s in which all processes waited for CPU."),
    CONTAINER("pressure_memory_some_ratio",    "gauge",   CONTAINER_PSI_MEM_SOME,       1e-4, "Share of 10 s in which some process waited for memory."),
    CONTAINER("pressure_memory_full_ratio",    "gauge",   CONTAINER_PSI_MEM_FULL,       1e-4, "Share of 10 s in which all processes waited for memory."),
    CONTAINER("pressure_io_some_ratio",        "gauge",   CONTAINER_PSI_IO_SOME,        1e-4, "Share of 10 s in which some process waited for a disk."),
    CONTAINER("pressure_io_full_ratio",        "gauge",   CONTAINER_PSI_IO_FULL,        1e-4, "Share of 10 s in which all processes waited for a disk."),
    CONTAINER("restarts",                      "gauge",   CONTAINER_RESTARTS,           1,    "Restarts by the restart policy."),
    CONTAINER("start_time_seconds",            "gauge",   CONTAINER_STARTED_AT,         1e-3, "Start time, in unix time."),
};
/* clang-format on */

/* Buffers have no limit: a host has at most max_containers, a label MAX_LABEL bytes. */
static void put(struct buf *out, const char *text)
{
    (void)buf_append_str(out, text);
}

void prometheus_head(struct buf *out, const char *name, const char *type, const char *help)
{
    (void)buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_label(struct buf *out, const char *name, const char *value)
{
    const char *end = value + str_cut(value, strlen(value), MAX_LABEL);

    (void)buf_append_char(out, ',');
    put(out, name);
    put(out, "=\"");
    while (value < end) {
        size_t n = strcspn(value, "\"\\\n");

        n = n < (size_t)(end - value) ? n : (size_t)(end - value);
        (void)buf_append(out, value, n);
        value += n;
        if (value == end)
            break;
        (void)buf_append_char(out, '\\');
        (void)buf_append(out, *value == '\n' ? "n" : value, 1);
        value++;
    }
    (void)buf_append_char(out, '"');
}

static void put_labels(struct buf *out,
                       const struct family *f,
                       const struct fleet_host *h,
                       const struct fleet_container *c)
{
    const json_t *labels = c ? c->labels : NULL;
    const char *project = labels ? json_text_get(labels, "com.docker.compose.project") : NULL;
    const char *service = labels ? json_text_get(labels, "com.docker.compose.service") : NULL;

    (void)buf_printf(out, "{host_id=\"%s\"", h->row.id);
    put_label(out, "host", h->row.name ? h->row.name : "");
    if (c) {
        put_label(out, "container", c->name);
        put_label(out, "image", c->image);
    }
    if (project)
        put_label(out, "compose_project", project);
    if (service)
        put_label(out, "compose_service", service);
    if (c && f->metric == STATE_NAME)
        put_label(out, "state", c->state);
    put(out, "} ");
}

static void put_line(struct buf *out,
                     const struct family *f,
                     const struct fleet_host *h,
                     const struct fleet_container *c,
                     double value)
{
    put(out, f->name);
    put_labels(out, f, h, c);
    (void)buf_printf(out, "%.15g\n", value);
}

static bool get_known(int64_t value, double *ret)
{
    *ret = (double)value;
    return value != CONDITION_UNKNOWN;
}

static bool get_sampled(const struct exposition *e,
                        const struct family *f,
                        const struct fleet_host *h,
                        const struct fleet_container *c,
                        double *ret)
{
    const struct stats_series *series = stats_find(e->api->o.stats, h->row.id, c ? c->id : NULL);
    size_t metric = f->metric == BOOTED_AT ? HOST_UPTIME : f->metric;

    if (!series || series->at_ms < e->now_ms - NEW_MS || series->values[metric] == METRIC_NONE)
        return false;
    *ret = (double)series->values[metric] * f->factor;
    if (f->metric == BOOTED_AT) {
        int64_t sampled_s = series->at_ms / 1000;

        *ret = (double)sampled_s - *ret;
    }
    return true;
}

static bool is_circuit_open(const struct exposition *e, const struct fleet_host *h)
{
    return h->agent.id &&
           str_eq(commands_circuit(sessions_commands(e->api->o.sessions), h->agent.id), "open");
}

static bool get_value(const struct exposition *e,
                      const struct family *f,
                      const struct fleet_host *h,
                      const struct fleet_container *c,
                      double *ret)
{
    if (f->metric < STATE)
        return get_sampled(e, f, h, c, ret);
    if (f->metric == STATE && !c) {
        *ret = h->is_online;
        return true;
    }
    if (!h->is_online) /* the last list of an offline host is outdated */
        return false;
    if (f->metric == CIRCUIT) {
        *ret = is_circuit_open(e, h);
        return true;
    }
    if (f->metric == DERIVED) {
        *ret = h->sample.is_derived;
        return h->sample.sampled_at_ms && !h->sample.is_expired;
    }
    if (!c)
        return get_sampled(e, f, h, NULL, ret);
    switch (f->metric) {
    case STATE: *ret = str_eq(c->state, "running"); return true;
    case STATE_NAME: *ret = 1; return true;
    case HEALTH: return get_known(c->condition.health, ret);
    case EXIT_CODE: return get_known(c->condition.exit_code, ret);
    case OOM_KILLED: return get_known(c->condition.oom_killed, ret);
    default: return get_sampled(e, f, h, c, ret);
    }
}

/* Of a host that is not visible as a whole there are the state and the counts of what is visible. */
static bool get_host_value(const struct exposition *e,
                           const struct family *f,
                           const struct fleet_host *h,
                           const struct scope_view *view,
                           double *ret)
{
    bool is_count = f->metric == HOST_CONTAINERS || f->metric == HOST_CONTAINERS_RUNNING;

    if (f->metric == STATE || f->metric == CIRCUIT || scope_view_host_samples(view))
        return get_value(e, f, h, NULL, ret);
    if (is_count)
        *ret = (double)scope_view_count(view, h, f->metric == HOST_CONTAINERS_RUNNING);
    return is_count && h->is_online;
}

/*
 * Series are named without container ids, so that a re-created container continues them. After a
 * rename, two containers can have the same name for a moment. A series must not occur twice: the
 * container that runs is exported, or else the newest one.
 */
static bool takes_precedence(const struct fleet_container *a, const struct fleet_container *b)
{
    bool runs = str_eq(a->state, "running");

    if (runs != str_eq(b->state, "running"))
        return runs;
    return a->created_s != b->created_s ? a->created_s > b->created_s : strcmp(a->id, b->id) > 0;
}

static void hide_container(struct exposition *e,
                           const struct fleet_host *h,
                           const struct fleet_container *c)
{
    _cleanup_free_ char *key = xasprintf("%s/%s", h->row.id, c->id);

    (void)set_add(&e->shadowed, key);
}

static void find_shadowed(struct exposition *e,
                          const struct fleet_host *h,
                          const struct scope_view *view)
{
    struct map names = {0};

    map_foreach(&h->containers, i) {
        struct fleet_container *c = i->value, *other = map_find(&names, c->name);

        if (!scope_view_container(view, c))
            continue;
        if (other && takes_precedence(other, c)) {
            hide_container(e, h, c);
            continue;
        }
        if (other)
            hide_container(e, h, other);
        (void)map_put(&names, c->name, c);
    }
    map_done(&names);
}

static bool is_shadowed(const struct exposition *e,
                        const struct fleet_host *h,
                        const struct fleet_container *c)
{
    _cleanup_free_ char *key = set_size(&e->shadowed) ? xasprintf("%s/%s", h->row.id, c->id) : NULL;

    return key && set_has(&e->shadowed, key);
}

static void write_host(struct exposition *e,
                       const struct family *f,
                       const struct fleet_host *h,
                       struct buf *out)
{
    struct scope_view view;
    double value;

    scope_view_host(&e->scope, h, &view);
    if (!scope_view_any(&view))
        return;
    if (f->subject == SUBJECT_HOST) {
        if (get_host_value(e, f, h, &view, &value))
            put_line(out, f, h, NULL, value);
        return;
    }
    if (f->metric == STATE) /* the first family of container metrics */
        find_shadowed(e, h, &view);
    map_foreach(&h->containers, i) {
        const struct fleet_container *c = i->value;

        if (scope_view_container(&view, c) && get_value(e, f, h, c, &value) &&
            !is_shadowed(e, h, c))
            put_line(out, f, h, c, value);
    }
}

void exposition_init(struct exposition *e, const struct api *api, const struct scope *scope)
{
    *e = (struct exposition){.api = api, .scope = *scope, .now_ms = time_utc_ms()};
    map_foreach(fleet_hosts(api->o.fleet), i)
        strings_add(&e->hosts, i->key);
}

void exposition_done(struct exposition *e)
{
    strings_done(&e->hosts);
    set_done(&e->shadowed);
}

bool exposition_write(struct exposition *e, size_t size, struct buf *out)
{
    size_t end = out->size + size;

    while (e->family < ARRAY_LEN(families) && out->size < end) {
        const struct family *f = &families[e->family];
        const struct fleet_host *h;

        if (e->host == 0)
            prometheus_head(out, f->name, f->type, f->help);
        if (e->host == e->hosts.n) {
            e->family++;
            e->host = 0;
            continue;
        }
        h = fleet_find_host(e->api->o.fleet, e->hosts.items[e->host++]);
        if (h)
            write_host(e, f, h, out);
    }
    return e->family < ARRAY_LEN(families);
}
