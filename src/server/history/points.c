#include "server/history/points.h"
#include "base/alloc.h"

#include <assert.h>
#include <errno.h>

struct metric_set metric_set_of(const char *series_name)
{
    return series_name[0] ? (struct metric_set){container_metrics, CONTAINER_METRICS}
                          : (struct metric_set){host_metrics, HOST_METRICS};
}

int history_points_init(struct history_points *p,
                        const struct history_points_options *o,
                        struct error *err)
{
    int64_t from = time_div_floor(o->from_ms, o->step_ms),
            to = -time_div_floor(-o->to_ms, o->step_ms);

    assert(o->step_ms > 0);
    if (from >= to)
        return error_set(err, -EDOM, "the requested time range ends before it begins");
    if (to - from > POINTS_MAX) {
        return error_set(
            err, -EDOM,
            "%lld points were requested, at most %d are possible: request a longer step or a shorter time range",
            (long long)(to - from), POINTS_MAX);
    }
    *p = (struct history_points){
        .from_ms = from * o->step_ms,
        .step_ms = o->step_ms,
        .n = (size_t)(to - from),
        .columns = o->columns,
        .set = metric_set_of(o->series_name),
    };
    p->last_ms = xcalloc(p->n, sizeof(*p->last_ms));
    for (size_t i = 0; i < p->n; i++)
        p->last_ms[i] = METRIC_NONE;
    for (size_t m = 0; m < p->set.n; m++) {
        if (o->columns >> m & 1)
            p->sums[m] = xcalloc(p->n, sizeof(*p->sums[m]));
    }
    return 0;
}

void history_points_done(struct history_points *p)
{
    for (size_t m = 0; m < ARRAY_LEN(p->sums); m++)
        free(p->sums[m]);
    free(p->last_ms);
    *p = (struct history_points){0};
}

/* The index of the step that holds this time, or -1. */
static int64_t step_at(const struct history_points *p, int64_t at_ms)
{
    int64_t i = time_div_floor(at_ms - p->from_ms, p->step_ms);

    return i >= 0 && i < (int64_t)p->n ? i : -1;
}

static void add_value(struct point_sums *s, bool is_newest, int64_t value, int64_t max)
{
    if (value == METRIC_NONE)
        return;
    s->sum += value;
    if (s->n == 0 || max > s->max)
        s->max = max;
    if (s->n == 0 || is_newest)
        s->last = value;
    s->n++;
}

/*
 * Updates the time of the newest sample of a step; returns false if a newer one was added before.
 */
static bool note_time(struct history_points *p, int64_t step, int64_t at_ms)
{
    if (p->last_ms[step] != METRIC_NONE && at_ms < p->last_ms[step])
        return false;
    p->last_ms[step] = at_ms;
    return true;
}

void history_points_add(struct history_points *p, enum tier tier, const struct history_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        int64_t at_ms = rows->at[i] * tiers[tier].step_ms;
        int64_t step = step_at(p, at_ms);
        bool is_newest;

        if (step < 0)
            continue;
        is_newest = note_time(p, step, at_ms);
        for (size_t m = 0; m < p->set.n; m++) {
            int64_t value = m < rows->n_columns ? history_rows_column(rows, m)[i] : METRIC_NONE;
            int64_t max = value;

            if (!p->sums[m])
                continue;
            if (m + p->set.n < rows->n_columns &&
                history_rows_column(rows, m + p->set.n)[i] != METRIC_NONE)
                max = history_rows_column(rows, m + p->set.n)[i];
            add_value(&p->sums[m][step], is_newest, value, max);
        }
    }
}

void history_points_add_sample(struct history_points *p,
                               int64_t at_ms,
                               const int64_t *values,
                               size_t n)
{
    int64_t step = step_at(p, at_ms);
    bool is_newest;

    if (step < 0)
        return;
    is_newest = note_time(p, step, at_ms);
    for (size_t m = 0; m < p->set.n && m < n; m++) {
        if (p->sums[m])
            add_value(&p->sums[m][step], is_newest, values[m], values[m]);
    }
}

bool history_points_have(const struct history_points *p, size_t step)
{
    return p->last_ms[step] != METRIC_NONE;
}

struct history_point history_points_get(const struct history_points *p, size_t step, size_t metric)
{
    const struct point_sums *s = p->sums[metric] ? &p->sums[metric][step] : NULL;

    if (!s || s->n == 0)
        return (struct history_point){METRIC_NONE, METRIC_NONE};
    if (!metric_has_mean(&p->set.table[metric]))
        return (struct history_point){s->last, METRIC_NONE};
    return (struct history_point){(int64_t)(s->sum / s->n), s->max};
}
