#include "server/api/stats_query.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "server/history/tier.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMES    ((size_t)1024)
#define USUAL_POINTS 720 /* of a response without a requested step */
#define MAX_STEP_MS  (UINT64_C(28) * DAY_MS)

uint64_t stats_usual_columns(struct metric_set set)
{
    if (set.table == container_metrics) {
        return UINT64_C(1) << CONTAINER_CPU | UINT64_C(1) << CONTAINER_MEM_USED |
               UINT64_C(1) << CONTAINER_MEM_LIMIT | UINT64_C(1) << CONTAINER_NET_RX |
               UINT64_C(1) << CONTAINER_NET_TX;
    }
    return UINT64_C(1) << HOST_CPU | UINT64_C(1) << HOST_MEM_USED | UINT64_C(1) << HOST_MEM_TOTAL |
           UINT64_C(1) << HOST_NET_RX | UINT64_C(1) << HOST_NET_TX;
}

static const struct stats_range ranges[] = {
    {"1h",  HOUR_MS    },
    {"8h",  8 * HOUR_MS},
    {"24h", DAY_MS     },
    {"7d",  7 * DAY_MS },
    {"30d", 30 * DAY_MS},
};

static const struct stats_range *find_range(int64_t span_ms)
{
    size_t i = 0;

    while (i < ARRAY_LEN(ranges) - 1 && ranges[i].ms < span_ms)
        i++;
    return &ranges[i];
}

static int read_range(const char *range, struct stats_query *q, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (str_eq(range, ranges[i].name)) {
            q->range = &ranges[i];
            q->to_ms = q->now_ms;
            q->from_ms = q->now_ms - ranges[i].ms;
            return 0;
        }
    }
    return error_set(err, -EDOM, "query parameter `range` must be one of 1h, 8h, 24h, 7d, 30d");
}

static int read_time(const struct api_call *call,
                     int64_t *ret_since_ms,
                     struct stats_query *q,
                     struct error *err)
{
    _cleanup_free_ char *range = api_query(call, "range");
    int r = api_query_time(call, "since", ret_since_ms, err);

    if (r == 0)
        r = api_query_time(call, "from", &q->from_ms, err);
    if (r == 0)
        r = api_query_time(call, "to", &q->to_ms, err);
    if (r < 0)
        return r;
    if (!str_is_empty(range))
        return read_range(range, q, err);
    if (!q->from_ms)
        q->from_ms = *ret_since_ms;
    *ret_since_ms = 0;
    if (!q->from_ms) {
        return error_set(err, -EINVAL,
                         "either `range` (1h, 8h, 24h, 7d, 30d) or `from` is required");
    }
    if (!q->to_ms)
        q->to_ms = q->now_ms;
    if (q->from_ms >= q->to_ms)
        return error_set(err, -EDOM, "the requested time range ends before it begins");
    q->range = find_range(q->to_ms - q->from_ms);
    return 0;
}

/* Returns a readable step with which the response is not too long. */
static int64_t find_usual_step(int64_t span_ms)
{
    static const int64_t seconds[] = {10,   30,   60,   120,   300,   600,   900,
                                      1800, 3600, 7200, 21600, 43200, 86400, 604800};

    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        if (span_ms / (seconds[i] * 1000) <= USUAL_POINTS)
            return seconds[i] * 1000;
    }
    return (int64_t)MAX_STEP_MS;
}

/* Reads seconds, or a duration such as 1m. */
static int read_step(const struct api_call *call,
                     struct metric_set set,
                     struct stats_query *q,
                     struct error *err)
{
    const int64_t finest = tiers[TIER_10S].step_ms;
    _cleanup_free_ char *text = api_query(call, "step");
    uint64_t v;

