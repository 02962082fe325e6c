#include "agent/stats/api_stats.h"

#include "base/alloc.h"
#include "base/str.h"
#include "docker/checked_text.h"

#include <string.h>

#define NUMBER_SIZE 24
#define NS_PER_US   1000
#define MAX_BODY    ((size_t)1 << 20)
#define TIMEOUT_MS  15000

static int64_t get_number(struct json_span s)
{
    char text[NUMBER_SIZE];
    uint64_t v = 0;

    if (s.n == 0 || s.n >= sizeof(text))
        return METRIC_NONE;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (parse_u64(text, UINT64_MAX, &v) < 0)
        return METRIC_NONE;
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static int64_t find_number(struct json_span object, const char *key)
{
    return get_number(json_span_find(object, key));
}

static int64_t in_us(int64_t ns)
{
    return ns == METRIC_NONE ? ns : ns / NS_PER_US;
}

static void read_cpu(struct json_span stats, struct api_sample *s)
{
    struct json_span cpu = json_span_find(stats, "cpu_stats");
    struct json_span usage = json_span_find(cpu, "cpu_usage");
    struct json_span throttling = json_span_find(cpu, "throttling_data");
    struct json_span key, item;
    struct json_iter it;

    s->cpu_ns = find_number(usage, "total_usage");
    s->system_ns = find_number(cpu, "system_cpu_usage");
    s->n_cpus = find_number(cpu, "online_cpus");
    if (s->n_cpus <= 0) { /* an engine before 17.06 */
        s->n_cpus = 0;
        json_iter_init(&it, json_span_find(usage, "percpu_usage"));
        while (json_iter_next(&it, &key, &item))
            s->n_cpus++;
    }
    s->values[CONTAINER_CPU_TIME] = in_us(s->cpu_ns);
    s->values[CONTAINER_CPU_PERIODS] = find_number(throttling, "periods");
    s->values[CONTAINER_CPU_THROTTLED] = find_number(throttling, "throttled_periods");
    s->values[CONTAINER_CPU_THROTTLED_TIME] = in_us(find_number(throttling, "throttled_time"));
}

static int64_t find_first(int64_t a, int64_t b)
{
    return a == METRIC_NONE ? b : a;
}

static void read_memory(struct json_span stats, struct api_sample *s)
{
    struct json_span memory = json_span_find(stats, "memory_stats");
    struct json_span details = json_span_find(memory, "stats");
    int64_t inactive = find_first(find_number(details, "total_inactive_file"),
                                  find_number(details, "inactive_file"));
    int64_t used;

    s->mem_usage = used = find_number(memory, "usage");
    if (used != METRIC_NONE && inactive != METRIC_NONE && inactive < used)
        used -= inactive;
    s->values[CONTAINER_MEM_USED] = used;
    s->values[CONTAINER_MEM_LIMIT] = find_number(memory, "limit");
    s->values[CONTAINER_MEM_ANON] = find_first(find_number(details, "anon"),
                                               find_number(details, "total_rss"));
    s->values[CONTAINER_MEM_FILE] = find_first(find_number(details, "file"),
                                               find_number(details, "total_cache"));
    s->values[CONTAINER_MEM_KERNEL] = find_number(details, "kernel");
}

static void add(int64_t *sum, int64_t v)
{
    if (v != METRIC_NONE && v <= INT64_MAX - *sum)
        *sum += v;
}

static void read_networks(struct json_span stats, struct api_sample *s)
{
    struct json_span networks = json_span_find(stats, "networks");
    struct json_span key, item;
    struct json_iter it;
    int64_t rx = 0, tx = 0;

    if (networks.n == 0 || networks.p[0] != '{')
        networks = json_span_find(stats, "network"); /* Podman */
    if (networks.n == 0 || networks.p[0] != '{')
        return;
    json_iter_init(&it, networks);
    while (json_iter_next(&it, &key, &item)) {
        add(&rx, find_number(item, "rx_bytes"));
        add(&tx, find_number(item, "tx_bytes"));
    }
    s->values[CONTAINER_NET_RX] = rx;
    s->values[CONTAINER_NET_TX] = tx;
}

/* The name of the operation is "Read" with cgroup v1 and "read" with v2. */
static void read_blocks(struct json_span stats, struct api_sample *s)
{
    struct json_span list = json_span_find(json_span_find(stats, "blkio_stats"),
                                           "io_service_bytes_recursive");
    struct json_span key, item;
    struct json_iter it;
    int64_t read = 0, written = 0;

    if (list.n == 0)
        return;
    json_iter_init(&it, list); /* null if there was no I/O yet */
    while (json_iter_next(&it, &key, &item)) {
        char op[NUMBER_SIZE];

        if (!json_span_copy_string(json_span_find(item, "op"), op, sizeof(op)))
            continue;
        if (strcasecmp(op, "read") == 0) {
            add(&read, find_number(item, "value"));
        } else if (strcasecmp(op, "write") == 0) {
            add(&written, find_number(item, "value"));
        }
    }
    s->values[CONTAINER_BLK_READ] = read;
    s->values[CONTAINER_BLK_WRITE] = written;
}

void api_sample_read(struct json_span stats, struct api_sample *ret)
{
    for (size_t i = 0; i < CONTAINER_METRICS; i++)
        ret->values[i] = METRIC_NONE;
    read_cpu(stats, ret);
    read_memory(stats, ret);
    read_networks(stats, ret);
    read_blocks(stats, ret);
    ret->values[CONTAINER_PIDS] = find_number(json_span_find(stats, "pids_stats"), "current");
}

int64_t api_sample_cpu(const struct api_sample *before, const struct api_sample *now)
{
    if (before->cpu_ns < 0 || now->cpu_ns < before->cpu_ns || before->system_ns < 0 ||
        now->system_ns <= before->system_ns || now->n_cpus <= 0)
        return METRIC_NONE;
    return (int64_t)((double)(now->cpu_ns - before->cpu_ns) /
                         (double)(now->system_ns - before->system_ns) * (double)now->n_cpus *
                         10000.0 +
                     0.5);
}

struct api_stats_call {
    struct engine_call *call;
    api_stats_fn done;
    void *owner;
};

static void on_reply(void *owner, const struct engine_reply *reply)
{
    _cleanup_free_ struct api_stats_call *call = owner;
    struct checked_text text = {0};
    struct api_sample sample;
    int r = reply->code;

    if (r == 0)
        r = checked_text_init(&text, reply->body, reply->size, NULL);
    if (r == 0)
        api_sample_read(checked_text_span(&text), &sample);
    call->done(call->owner, r, r == 0 ? &sample : NULL);
    checked_text_done(&text);
}

int api_stats_start(struct api_stats_call **ret,
                    struct engine *engine,
                    const char *id,
                    api_stats_fn done,
                    void *owner)
{
    _cleanup_free_ char *path = xasprintf("/containers/%s/stats?stream=false&one-shot=true", id);
    struct api_stats_call *call = xcalloc(1, sizeof(*call));
    int r;

    call->done = done;
    call->owner = owner;
    r = engine_call_start(&call->call, engine,
                          &(struct engine_request){
                              .path = path,
                              .timeout_ms = TIMEOUT_MS,
                              .max_body = MAX_BODY,
                              .done = on_reply,
                              .owner = call,
                          },
                          NULL);
    if (r < 0) {
        free(call);
        return r;
    }
    *ret = call;
    return 0;
}

void api_stats_cancel(struct api_stats_call *call)
{
    if (!call)
        return;
    engine_call_cancel(call->call);
    free(call);
}
