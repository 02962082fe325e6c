#include "server/api/stats_json.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/stats/live.h"
#include "server/stats/rate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_MARKS   1000 /* the newest ones of a response */
#define MAX_INTEGER 9.2e18

/* Buffers have no limit: the size of the response was checked before. */
static void put(struct buf *out, const char *text)
{
    (void)buf_append_str(out, text);
}

static void put_string(struct buf *out, const char *s)
{
    json_t *v = json_text_str(s);
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

    put(out, text ? text : "null");
    free(text);
    json_decref(v);
}

/* Writes at most 4 decimals, without trailing zeros. No integer exceeds the range of 64 bits. */
static void put_number(struct buf *out, double v)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "%.4f", v);

    if (n <= 0 || (size_t)n >= sizeof(text))
        return;
    if (v >= MAX_INTEGER || v <= -MAX_INTEGER) {
        (void)buf_printf(out, "%.15g", v);
        return;
    }
    while (text[n - 1] == '0')
        n--;
    if (text[n - 1] == '.')
        n--;
    (void)buf_append(out, text, (size_t)n);
}

static void put_time(struct buf *out, int64_t at_ms)
{
    char text[TIME_TEXT_SIZE];

    put_string(out, time_format_ms(at_ms, text));
}

/* --- values ----------------------------------------------------------------------------------- */

/* The value of a step that a column shows. */
enum view { VIEW_MEAN, VIEW_MAX, VIEW_RATE, VIEW_MEMORY_SHARE, VIEW_NETWORK };

struct column {
    const char *name;
    enum view view;
    size_t metric;
};

static const struct {
    double factor;
    const char *name;
} units[] = {
    [METRIC_COUNT] = {1,        "count"       },
    [METRIC_BYTES] = {1,        "bytes"       },
    [METRIC_CENTI_PERCENT] = {0.01,     "percent"     },
    [METRIC_CENTI] = {0.01,     "count"       },
    [METRIC_MICROSECONDS] = {0.000001, "seconds"     },
    [METRIC_SECONDS] = {1,        "seconds"     },
    [METRIC_UTC_MS] = {0.001,    "unix_seconds"},
};

static bool get_point(
    const struct history_points *p, size_t step, size_t metric, bool max, double *ret)
{
    struct history_point v = history_points_get(p, step, metric);
    int64_t value = max ? v.max : v.mean;

    *ret = (double)value * units[p->set.table[metric].unit].factor;
    return value != METRIC_NONE;
}

static bool get_rate(const struct history_points *p, size_t step, size_t metric, double *ret)
{
    if (!rate_of_points(p, step, metric, ret))
        return false;
    *ret *= units[p->set.table[metric].unit].factor;
    return true;
}

/* The metrics behind the default arrays. */
struct usual {
    size_t cpu, mem_used, mem_limit, rx, tx;
    size_t count; /* of containers; 0: a container has none */
};

static const struct usual *find_usual(const struct history_points *p)
{
    static const struct usual container = {CONTAINER_CPU,       CONTAINER_MEM_USED,
                                           CONTAINER_MEM_LIMIT, CONTAINER_NET_RX,
                                           CONTAINER_NET_TX,    0};
    static const struct usual host = {HOST_CPU,    HOST_MEM_USED, HOST_MEM_TOTAL,
                                      HOST_NET_RX, HOST_NET_TX,   HOST_CONTAINERS_RUNNING};

    return p->set.table == container_metrics ? &container : &host;
}

static bool get_share(const struct history_points *p, size_t step, double *ret)
{
    const struct usual *u = find_usual(p);
    double used, total;

    if (!get_point(p, step, u->mem_used, false, &used) ||
        !get_point(p, step, u->mem_limit, false, &total) || total <= 0)
        return false;
    *ret = used * 100 / total;
    return true;
}

static bool get_network(const struct history_points *p, size_t step, double *ret)
{
    const struct usual *u = find_usual(p);
    double rx, tx;

    if (!get_rate(p, step, u->rx, &rx) || !get_rate(p, step, u->tx, &tx))
        return false;
    *ret = rx + tx;
    return true;
}