    assert(finest > 0);
    if (str_is_empty(text)) {
        q->step_ms = find_usual_step(q->to_ms - q->from_ms);
        if (set.table == host_metrics && !q->is_named)
            q->columns |= UINT64_C(1) << HOST_CONTAINERS_RUNNING;
        return 0;
    }
    if (parse_u64(text, MAX_STEP_MS / 1000, &v) == 0) {
        v *= 1000;
    } else if (parse_duration_ms(text, &v) < 0) {
        v = 0;
    }
    if (v < (uint64_t)finest || v > MAX_STEP_MS || v % (uint64_t)finest != 0) {
        return error_set(
            err, -EDOM,
            "query parameter `step` must be a multiple of 10 s up to 28 days, such as 60 or 5m");
    }
    q->step_ms = (int64_t)v;
    return 0;
}

static int refuse_metric(struct metric_set set, const char *name, struct error *err)
{
    struct buf names = BUF_INIT(MAX_NAMES);

    for (size_t i = 0; i < set.n; i++)
        (void)buf_printf(&names, " %s", set.table[i].name);
    (void)error_set(err, -EDOM,
                    "query parameter `metrics`: there is no metric `%.*s`; the metrics are:%s",
                    STR_CUT(name, 64), buf_str(&names));
    buf_done(&names);
    return -EDOM;
}

static int read_metrics(const struct api_call *call,
                        struct metric_set set,
                        struct stats_query *q,
                        struct error *err)
{
    _cleanup_free_ char *text = api_query(call, "metrics");
    char *rest = text;

    if (str_is_empty(text)) {
        q->columns = stats_usual_columns(set);
        return 0;
    }
    while (rest) {
        const char *name = strsep(&rest, ",");
        int i = metric_find(set.table, set.n, name);

        if (i < 0)
            return refuse_metric(set, name, err);
        q->columns |= UINT64_C(1) << i;
    }
    q->is_named = true;
    return 0;
}

static int read_format(const struct api_call *call, struct stats_query *q, struct error *err)
{
    _cleanup_free_ char *text = api_query(call, "format");

    q->is_csv = str_is_empty(text) ? call->accepts_csv : str_eq(text, "csv");
    if (str_is_empty(text) || q->is_csv || str_eq(text, "json"))
        return 0;
    return error_set(err, -EDOM, "query parameter `format` must be json or csv");
}

static int check_size(const struct stats_query *q, struct error *err)
{
    int64_t n = (q->to_ms - q->from_ms) / q->step_ms;
    int64_t n_values = n * __builtin_popcountll(q->columns);

    if (n <= STATS_MAX_POINTS && n_values <= STATS_MAX_VALUES)
        return 0;
    return error_set(
        err, -EDOM,
        "the response would have %" PRId64 " points of %d metrics; at most %d points and %d "
        "values are possible: use a longer `step`, a shorter time range or fewer `metrics`",
        n, __builtin_popcountll(q->columns), STATS_MAX_POINTS, STATS_MAX_VALUES);
}

/* Leaves out the steps up to that of `since_ms`; there may be none after it. */
static void skip_steps(struct stats_query *q, int64_t since_ms)
{
    int64_t last = time_div_floor(since_ms < q->to_ms ? since_ms : q->to_ms - 1, q->step_ms);

    q->from_ms = time_div_floor(q->from_ms, q->step_ms) * q->step_ms;
    if (since_ms && (last + 1) * q->step_ms > q->from_ms)
        q->from_ms = (last + 1) * q->step_ms;
}

int stats_query_read(const struct api_call *call,
                     struct metric_set set,
                     int64_t now_ms,
                     struct stats_query *ret,
                     struct error *err)
{
    int64_t since_ms = 0;
    int r;

    *ret = (struct stats_query){.now_ms = now_ms};
    r = api_query_bool(call, "marks", true, &ret->with_marks, err);
    if (r == 0)
        r = read_format(call, ret, err);
    if (r == 0)
        r = read_metrics(call, set, ret, err);
    if (r == 0)
        r = read_time(call, &since_ms, ret, err);
    if (r == 0)
        r = read_step(call, set, ret, err);
    if (r == 0)
        skip_steps(ret, since_ms);
    return r == 0 ? check_size(ret, err) : r;
}
