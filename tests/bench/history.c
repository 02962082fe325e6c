/*
 * Measures the history: a day of 10-second samples of HOSTS x PER_HOST containers through head log,
 * chunks and rollup, and the time of queries afterwards. Prints a Markdown table.
 * Usage: history DIR [HOSTS [PER_HOST [DAYS]]]
 */

#include "base/alloc.h"
#include "base/str.h"
#include "server/history/query.h"
#include "server/history/ring.h"
#include "server/history/rollup.h"
#include "server/history/seal.h"
#include "server/history/tick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define FIRST_DAY (INT64_C(20780) * DAY_MS)
#define STEPS     8640
#define QUESTIONS 200

struct plan {
    struct history_disk *disk;
    int64_t hosts, per_host, days;
    int64_t (*state)[6]; /* of each container */
    uint64_t random;
};

static uint64_t next_random(struct plan *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->random;
}

static double cpu_seconds(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double wall_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void must(int r, const struct error *err)
{
    if (r >= 0)
        return;
    (void)fprintf(stderr, "history: %s\n", err->msg);
    exit(1); // NOLINT(concurrency-mt-unsafe): there is one thread
}

/* Generates six metrics. Three of ten containers are busy, the others idle. */
static void measure(struct plan *p, int64_t container, int64_t values[CONTAINER_METRICS])
{
    int64_t *s = p->state[container];
    bool is_busy = container % 10 < 3;

    for (size_t m = 0; m < CONTAINER_METRICS; m++)
        values[m] = METRIC_NONE;
    if (is_busy) {
        s[0] = (int64_t)(next_random(p) % 8000);
        s[1] += (int64_t)(next_random(p) % 8192) * 4096 - (int64_t)4095 * 4096;
        s[2] += (int64_t)(next_random(p) % 1000000);
        s[3] += (int64_t)(next_random(p) % 200000);
        s[4] += next_random(p) % 4 == 0 ? (int64_t)(next_random(p) % 64) * 4096 : 0;
        s[5] += next_random(p) % 2 == 0 ? (int64_t)(next_random(p) % 256) * 4096 : 0;
    } else if (next_random(p) % 6 == 0) {
        s[0] = (int64_t)(next_random(p) % 20);
    }
    values[CONTAINER_CPU] = s[0];
    values[CONTAINER_MEM_USED] = s[1] + ((int64_t)1 << 30);
    values[CONTAINER_NET_RX] = s[2];
    values[CONTAINER_NET_TX] = s[3];
    values[CONTAINER_BLK_READ] = s[4];
    values[CONTAINER_BLK_WRITE] = s[5];
}

static void append_tick(struct plan *p, int64_t at)
{
    struct history_head_row *rows = xcalloc((size_t)p->hosts, sizeof(*rows));
    struct buf *data = xcalloc((size_t)p->hosts, sizeof(*data));
    struct error err;

    for (int64_t h = 0; h < p->hosts; h++) {
        data[h] = BUF_INIT(TICK_MAX_SIZE);
        for (int64_t c = 0; c < p->per_host; c++) {
            char name[32];
            int64_t values[CONTAINER_METRICS];

            (void)snprintf(name, sizeof(name), "container-%lld", (long long)c);
            measure(p, h * p->per_host + c, values);
            must(tick_append(&data[h], name, values, CONTAINER_METRICS), &err);
        }
        rows[h] = (struct history_head_row){xasprintf("host-%lld", (long long)h), at, data[h].data,
                                            data[h].size};
    }
    must(history_head_append(history_disk_head(p->disk), rows, (size_t)p->hosts, &err), &err);
    for (int64_t h = 0; h < p->hosts; h++) {
        free((void *)(uintptr_t)rows[h].host);
        buf_done(&data[h]);
    }
    free(rows);
    free(data);
}

static void seal_all(struct plan *p)
{
    struct error err;

    for (int64_t h = 0; h < p->hosts; h++) {
        _cleanup_free_ char *host = xasprintf("host-%lld", (long long)h);

        must(seal_host(p->disk, host, &err), &err);
    }
}

static void write_day(struct plan *p, int64_t day)
{
    for (int64_t i = 0; i < STEPS; i++) {
        append_tick(p, (FIRST_DAY + day * DAY_MS) / tiers[TIER_10S].step_ms + i);
        if (i % SEAL_ROWS == SEAL_ROWS - 1)
            seal_all(p);
    }
}

static void roll(struct plan *p, int64_t day)
{
    struct error err;
    int r;

    while ((r = rollup_step(p->disk, FIRST_DAY + (day + 1) * DAY_MS + ROLLUP_DELAY_MS, &err)) > 0)
        continue;
    must(r, &err);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void ask(struct plan *p, const char *what, int64_t duration_ms, int64_t step_ms)
{
    double took[QUESTIONS];
    struct error err;

    for (int i = 0; i < QUESTIONS; i++) {
        _cleanup_free_ char *host = xasprintf("host-%lld",
                                              (long long)(next_random(p) % (uint64_t)p->hosts));
        const struct history_query q = {
            .host = host,
            .series = "container-1",
            .from_ms = FIRST_DAY + p->days * DAY_MS - duration_ms,
            .to_ms = FIRST_DAY + p->days * DAY_MS,
            .step_ms = step_ms,
            .columns = 1U << CONTAINER_CPU | 1U << CONTAINER_MEM_USED | 1U << CONTAINER_NET_RX |
                       1U << CONTAINER_NET_TX,
        };
        struct history_points points;
        double began = wall_ms();

        must(history_read(p->disk, &q, &points, &err), &err);
        history_points_done(&points);
        took[i] = wall_ms() - began;
    }
    qsort(took, QUESTIONS, sizeof(took[0]), by_size);
    printf("| %s | %.2f ms (p99 %.2f ms) |\n", what, took[QUESTIONS / 2],
           took[QUESTIONS * 99 / 100]);
}

static void report(struct plan *p, double write_s, double roll_s)
{
    double samples = (double)(p->hosts * p->per_host * p->days * STEPS);
    struct history_disk_listing l;
    struct error err;
    int64_t bytes[TIER_COUNT] = {0};

    must(history_disk_list(p->disk, &l, &err), &err);
    for (size_t i = 0; i < l.n; i++)
        bytes[l.entries[i].tier] += l.entries[i].size;
    history_disk_listing_done(&l);
    printf("| %lld containers, %lld day(s) at 10 s, 6 metrics | result |\n|---|---|\n",
           (long long)(p->hosts * p->per_host), (long long)p->days);
    printf("| bytes per sample, finest tier | %.2f |\n", (double)bytes[TIER_10S] / samples);
    printf("| bytes of a day in the tiers 10s, 1m, 10m, 1h (MB) | %.1f, %.1f, %.1f, %.1f |\n",
           (double)bytes[TIER_10S] / 1e6 / (double)p->days,
           (double)bytes[TIER_1M] / 1e6 / (double)p->days,
           (double)bytes[TIER_10M] / 1e6 / (double)p->days,
           (double)bytes[TIER_1H] / 1e6 / (double)p->days);
    printf("| CPU of a day: head log and chunks; rollup | %.2f s; %.2f s |\n",
           write_s / (double)p->days, roll_s / (double)p->days);
}

#define RING_ROWS 1800

/*
 * Prints the size of the rings that keep the last 15 minutes in memory, with a row per second, for
 * containers as busy or idle as above.
 */
static void report_rings(struct plan *p, bool is_busy)
{
    struct ring_pool pool = {0};
    size_t n = (size_t)(p->hosts * p->per_host), n_rings = 0;
    struct ring *rings = xcalloc(n, sizeof(*rings));
    double began = cpu_seconds();

    for (int64_t i = 0; i < RING_ROWS; i++) {
        n_rings = 0;
        for (size_t c = 0; c < n; c++) {
            int64_t v[CONTAINER_METRICS];

            if ((c % 10 < 3) != is_busy)
                continue;
            measure(p, (int64_t)c, v);
            (void)ring_add(&rings[n_rings++], &pool,
                           &(struct ring_row){
                               FIRST_DAY + i * 1000 + (int64_t)(next_random(p) % 5),
                               {v[CONTAINER_CPU], v[CONTAINER_MEM_USED], v[CONTAINER_MEM_LIMIT],
                                                                            v[CONTAINER_NET_RX], v[CONTAINER_NET_TX], v[CONTAINER_BLK_READ],
                                                                            v[CONTAINER_BLK_WRITE], v[CONTAINER_STARTED_AT]},
            });
        }
    }
    if (n_rings == 0)
        return;
    printf("| 15 minutes at 1 s of %s container in memory; a row | %zu bytes; %.0f ns |\n",
           is_busy ? "a busy" : "an idle", pool.bytes / n_rings + sizeof(struct ring),
           (cpu_seconds() - began) * 1e9 / (double)n_rings / RING_ROWS);
    for (size_t c = 0; c < n; c++)
        ring_done(&rings[c], &pool);
    free(rings);
}

int main(int argc, char **argv)
{
    struct plan p = {.hosts = 50, .per_host = 20, .days = 1, .random = 88172645463325252U};
    struct history_disk_options o = {.dir = argc > 1 ? argv[1] : NULL};
    struct error err;
    double write_s = 0, roll_s = 0;

    must(tiers_parse(TIERS_DEFAULT, o.keep_ms, &err), &err);
    if (argc < 2 || (argc > 2 && parse_i64(argv[2], &p.hosts) < 0) ||
        (argc > 3 && parse_i64(argv[3], &p.per_host) < 0) ||
        (argc > 4 && parse_i64(argv[4], &p.days) < 0))
        return 2;
    p.state = xcalloc((size_t)(p.hosts * p.per_host), sizeof(*p.state));
    must(history_disk_open(&p.disk, &o, &err), &err);
    for (int64_t day = 0; day < p.days; day++) {
        double began = cpu_seconds();

        write_day(&p, day);
        write_s += cpu_seconds() - began;
        began = cpu_seconds();
        roll(&p, day);
        roll_s += cpu_seconds() - began;
    }
    history_disk_close(p.disk);
    must(history_disk_open(&p.disk, &o, &err), &err);
    report(&p, write_s, roll_s);
    must(history_disk_expire(p.disk, FIRST_DAY + p.days * DAY_MS, true, NULL, &err), &err);
    ask(&p, "24 h at 10 s of one container, 4 metrics", DAY_MS, 10000);
    ask(&p, "24 h at 1 min", DAY_MS, 60000);
    if (p.days >= 30)
        ask(&p, "30 d at 10 min", 30 * DAY_MS, 600000);
    history_disk_close(p.disk);
    report_rings(&p, true);
    report_rings(&p, false);
    free(p.state);
    return 0;
}
