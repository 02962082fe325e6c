/*
 * history: the stored series of a host or a container over a span of time, as a table with a
 * sparkline for each metric, or as CSV or JSON.
 *
 * A value covers one step: a sample, or the mean of the samples in it. The answer may also have the
 * highest sample of each step ("max"); MAX is computed from that, so that a short peak is not
 * averaged away. Marks are events in the span, such as a restart.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/messages.h"
#include "cli/common/output.h"
#include "cli/common/query.h"
#include "cli/common/table.h"
#include "cli/common/terminal.h"
#include "cli/common/text.h"
#include "cli/common/verbs.h"
#include "cli/containers/containers.h"
#include "cli/hosts/hosts.h"
#include "cli/stats/spark.h"
#include "cli/stats/stats_table.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_OUTPUT  (SIZE_MAX / 2)
#define MAX_GRAPH   60
#define MIN_GRAPH   10
#define FIRST_WIDTH 20 /* assumed for the column with the metric's name */
#define VALUE_WIDTH 13 /* assumed for each column with a value */
#define N_VALUES    4

struct history_options {
    const char *since, *until, *step, *metric;
    bool json, csv, ascii;
};

#define AT(m) offsetof(struct history_options, m)

static const struct flag flags[] = {
    {"metric", 'm', FLAG_STRING, AT(metric), "NAMES",
     "metrics, separated by commas: cpu, mem_used, net_rx, net_tx (the default), blk_read, blk_write, pids, ..."},
    {"since",  0,   FLAG_STRING, AT(since),  "TIME",
     "show values since 2026-01-31T12:00:00Z, or of the last 24h (default 1h)"                                  },
    {"until",  0,   FLAG_STRING, AT(until),  "TIME",  "show values before this time (default: now)"             },
    {"step",   0,   FLAG_STRING, AT(step),   "TIME",  "time per value: 10s, 5m, 1h"                             },
    {"ascii",  0,   FLAG_BOOL,   AT(ascii),  NULL,    "draw the graphs with ASCII characters"                   },
    {"csv",    0,   FLAG_BOOL,   AT(csv),    NULL,    "print comma-separated values, a line for each step"      },
    {"json",   0,   FLAG_BOOL,   AT(json),   NULL,    "print the server's answer as JSON"                       },
};

/* --- the request ------------------------------------------------------------------------------ */

static bool has_host(const json_t *hosts, const char *word)
{
    const json_t *h;
    size_t i;

    json_array_foreach(hosts, i, h)
    {
        if (str_eq(member_text(h, "name"), word) || str_eq(member_text(h, "id"), word))
            return true;
    }
    return false;
}

/*
 * The host with this name or id, else the container. *ret: the path before the query, to be freed.
 */
static int find_subject(struct client *c, const char *word, char **ret, struct error *err)
{
    json_auto_t *hosts = NULL, *list = NULL;
    const json_t *container;
    json_t *host = NULL;
    struct error host_err = ERROR_INIT;
    int r = client_get(c, xstrdup("/api/hosts"), &hosts, err), r_container = 0;

    if (r == 0 && !has_host(hosts, word)) {
        r = containers_fetch(c, &list, err);
        if (r == 0)
            r_container = r = containers_find(c, list, word, &container, err);
        if (r == 0)
            *ret = container_path(container, "/stats/history");
        if (r != -ENOENT && r != -ENOTCONN)
            return r;
        r = 0; /* it may be the beginning of a host's id */
    }
    if (r == 0)
        r = hosts_find(hosts, word, &host, &host_err);
    if (r == 0)
        *ret = host_path(host, "stats/history");
    if (r == -ENOENT && r_container == -ENOTCONN)
        return r_container; /* err names the host that is offline */
    if (r == -ENOENT)
        return error_set(err, r, MSG_NOT_FOUND, "container or host", word);
    return r < 0 && host_err.msg[0] ? error_set(err, r, "%s", host_err.msg) : r;
}

static int make_query(const struct history_options *o, struct buf *query, struct error *err)
{
    _cleanup_free_ char *metrics = text_url_encode(o->metric ? o->metric
                                                             : "cpu,mem_used,net_rx,net_tx");
    int r;

    if (o->json && o->csv)
        return error_set(err, -EINVAL, MSG_EXCLUSIVE, "json", "csv");
    r = buf_printf(query, "?metrics=%s", metrics);
    if (r == 0 && o->step)
        r = query_add(query, "step", o->step);
    if (r == 0)
        r = query_add_time(query, "from", "since", o->since ? o->since : "1h", err);
    if (r == 0)
        r = query_add_time(query, "to", "until", o->until, err);
    return r;
}

