#include "base/alloc.h"
#include "base/buf.h"
#include "base/time.h"
#include "member.h"

#include <stdio.h>
#include <string.h>

#define MIB       INT64_C(1048576)
#define NAME_SIZE 24

static void fill_host(struct samples *s, const struct member *m)
{
    int64_t n = (int64_t)m->seq, *v = s->host.values;

    samples_clear_values(v, HOST_METRICS);
    v[HOST_CPU] = 500 + (n * 37 + (int64_t)m->index * 11) % 3000;
    v[HOST_CPUS] = 4;
    v[HOST_LOAD_1] = 50 + n % 100;
    v[HOST_MEM_TOTAL] = 8192 * MIB;
    v[HOST_MEM_USED] = 2048 * MIB + n % 512 * MIB;
    v[HOST_NET_RX] = n * 100000;
    v[HOST_NET_TX] = n * 50000;
    v[HOST_UPTIME] = 86400 + n;
    v[HOST_CONTAINERS] = v[HOST_CONTAINERS_RUNNING] = (int64_t)s->n_containers;
}

/* Sets about the values that cgroup v1 has for a container without limits. */
static void fill_container(struct container_sample *c, const struct samples *s, int64_t i)
{
    int64_t n = (int64_t)s->seq, *v = c->values;

    v[CONTAINER_CPU] = (n * 7 + i * 131) % 2000;
    v[CONTAINER_CPU_TIME] = n * 52345 + i;
    v[CONTAINER_MEM_USED] = 64 * MIB + (n * 37 + i * 101) % 4096 * 4096;
    v[CONTAINER_MEM_LIMIT] = 8192 * MIB;
    v[CONTAINER_MEM_ANON] = 48 * MIB + n % 512 * 4096;
    v[CONTAINER_MEM_FILE] = 16 * MIB;
    v[CONTAINER_MEM_KERNEL] = MIB;
    v[CONTAINER_PIDS] = 5 + i % 7;
    v[CONTAINER_NET_RX] = n * 1000;
    v[CONTAINER_NET_TX] = n * 700;
    v[CONTAINER_BLK_READ] = 12 * MIB;
    v[CONTAINER_BLK_WRITE] = s->at_ms;
    v[CONTAINER_OOM_KILLS] = 0;
    v[CONTAINER_RESTARTS] = 0;
    v[CONTAINER_STARTED_AT] = INT64_C(1769860800000);
}

static void make_batch(struct fleet *f)
{
    char *names = xcalloc(f->n_containers + 1, NAME_SIZE);

    buf_init(&f->frame, SAMPLES_MAX_SIZE);
    f->batch.containers = xcalloc(f->n_containers + 1, sizeof(*f->batch.containers));
    for (uint64_t i = 0; i < f->n_containers; i++) {
        struct container_sample *c = &f->batch.containers[i];
        char *name = names + i * NAME_SIZE;

        (void)snprintf(name, NAME_SIZE, "app-%ju", (uintmax_t)i);
        c->name = name;
        samples_clear_values(c->values, CONTAINER_METRICS);
    }
    f->batch.n_containers = f->n_containers;
    f->batch.epoch = f->epoch;
    f->batch.has_host = true;
    f->batch.source = (struct samples_source){
        .containers = "cgroup1", .network = "netlink", .why = ""};
}

bool member_report_samples(struct member *m)
{
    struct fleet *f = m->fleet;
    struct samples *s = &f->batch;

    if (m->state != MEMBER_ONLINE)
        return false;
    if (!s->containers)
        make_batch(f);
    s->seq = ++m->seq;
    s->at_ms = time_utc_ms();
    s->has_source = m->seq == 1;
    fill_host(s, m);
    for (uint64_t i = 0; i < f->n_containers; i++) {
        member_container_id(m, i, s->containers[i].id);
        fill_container(&s->containers[i], s, (int64_t)i);
    }
    buf_clear(&f->frame);
    f->n_batches++;
    if (samples_encode(s, &f->frame) == 0 &&
        ws_send_binary(m->ws, f->frame.data, f->frame.size) == 0)
        return true;
    f->n_unsent++;
    return false;
}
