#include "agent/stats/host.h"

#include "agent/stats/mounts.h"
#include "agent/stats/parse.h"
#include "agent/stats/text.h"
#include "base/alloc.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#define TEXT_SIZE  \
    ((size_t)256 * \
     1024) /* fits /proc/stat of a machine with a thousand CPUs; untouched pages cost nothing */
#define KIB 1024

struct host_stats {
    struct host_stats_options o;
    char *root;
    char *text;
    struct stats_cpu cpu, before; /* before: at the last host_stats_read() */
    int64_t memory;
    struct mount_table table;
    struct mount_sample mounts[SAMPLES_MAX_MOUNTS];
    size_t n_mounts;
    struct temperature_sample temperatures[SAMPLES_MAX_TEMPERATURES];
    size_t n_temperatures;
};

struct host_stats *host_stats_new(const struct host_stats_options *o)
{
    struct host_stats *h = xcalloc(1, sizeof(*h));

    h->o = *o;
    h->root = xstrdup(o->root);
    h->text = xmalloc(TEXT_SIZE);
    h->memory = METRIC_NONE;
    return h;
}

static void forget_temperatures(struct host_stats *h)
{
    for (size_t i = 0; i < h->n_temperatures; i++)
        free((char *)(uintptr_t)h->temperatures[i].label);
    h->n_temperatures = 0;
}

void host_stats_free(struct host_stats *h)
{
    if (!h)
        return;
    forget_temperatures(h);
    mount_table_done(&h->table);
    free(h->root);
    free(h->text);
    free(h);
}

static bool read_text(struct host_stats *h, const char *path)
{
    _cleanup_free_ char *full = xasprintf("%s%s", h->root, path);

    return text_read(full, h->text, TEXT_SIZE) == 0;
}

const struct stats_cpu *host_stats_read_cpu(struct host_stats *h)
{
    h->cpu = (struct stats_cpu){0};
    if (read_text(h, "/proc/stat"))
        h->cpu = stats_cpu(h->text);
    return &h->cpu;
}

static void use_cpu(struct host_stats *h, int64_t *values)
{
    int64_t all = h->cpu.all - h->before.all, idle = h->cpu.idle - h->before.idle;

    if (h->cpu.n > 0)
        values[HOST_CPUS] = h->cpu.n;
    if (h->cpu.n > 0 && h->before.n > 0 && all > 0 && idle >= 0 && idle <= all)
        values[HOST_CPU] = (all - idle) * 10000 / all;
    h->before = h->cpu;
}

