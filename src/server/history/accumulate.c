#include "server/history/accumulate.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"
#include "server/history/points.h"

#include <assert.h>
#include <string.h>

#define MAX_METRICS CONTAINER_METRICS
static_assert((int)HOST_METRICS <= (int)MAX_METRICS, "series_sums has room for both");

/* The sums of one series within one step. The entry is reused for the next step, unless it had no
 * samples. */
struct series_sums {
    bool has_samples;
    uint16_t n[MAX_METRICS];
    int64_t sums[MAX_METRICS]; /* gauges with a mean: the sum; all others: the last value */
};

struct host_sums {
    int64_t step;
    size_t n_with_samples; /* 0: no samples since the last row */
    struct map series;     /* struct series_sums by name */
    struct map_order order;
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

static void clear_host(struct host_sums *h)
{
    map_foreach(&h->series, e)
        free(e->value);
    map_done(&h->series);
    map_order_done(&h->order);
}

void accumulator_free(struct accumulator *a)
{
    if (!a)
        return;
    map_foreach(&a->hosts, e) {
        clear_host(e->value);
        free(e->value);
    }
    map_done(&a->hosts);
    free(a);
}

static int append_series(struct buf *out, const char *name, const struct series_sums *s)
{
    struct metric_set set = metric_set_of(name);
    int64_t values[MAX_METRICS];

    for (size_t m = 0; m < set.n; m++) {
        values[m] = s->sums[m];
        if (s->n[m] == 0) {
            values[m] = METRIC_NONE;
        } else if (metric_has_mean(&set.table[m])) {
            values[m] /= s->n[m];
        }
    }
    return tick_append(out, name, values, set.n);
}

/* Removes the series without samples in this step. */
static void remove_idle(struct host_sums *h)
{
    struct strings idle = {0};

    if (h->n_with_samples == h->series.size)
        return;
    map_foreach(&h->series, e) {
        if (!((struct series_sums *)e->value)->has_samples) {
            /* removed below: the map must not change during iteration */
            strings_add(&idle, e->key);
        }
    }
    for (size_t i = 0; i < idle.n; i++)
        free(map_remove(&h->series, idle.items[i]));
    strings_done(&idle);
}

static void emit_row(struct accumulator *a, const char *host, struct host_sums *h)
{
    struct buf data = BUF_INIT(TICK_MAX_SIZE);

    remove_idle(h);
    map_foreach(&h->series, e) {
        if (append_series(&data, e->key, e->value) < 0)
            break; /* full; 5,000 containers need a quarter of TICK_MAX_SIZE */
    }
    map_foreach(&h->series, e)
        *(struct series_sums *)e->value = (struct series_sums){0};
    h->n_with_samples = 0;
    a->fn(a->owner, host, h->step, &data);
    buf_done(&data);
}

struct host_sums *accumulator_host(struct accumulator *a, const char *host, int64_t at_ms)
{
    int64_t step = time_div_floor(at_ms, tiers[TIER_10S].step_ms);
    struct host_sums *h = map_find(&a->hosts, host);

    if (!h) {
        h = xcalloc(1, sizeof(*h));
        (void)map_put(&a->hosts, host, h);
    }
    if (h->n_with_samples > 0 && h->step != step)
        emit_row(a, host, h);
    h->step = step;
    return h;
}

/* NULL: the host has too many series, or the name is too long. */
static struct series_sums *get_series(struct host_sums *h, size_t place, const char *name)
{
    struct series_sums *s = map_find_at(&h->series, &h->order, place, name);

    if (!s && h->n_with_samples < ACCUMULATOR_MAX_SERIES && strlen(name) <= TICK_MAX_NAME) {
        s = xcalloc(1, sizeof(*s));
        (void)map_put(&h->series, name, s);
    }
    return s;
}

static void add_value(struct series_sums *s, size_t metric, bool has_mean, int64_t v)
{
    int64_t sum;

    if (!has_mean) {
        s->sums[metric] = v;
        s->n[metric] = 1;
    } else if (s->n[metric] < UINT16_MAX && !__builtin_add_overflow(s->sums[metric], v, &sum)) {
        s->sums[metric] = sum;
        s->n[metric]++;
    }
}

void accumulator_add(struct host_sums *h, size_t place, const char *series, const int64_t *values)
{
    struct series_sums *s = get_series(h, place, series);
    struct metric_set set = metric_set_of(series);

    if (!s)
        return;
    h->n_with_samples += !s->has_samples;
    s->has_samples = true;
    for (size_t m = 0; m < set.n; m++) {
        if (values[m] != METRIC_NONE)
            add_value(s, m, metric_has_mean(&set.table[m]), values[m]);
    }
}

/* A host without samples for a whole step releases its memory. */
void accumulator_flush(struct accumulator *a, int64_t before_step)
{
    map_foreach(&a->hosts, e) {
        struct host_sums *h = e->value;

        if (h->step >= before_step)
            continue;
        if (h->n_with_samples > 0) {
            emit_row(a, e->key, h);
        } else if (h->step < before_step - 2) {
            clear_host(h);
        }
    }
}
