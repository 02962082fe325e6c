#include "server/history/accumulate.h"
#include "base/alloc.h"
#include "base/map.h"
#include "server/history/points.h"

#include <string.h>

/* Samples of one series within one step. */
struct series_sums {
    uint32_t n_metrics;
    struct {
        int64_t sum, last;
        uint32_t n;
    } metrics[];
};

struct host_sums {
    int64_t step;
    struct map series; /* struct series_sums by name; empty: nothing came since the last row */
};

struct accumulator {
    accumulated_fn fn;
    void *owner;
    struct map hosts; /* struct host_sums */
};

struct accumulator *accumulator_new(accumulated_fn fn, void *owner)
{
    struct accumulator *a = xcalloc(1, sizeof(*a));

    a->fn = fn;
    a->owner = owner;
    return a;
}

static void host_clear(struct host_sums *h)
{
    map_foreach(&h->series, e)
        free(e->value);
    map_done(&h->series);
}

void accumulator_free(struct accumulator *a)
{
    if (!a)
        return;
    map_foreach(&a->hosts, e) {
        host_clear(e->value);
        free(e->value);
    }
    map_done(&a->hosts);
    free(a);
}

static int64_t result(const struct metric *m, int64_t sum, uint32_t n, int64_t last)
{
    if (n == 0)
        return METRIC_NONE;
    return metric_has_mean(m) ? sum / (int64_t)n : last;
}

static int append_series(struct buf *out, const char *name, const struct series_sums *s)
{
    struct metric_set set = metric_set_of(name);
    int64_t values[CHUNK_MAX_COLUMNS];

    for (size_t m = 0; m < s->n_metrics; m++) {
        values[m] = result(&set.table[m], s->metrics[m].sum, s->metrics[m].n, s->metrics[m].last);
    }
    return tick_append(out, name, values, s->n_metrics);
}

static void give(struct accumulator *a, const char *host, struct host_sums *h)
{
    struct buf data = BUF_INIT(TICK_MAX_SIZE);

    map_foreach(&h->series, e) {
        if (append_series(&data, e->key, e->value) < 0)
            break; /* full: 5,000 containers need a quarter of it */
    }
    host_clear(h);
    a->fn(a->owner, host, h->step, &data);
    buf_done(&data);
}

static struct host_sums *host_of(struct accumulator *a, const char *host)
{
    struct host_sums *h = map_find(&a->hosts, host);

    if (!h) {
        h = xcalloc(1, sizeof(*h));
        (void)map_put(&a->hosts, host, h);
    }
    return h;
}

/* NULL: one too many. */
static struct series_sums *series_of(struct host_sums *h, const char *name)
{
    struct series_sums *s = map_find(&h->series, name);

    if (!s && h->series.size < ACCUMULATOR_MAX_SERIES) {
        size_t n = metric_set_of(name).n;

        s = xcalloc(1, sizeof(*s) + n * sizeof(s->metrics[0]));
        s->n_metrics = (uint32_t)n;
        (void)map_put(&h->series, name, s);
    }
    return s;
}

void accumulator_add(struct accumulator *a,
                     const char *host,
                     const char *series,
                     int64_t at_ms,
                     const int64_t *values)
{
    int64_t step = floor_div(at_ms, tiers[TIER_10S].step_ms);
    struct host_sums *h = host_of(a, host);
    struct series_sums *s;

    if (strlen(series) > TICK_MAX_NAME)
        return;
    if (h->series.size > 0 && h->step != step)
        give(a, host, h);
    h->step = step;
    s = series_of(h, series);
    for (size_t m = 0; s && m < s->n_metrics; m++) {
        int64_t sum;

        if (values[m] == METRIC_NONE)
            continue;
        s->metrics[m].last = values[m];
        if (!__builtin_add_overflow(s->metrics[m].sum, values[m], &sum)) {
            s->metrics[m].sum = sum;
            s->metrics[m].n++;
        }
    }
}

void accumulator_flush(struct accumulator *a, int64_t before_step)
{
    map_foreach(&a->hosts, e) {
        struct host_sums *h = e->value;

        if (h->series.size > 0 && h->step < before_step)
            give(a, e->key, h);
    }
}
