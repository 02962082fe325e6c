#include "server/stats/live.h"
#include "proto/metric.h"
#include "server/stats/rate.h"

#include <math.h>

#define UNKNOWN ((double)NAN)
#define GAP_MS  25000 /* between two samples with a rate: one sample of 10 s may be missing */

static double get_rate(const struct ring_row *before,
                       const struct ring_row *row,
                       enum stats_column column)
{
    const struct rate_reading a = {before->at_ms, before->values[column],
                                   before->values[STATS_STARTED]};
    const struct rate_reading b = {row->at_ms, row->values[column], row->values[STATS_STARTED]};
    double rate;

    return before->at_ms > 0 && rate_between(&a, &b, GAP_MS, &rate) ? rate : UNKNOWN;
}

static double get_known(int64_t v)
{
    return v == METRIC_NONE ? UNKNOWN : (double)v;
}

static void fill_point(const struct ring_row *before,
                       const struct ring_row *row,
                       struct live_point *ret)
{
    const int64_t *v = row->values;
    double *to = ret->values;

    ret->at_ms = row->at_ms;
    to[LIVE_CPU] = get_known(v[STATS_CPU]) / 100;
    to[LIVE_MEMORY_USED] = get_known(v[STATS_MEM_USED]);
    to[LIVE_MEMORY_LIMIT] = get_known(v[STATS_MEM_LIMIT]);
    to[LIVE_MEMORY] = v[STATS_MEM_LIMIT] > 0 ? to[LIVE_MEMORY_USED] * 100 / to[LIVE_MEMORY_LIMIT]
                                             : UNKNOWN;
    to[LIVE_NET_RX] = get_rate(before, row, STATS_NET_RX);
    to[LIVE_NET_TX] = get_rate(before, row, STATS_NET_TX);
    to[LIVE_NET] = to[LIVE_NET_RX] + to[LIVE_NET_TX]; /* unknown if one of them is */
    to[LIVE_DISK_READ] = get_rate(before, row, STATS_BLK_READ);
    to[LIVE_DISK_WRITE] = get_rate(before, row, STATS_BLK_WRITE);
}

/* The row before the first point gives its rates. */
void live_read_start(struct live_reader *r, const struct stats_series *series, int64_t after_ms)
{
    *r = (struct live_reader){.after_ms = after_ms};
    if (series)
        ring_read_start(&r->ring, &series->ring, INT64_MIN);
}

void live_read_newest(struct live_reader *r, const struct stats_series *series, size_t n)
{
    size_t n_rows;

    *r = (struct live_reader){.after_ms = INT64_MIN};
    if (!series)
        return;
    n_rows = ring_read_newest(&r->ring, &series->ring, n + 1);
    r->n_skipped = n_rows > n ? n_rows - n : 0;
}

bool live_read_next(struct live_reader *r, struct live_point *ret)
{
    struct ring_row row;

    while (ring_read_next(&r->ring, &row)) {
        bool is_skipped = r->n_skipped > 0 || row.at_ms <= r->after_ms;

        if (r->n_skipped > 0) {
            r->n_skipped--;
        } else if (!is_skipped) {
            fill_point(&r->before, &row, ret);
        }
        r->before = row;
        if (!is_skipped)
            return true;
    }
    return false;
}