static void read_memory(struct host_stats *h, int64_t *values)
{
    int64_t total = METRIC_NONE, available = METRIC_NONE, swap = METRIC_NONE,
            swap_free = METRIC_NONE;
    struct {
        const char *key;
        int64_t *value;
    } wanted[] = {
        {"MemTotal:",     &total    },
        {"MemAvailable:", &available},
        {"SwapTotal:",    &swap     },
        {"SwapFree:",     &swap_free},
    };

    if (!read_text(h, "/proc/meminfo"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        const char *at = strstr(h->text, wanted[i].key);
        int64_t v = at ? stats_number(at + strlen(wanted[i].key)) : METRIC_NONE;

        if (v >= 0 && v < INT64_MAX / KIB)
            *wanted[i].value = v * KIB;
    }
    h->memory = values[HOST_MEM_TOTAL] = total;
    if (total != METRIC_NONE && available != METRIC_NONE)
        values[HOST_MEM_USED] = available < total ? total - available : 0;
    values[HOST_SWAP_TOTAL] = swap;
    if (swap != METRIC_NONE && swap_free != METRIC_NONE)
        values[HOST_SWAP_USED] = swap_free < swap ? swap - swap_free : 0;
}

int64_t host_stats_memory(struct host_stats *h)
{
    int64_t values[HOST_METRICS];

    if (h->memory == METRIC_NONE)
        read_memory(h, values);
    return h->memory;
}

/*
 * Whether an interface leads outside: others carry the same bytes again, or stay within the host.
 */
static bool leads_outside(const char *name)
{
    static const char *const inner[] = {
        "lo",    "veth", "br-",    "br",     "docker", "virbr",   "vnet",      "tun",  "tap",
        "dummy", "gre",  "sit",    "ip6tnl", "vxlan",  "flannel", "cni",       "cali", "weave",
        "bond",  "team", "podman", "lxc",    "lxd",    "wg",      "tailscale", "ifb",  "macvtap",
    };

    if (strchr(name, '.')) /* a VLAN; the interface below it is counted */
        return false;
    for (size_t i = 0; i < ARRAY_LEN(inner); i++) {
        if (str_starts_with(name, inner[i]))
            return false;
    }
    return true;
}

static void read_network(struct host_stats *h, int64_t *values)
{
    struct stats_net net;

    /* /proc/net belongs to the reading process; process 1 is the host's if `root` shows the host's
     * /proc. */
    if (h->o.is_contained || !read_text(h, "/proc/1/net/dev"))
        return;
    net = stats_net_dev_if(h->text, leads_outside);
    if (net.n > 0) {
        values[HOST_NET_RX] = net.rx;
        values[HOST_NET_TX] = net.tx;
    }
}

static void read_small(struct host_stats *h, int64_t *values)
{
    int64_t loads[3];

    if (read_text(h, "/proc/loadavg")) {
        stats_loads(h->text, loads);
        values[HOST_LOAD_1] = loads[0];
        values[HOST_LOAD_5] = loads[1];
        values[HOST_LOAD_15] = loads[2];
    }
    if (read_text(h, "/proc/uptime"))
        values[HOST_UPTIME] = stats_number(h->text);
}

static int64_t product(uint64_t blocks, uint64_t size)
{
    return size == 0 || blocks > (uint64_t)INT64_MAX / size ? METRIC_NONE
                                                            : (int64_t)(blocks * size);
}

/* If we are in a container, look through the root of process 1, if the kernel permits it. */
static bool ask_space(const struct host_stats *h,
                      const struct mount_line *line,
                      struct statvfs *ret)
{
    _cleanup_free_ char *path = xasprintf("%s/proc/1/root%s", h->root, line->path);

    if (*h->root && statvfs(path, ret) == 0)
        return true;
    return !*h->root && statvfs(line->path, ret) == 0;
}

static void read_mounts(struct host_stats *h)
{
    _cleanup_free_ char *disks = NULL;

    if (!read_text(h, *h->root ? "/proc/1/mountinfo" : "/proc/self/mountinfo"))
        h->text[0] = '\0';
    mount_table_done(&h->table);
    mount_table_parse(h->text, &h->table);
    disks = xstrdup(read_text(h, "/proc/diskstats") ? h->text : "");
    h->n_mounts = 0;
    for (size_t i = 0; i < h->table.n; i++) {
        const struct mount_line *line = &h->table.lines[i];
        struct mount_sample *m = &h->mounts[h->n_mounts];
        struct statvfs space;

        *m = (struct mount_sample){line->path,  line->device, line->type,  METRIC_NONE,
                                   METRIC_NONE, METRIC_NONE,  METRIC_NONE, METRIC_NONE};
        mount_io(disks, line, &m->read, &m->written);
        if (ask_space(h, line, &space)) {
            m->size = product(space.f_blocks, space.f_frsize);
            m->used = product(space.f_blocks - space.f_bfree, space.f_frsize);
            m->available = product(space.f_bavail, space.f_frsize);
        }
        h->n_mounts++;
    }
}

void host_stats_read(struct host_stats *h, bool is_thorough, struct host_sample *ret)
{
    samples_clear_values(ret->values, HOST_METRICS);
    use_cpu(h, ret->values);
    read_memory(h, ret->values);
    read_network(h, ret->values);
    read_small(h, ret->values);
    if (is_thorough) {
        read_mounts(h);
        forget_temperatures(h);
        h->n_temperatures = temperatures_read(h->root, h->temperatures);
    }
    ret->mounts = h->mounts;
    ret->n_mounts = h->n_mounts;
    ret->temperatures = h->temperatures;
    ret->n_temperatures = h->n_temperatures;
}