/* --- output ----------------------------------------------------------------------------------- */

/* The series as numbers, NAN for null; to be freed. */
static double *read_values(const json_t *list, size_t n)
{
    double *values = xcalloc(n + 1, sizeof(*values));

    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);

        values[i] = json_is_number(v) ? json_number_value(v) : (double)NAN;
    }
    return values;
}

/* To be freed. */
static char *format_value(double v, const char *unit)
{
    _cleanup_free_ char *size = NULL;

    if (isnan(v))
        return xstrdup("--");
    if (str_eq(unit, "percent"))
        return xasprintf("%.2f%%", v);
    if (str_eq(unit, "bytes"))
        return stats_binary_size(v);
    if (str_eq(unit, "bytes_per_second")) {
        size = stats_decimal_size(v);
        return xasprintf("%s/s", size);
    }
    return xasprintf("%.4g%s", v, str_ends_with(unit, "_per_second") ? "/s" : "");
}

/* The layout of a line. */
struct shape {
    size_t first; /* index of the first value shown: LAST always, the others as there is room */
    size_t graph; /* width */
    bool is_ascii;
};

static struct shape find_shape(const struct history_options *o)
{
    int columns = FIRST_WIDTH + N_VALUES * VALUE_WIDTH + MAX_GRAPH, rows, left;
    struct shape s = {.is_ascii = o->ascii || !output_is_utf8() ||
                                  str_eq(secure_getenv("TERM"), "dumb")};

    if (output_is_terminal())
        (void)terminal_size(&columns, &rows);
    left = columns - FIRST_WIDTH - N_VALUES * VALUE_WIDTH;
    for (; left < MIN_GRAPH && s.first + 1 < N_VALUES; s.first++)
        left += VALUE_WIDTH;
    left = left < MAX_GRAPH ? left : MAX_GRAPH;
    s.graph = left > MIN_GRAPH ? (size_t)left : MIN_GRAPH;
    return s;
}

static void add_row(
    struct table *t, const char *name, const json_t *metric, size_t n, const struct shape *shape)
{
    _cleanup_free_ double *values = read_values(json_object_get(metric, "values"), n);
    _cleanup_free_ double *peaks = read_values(json_object_get(metric, "max"), n);
    const char *unit = member_text(metric, "unit");
    struct spark_summary s = spark_summarise(values, n), p = spark_summarise(peaks, n);
    const double cells[N_VALUES] = {s.min, s.mean, p.n > 0 ? p.max : s.max, s.last};
    struct buf graph = BUF_INIT(MAX_OUTPUT);

    spark_append(&graph, values, n, shape->graph, shape->is_ascii);
    table_add(t, name);
    for (size_t i = shape->first; i < N_VALUES; i++) {
        _cleanup_free_ char *text = format_value(cells[i], unit);

        table_add(t, text);
    }
    table_add(t, buf_str(&graph));
    buf_done(&graph);
}

static void print_graphs(const json_t *answer, const struct history_options *o)
{
    static const char *const values[N_VALUES] = {"MIN", "MEAN", "MAX", "LAST"};
    const char *headers[N_VALUES + 2] = {"METRIC"};
    struct shape shape = find_shape(o);
    size_t n_headers = 1, n = json_array_size(json_object_get(answer, "timestamps"));
    const json_t *metric;
    const char *name;
    struct table t;

    output_line("%s to %s, %" JSON_INTEGER_FORMAT " s per step", member_text(answer, "from_iso"),
                member_text(answer, "to_iso"), member_integer(answer, "step_seconds"));
    for (size_t i = shape.first; i < N_VALUES; i++)
        headers[n_headers++] = values[i];
    headers[n_headers++] = "GRAPH";
    table_init(&t, n_headers, headers);
    json_object_foreach(json_object_get(answer, "metrics"), name, metric)
    {
        add_row(&t, name, metric, n, &shape);
    }
    output_table(&t);
}

static void print_marks(const json_t *marks)
{
    const json_t *m;
    size_t i;

    if (json_array_size(marks) > 0)
        output_raw("\n", 1);
    json_array_foreach(marks, i, m)
    {
        output_line("%s  %-10s %s", member_text(m, "at"), member_text(m, "kind"),
                    member_text(m, "text"));
    }
}

