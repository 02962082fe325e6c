#include "server/stats/rate.h"

/* a step of 10 s without a sample is not a gap yet, because ticks and steps drift */
#define SLACK_MS 15000

bool rate_between(const struct rate_reading *before,
                  const struct rate_reading *now,
                  int64_t max_gap_ms,
                  double *ret)
{
    int64_t gap_ms = now->at_ms - before->at_ms;
    int64_t growth = now->value;

    if (before->value == METRIC_NONE || now->value == METRIC_NONE || now->value < 0)
        return false;
    if (gap_ms <= 0 || gap_ms > max_gap_ms)
        return false;
    if (now->value >= before->value && now->started == before->started &&
        __builtin_sub_overflow(now->value, before->value, &growth))
        return false;
    *ret = (double)growth * 1000.0 / (double)gap_ms;
    return true;
}

int64_t rate_max_gap(int64_t step_ms)
{
    return step_ms + (step_ms / 2 > SLACK_MS ? step_ms / 2 : SLACK_MS);
}

/* The uptime of a host only grows: a smaller value means that the host was restarted. */
static int64_t started_of(const struct history_points *p, size_t step, size_t before)
{
    if (p->set.table == container_metrics)
        return history_points_get(p, step, CONTAINER_STARTED_AT).mean;

    int64_t now = history_points_get(p, step, HOST_UPTIME).mean;

    return now != METRIC_NONE && now < history_points_get(p, before, HOST_UPTIME).mean;
}

static struct rate_reading reading_at(const struct history_points *p,
                                      size_t step,
                                      size_t before,
                                      size_t metric)
{
    return (struct rate_reading){
        .at_ms = p->last_ms[step],
        .value = history_points_get(p, step, metric).mean,
        .started = started_of(p, step, before),
    };
}

bool rate_of_points(const struct history_points *p, size_t step, size_t metric, double *ret)
{
    struct rate_reading before, now;
    size_t i = step;

    if (step == 0 || !history_points_have(p, step))
        return false;
    for (i--; i > 0 && !history_points_have(p, i) && step - i < 3;)
        i--;
    if (!history_points_have(p, i))
        return false;
    before = reading_at(p, i, i, metric);
    now = reading_at(p, step, i, metric);
    return rate_between(&before, &now, rate_max_gap(p->step_ms), ret);
}

uint64_t rate_columns(const char *series_name, uint64_t wanted)
{
    return wanted | UINT64_C(1) << (series_name[0] ? CONTAINER_STARTED_AT : HOST_UPTIME);
}