static bool get_column(const struct column *c,
                       const struct history_points *p,
                       size_t step,
                       double *ret)
{
    switch (c->view) {
    case VIEW_MEAN: return get_point(p, step, c->metric, false, ret);
    case VIEW_MAX: return get_point(p, step, c->metric, true, ret);
    case VIEW_RATE: return get_rate(p, step, c->metric, ret);
    case VIEW_MEMORY_SHARE: return get_share(p, step, ret);
    case VIEW_NETWORK: return get_network(p, step, ret);
    }
    return false;
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* Returns the first step of the response; the points may begin before it. */
static size_t get_first_step(const struct stats_answer *a)
{
    return (size_t)((a->query->from_ms - a->points->from_ms) / a->points->step_ms);
}

static void put_values(struct buf *out, const struct stats_answer *a, const struct column *c)
{
    put(out, "[");
    for (size_t i = get_first_step(a); i < a->points->n; i++) {
        double v;

        if (i > get_first_step(a))
            put(out, ",");
        if (get_column(c, a->points, i, &v)) {
            put_number(out, v);
        } else {
            put(out, "null");
        }
    }
    put(out, "]");
}

static void put_array(struct buf *out, const struct stats_answer *a, const struct column *c)
{
    (void)buf_printf(out, ",\"%s\":", c->name);
    put_values(out, a, c);
}

static int64_t get_step_ms(const struct history_points *p, size_t i)
{
    return p->from_ms + (int64_t)i * p->step_ms;
}

static void put_timestamps(struct buf *out, const struct stats_answer *a)
{
    put(out, ",\"timestamps\":[");
    for (size_t i = get_first_step(a); i < a->points->n; i++) {
        (void)buf_printf(out, i > get_first_step(a) ? ",%" PRId64 : "%" PRId64,
                         get_step_ms(a->points, i) / 1000);
    }
    put(out, "]");
}

static void put_usual(struct buf *out, const struct stats_answer *a)
{
    const struct usual *u = find_usual(a->points);
    const struct column columns[] = {
        {"cpu",                VIEW_MEAN,         u->cpu      },
        {"mem",                VIEW_MEMORY_SHARE, 0           },
        {"net_bps",            VIEW_NETWORK,      0           },
        {"memory_used_bytes",  VIEW_MEAN,         u->mem_used },
        {"memory_limit_bytes", VIEW_MEAN,         u->mem_limit},
    };

    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        put_array(out, a, &columns[i]);
    if (u->count && a->query->columns >> u->count & 1)
        put_array(out, a, &(struct column){"container_count", VIEW_MEAN, u->count});
}

static void put_metric(struct buf *out, const struct stats_answer *a, size_t i)
{
    const struct metric *m = &a->points->set.table[i];

    (void)buf_printf(out, "\"%s\":{\"unit\":\"%s%s\"", m->name, units[m->unit].name,
                     m->kind == METRIC_COUNTER ? "_per_second" : "");
    put_array(out, a,
              &(struct column){"values", m->kind == METRIC_COUNTER ? VIEW_RATE : VIEW_MEAN, i});
    if (metric_has_mean(m))
        put_array(out, a, &(struct column){"max", VIEW_MAX, i});
    put(out, "}");
}

static void put_metrics(struct buf *out, const struct stats_answer *a)
{
    const char *comma = "";

    put(out, ",\"metrics\":{");
    for (size_t i = 0; i < a->points->set.n; i++) {
        if (!(a->query->columns >> i & 1))
            continue;
        put(out, comma);
        put_metric(out, a, i);
        comma = ",";
    }
    put(out, "}");
}

static void put_mark(struct buf *out, const struct history_mark *m)
{
    put(out, "{\"at\":");
    put_time(out, m->at_ms);
    put(out, ",\"kind\":");
    put_string(out, m->kind);
    put(out, ",\"text\":");
    put_string(out, m->text);
    put(out, "}");
}

static void put_marks(struct buf *out, const struct stats_answer *a)
{
    size_t i = a->n_marks > MAX_MARKS ? a->n_marks - MAX_MARKS : 0;
    const char *comma = "";

    put(out, ",\"marks\":[");
    for (; i < a->n_marks; i++) {
        if (a->marks[i].at_ms < a->query->from_ms)
            continue; /* of earlier steps */
        put(out, comma);
        put_mark(out, &a->marks[i]);
        comma = ",";
    }
    put(out, "]");
}

static void put_span(struct buf *out, const struct stats_query *q)
{
    int64_t from_ms = q->from_ms < q->to_ms ? q->from_ms : q->to_ms;

    put(out, ",\"tier\":");
    put_string(out, q->range->name);
    (void)buf_printf(
        out,
        ",\"tier_seconds\":%" PRId64 ",\"interval_seconds\":%" PRId64 ",\"step_seconds\":%" PRId64
        ",\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"server_time\":%" PRId64,
        q->range->ms / 1000, q->step_ms / 1000, q->step_ms / 1000, time_div_floor(from_ms, 1000),
        time_div_floor(q->to_ms, 1000), time_div_floor(q->now_ms, 1000));
    put(out, ",\"from_iso\":");
    put_time(out, from_ms);
    put(out, ",\"to_iso\":");
    put_time(out, q->to_ms);
}

void stats_json_write(struct buf *out, const struct stats_answer *a)
{
    put(out, "{\"host_id\":");
    put_string(out, a->host_id);
    put(out, ",\"container_id\":");
    put_string(out, a->container_id);
    put(out, ",\"series\":");
    put_string(out, a->series);
    put_span(out, a->query);
    put_timestamps(out, a);
    if (a->query->is_named) {
        put_metrics(out, a);
    } else {
        put_usual(out, a);
    }
    if (a->query->with_marks)
        put_marks(out, a);
    put(out, "}");
}

/* --- CSV -------------------------------------------------------------------------------------- */

/* No cell needs quotes: names are constants, and values are numbers. */
static size_t collect_csv_columns(const struct stats_answer *a, struct column *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < a->points->set.n; i++) {
        const struct metric *m = &a->points->set.table[i];

        if (!(a->query->columns >> i & 1))
            continue;
        ret[n++] = (struct column){m->name, m->kind == METRIC_COUNTER ? VIEW_RATE : VIEW_MEAN, i};
        if (metric_has_mean(m))
            ret[n++] = (struct column){m->name, VIEW_MAX, i};
    }
    return n;
}