/* Quotes the name if it needs it, which our own names do not. */
static int write_csv_name(struct buf *out, const char *name, const char *suffix)
{
    _cleanup_free_ char *text = text_escape_str(name);
    bool is_quoted = strpbrk(text, ",\"") != NULL;
    int r = buf_append_str(out, is_quoted ? ",\"" : ",");

    for (const char *p = text; r == 0 && *p; p++)
        r = buf_printf(out, *p == '"' ? "\"%c" : "%c", *p);
    return r == 0 ? buf_printf(out, "%s%s", suffix, is_quoted ? "\"" : "") : r;
}

/* "" for a time that is out of range. */
static const char *format_csv_time(const json_t *seconds, char ret[TIME_TEXT_SIZE])
{
    int64_t ms;

    if (!json_is_integer(seconds) ||
        __builtin_mul_overflow(json_integer_value(seconds), INT64_C(1000), &ms))
        return "";
    return time_format_ms(ms, ret);
}

static void write_csv_cell(struct buf *out, const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);

    (void)buf_append_char(out, ','); /* the buffer has no limit */
    if (json_is_integer(v)) {
        (void)buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else if (json_is_real(v)) {
        (void)buf_printf(out, "%.15g", json_real_value(v));
    }
}

/* The same text as the server's own CSV. */
static void print_csv(const json_t *answer)
{
    const json_t *times = json_object_get(answer, "timestamps");
    json_t *metrics = json_object_get(answer, "metrics");
    struct buf out = BUF_INIT(MAX_OUTPUT);
    char text[TIME_TEXT_SIZE];
    const json_t *m;
    const char *name;
    int r = buf_append_str(&out, "time");

    json_object_foreach(metrics, name, m)
    {
        bool is_rate = str_ends_with(member_text(m, "unit"), "_per_second");

        if (r == 0)
            r = write_csv_name(&out, name, is_rate ? "_per_second" : "");
        if (r == 0 && json_object_get(m, "max"))
            r = write_csv_name(&out, name, "_max");
    }
    for (size_t i = 0; r == 0 && i < json_array_size(times); i++) {
        r = buf_printf(&out, "\r\n%s",
                       format_csv_time(json_array_get(times, i), text)); /* RFC 4180 */
        json_object_foreach(metrics, name, m)
        {
            write_csv_cell(&out, json_object_get(m, "values"), i);
            if (json_object_get(m, "max"))
                write_csv_cell(&out, json_object_get(m, "max"), i);
        }
    }
    output_raw(buf_str(&out), out.size);
    output_raw("\r\n", 2);
    buf_done(&out);
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    _cleanup_(client_closep) struct client *c = NULL;
    const struct history_options *o = options;
    _cleanup_free_ char *path = NULL, *query = NULL;
    struct buf text = BUF_INIT(8192);
    struct error err = ERROR_INIT;
    json_auto_t *answer = NULL;
    int r = make_query(o, &text, &err);

    (void)verb;
    query = buf_take(&text);
    if (r < 0) {
        output_error("%s", err.msg);
        return EXIT_USAGE;
    }
    c = client_open_configured();
    if (!c)
        return 1;
    r = find_subject(c, words->items[0], &path, &err);
    if (r == 0)
        r = client_get(c, xasprintf("%s%s", path, query), &answer, &err);
    if (r < 0)
        return output_failure(NULL, err.msg);
    if (o->json) {
        output_json(answer);
    } else if (o->csv) {
        print_csv(answer);
    } else {
        print_graphs(answer, o);
        print_marks(json_object_get(answer, "marks"));
    }
    return 0;
}

const struct verb verb_history = {
    .name = "usage",
    .usage = "[OPTIONS] HOST|CONTAINER",
    .summary = "Show the resource usage of a container or host in the past",
    .examples = "  dockmon usage prod-1/web --since 24h\n"
                "  dockmon usage prod-1 --metric cpu,load_1,mem_used\n"
                "  dockmon usage web --since 168h --step 1h --csv > web.csv\n",
    VERB_FLAGS(flags),
    .words = WORDS_CONTAINERS,
    .min_words = 1,
    .max_words = 1,
    .options_size = sizeof(struct history_options),
    .run = run,
};