static const char *get_suffix(enum view view)
{
    return view == VIEW_RATE ? "_per_second" : view == VIEW_MAX ? "_max" : "";
}

void stats_csv_write(struct buf *out, const struct stats_answer *a)
{
    struct column columns[2 * CHUNK_MAX_COLUMNS];
    size_t n = collect_csv_columns(a, columns);
    char time[TIME_TEXT_SIZE];

    put(out, "time");
    for (size_t c = 0; c < n; c++)
        (void)buf_printf(out, ",%s%s", columns[c].name, get_suffix(columns[c].view));
    put(out, "\r\n"); /* RFC 4180 */
    for (size_t i = get_first_step(a); i < a->points->n; i++) {
        put(out, time_format_ms(get_step_ms(a->points, i), time));
        for (size_t c = 0; c < n; c++) {
            double v;

            put(out, ",");
            if (get_column(&columns[c], a->points, i, &v))
                put_number(out, v);
        }
        put(out, "\r\n");
    }
}

/* --- the last minutes ------------------------------------------------------------------------- */

static const char *const live_names[LIVE_VALUES] = {
    [LIVE_CPU] = "cpu",
    [LIVE_MEMORY] = "mem",
    [LIVE_NET] = "net",
    [LIVE_MEMORY_USED] = "memory_used_bytes",
    [LIVE_MEMORY_LIMIT] = "memory_limit_bytes",
    [LIVE_NET_RX] = "net_rx",
    [LIVE_NET_TX] = "net_tx",
    [LIVE_DISK_READ] = "disk_read",
    [LIVE_DISK_WRITE] = "disk_write",
};

static void put_live(struct buf *to, double v)
{
    put(to, to->size ? "," : "[");
    if (isnan(v)) {
        put(to, "null");
    } else {
        put_number(to, v);
    }
}

void stats_live_write(struct buf *out, const struct stats_series *series, int64_t after_ms)
{
    struct buf arrays[LIVE_VALUES], timestamps = BUF_INIT(SIZE_MAX / 2);
    struct live_reader reader;
    struct live_point point;

    for (size_t i = 0; i < LIVE_VALUES; i++)
        buf_init(&arrays[i], SIZE_MAX / 2);
    live_read_start(&reader, series, after_ms);
    while (live_read_next(&reader, &point)) {
        put_live(&timestamps, (double)point.at_ms / 1000);
        for (size_t i = 0; i < LIVE_VALUES; i++)
            put_live(&arrays[i], point.values[i]);
    }
    (void)buf_printf(out, "{\"timestamps\":%s]", timestamps.size ? buf_str(&timestamps) : "[");
    buf_done(&timestamps);
    for (size_t i = 0; i < LIVE_VALUES; i++) {
        (void)buf_printf(out, ",\"%s\":%s]", live_names[i],
                         arrays[i].size ? buf_str(&arrays[i]) : "[");
        buf_done(&arrays[i]);
    }
    put(out, "}");
}
