#include "cli/stats/stats_table.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/member.h"
#include "cli/common/table.h"
#include "cli/common/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN   "--"
#define ID_SIZE   12
#define MAX_TABLE (SIZE_MAX / 2)

/* --- what a row has ----------------------------------------------------------------------------- */

static double figure(const struct stats_row *r, const char *name)
{
    const json_t *v = json_object_get(r->figures, name);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

/* The sum of two; what is known of them when one is not. */
static double sum(double a, double b)
{
    if (isnan(a))
        return b;
    return isnan(b) ? a : a + b;
}

static double network_number(const struct stats_row *r, const char *which)
{
    (void)which;
    return sum(figure(r, "network_rx"), figure(r, "network_tx"));
}

static double disk_number(const struct stats_row *r, const char *which)
{
    (void)which;
    return sum(figure(r, "disk_read"), figure(r, "disk_write"));
}

/* Of the subject, which is there whether or not it is measured. */
static double subject_number(const struct stats_row *r, const char *which)
{
    const json_t *v = json_object_get(r->subject, which);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

/* --- how it reads ------------------------------------------------------------------------------- */

char *stats_binary_size(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t i = 0;

    if (isnan(bytes))
        return xstrdup(UNKNOWN);
    for (; bytes >= 1024 && i + 1 < ARRAY_LEN(units); i++)
        bytes /= 1024;
    return xasprintf("%.4g%s", bytes, units[i]);
}

char *stats_decimal_size(double bytes)
{
    if (isnan(bytes))
        return xstrdup(UNKNOWN);
    if (bytes >= (double)INT64_MAX)
        return text_size(INT64_MAX);
    return text_size(bytes > 0 ? (int64_t)bytes : 0);
}

static char *subject_text(const struct stats_row *r, const char *which)
{
    return xstrdup(member_text(r->subject, which));
}

static char *id_text(const struct stats_row *r, const char *which)
{
    return xstrndup(member_text(r->subject, which), ID_SIZE);
}

static char *percent_text(const struct stats_row *r, const char *which)
{
    double v = figure(r, which);

    return isnan(v) ? xstrdup(UNKNOWN) : xasprintf("%.2f%%", v);
}

static char *count_text(const struct stats_row *r, const char *which)
{
    double v = figure(r, which);

    return isnan(v) ? xstrdup(UNKNOWN) : xasprintf("%.0f", v);
}

static char *subject_count_text(const struct stats_row *r, const char *which)
{
    double v = subject_number(r, which);

    return isnan(v) ? xstrdup(UNKNOWN) : xasprintf("%.0f", v);
}

static char *memory_text(const struct stats_row *r, const char *which)
{
    _cleanup_free_ char *used = stats_binary_size(figure(r, which));
    _cleanup_free_ char *limit = stats_binary_size(figure(r, "memory_limit"));

    return xasprintf("%s / %s", used, limit);
}

static char *pair_text(const struct stats_row *r, const char *in, const char *out)
{
    _cleanup_free_ char *a = stats_decimal_size(figure(r, in));
    _cleanup_free_ char *b = stats_decimal_size(figure(r, out));

    return xasprintf("%s / %s", a, b);
}

static char *network_text(const struct stats_row *r, const char *which)
{
    (void)which;
    return pair_text(r, "network_rx", "network_tx");
}

static char *disk_text(const struct stats_row *r, const char *which)
{
    (void)which;
    return pair_text(r, "disk_read", "disk_write");
}

static char *rate_text(const struct stats_row *r, const char *which)
{
    double v = figure(r, which);
    _cleanup_free_ char *size = stats_decimal_size(v);

    return isnan(v) ? xstrdup(UNKNOWN) : xasprintf("%s/s", size);
}

/* Where an agent's figures come from; notes and reasons are in `dockmon hosts --wide`. */
static char *source_text(const struct stats_row *r, const char *which)
{
    const json_t *stats = json_object_get(json_object_get(r->subject, "agent"), "stats");
    const char *source = member_text(stats, which);

    return xstrdup(*source ? source : UNKNOWN);
}

/* clang-format off: one column per line */
static const struct stats_column container_columns[] = {
    {"CONTAINER ID",      NULL,    0,   true,  1, "id",             id_text,      NULL          },
    {"HOST",              "host",  'h', true,  0, "host_name",      subject_text, NULL          },
    {"NAME",              "name",  'n', true,  0, "name",           subject_text, NULL          },
    {"CPU %",             "cpu",   'c', false, 0, "cpu_percent",    percent_text, figure        },
    {"MEM USAGE / LIMIT", "mem",   'm', false, 6, "memory_usage",   memory_text,  figure        },
    {"MEM %",             "mem%",  '%', false, 2, "memory_percent", percent_text, figure        },
    {"NET I/O",           "net",   'i', false, 5, NULL,             network_text, network_number},
    {"BLOCK I/O",         "block", 'b', false, 4, NULL,             disk_text,    disk_number   },
    {"PIDS",              "pids",  'p', false, 3, "pids",           count_text,   figure        },
};

static const struct stats_column host_columns[] = {
    {"HOST ID",    NULL,         0,   true,  1, "id",                id_text,            NULL  },
    {"HOST",       "host",       'h', true,  0, "name",              subject_text,       NULL  },
    {"STATUS",     "status",     's', true,  3, "status",            subject_text,       NULL  },
    {"CPU %",      "cpu",        'c', false, 0, "cpu_percent",       percent_text,       figure},
    {"MEM %",      "mem",        'm', false, 0, "memory_percent",    percent_text,       figure},
    {"NET I/O",    "net",        'i', false, 5, "net_bytes_per_sec", rate_text,          figure},
    {"CONTAINERS", "containers", 'p', false, 4, "container_count",   subject_count_text,
     subject_number                                                                            },
    {"SOURCE",     NULL,         0,   true,  2, "containers",        source_text,        NULL  },
};
/* clang-format on */

const struct stats_view stats_of_containers = {container_columns, ARRAY_LEN(container_columns)};
const struct stats_view stats_of_hosts = {host_columns, ARRAY_LEN(host_columns)};

const struct stats_column *stats_column_find(const struct stats_view *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->columns[i].name && str_eq(v->columns[i].name, name))
            return &v->columns[i];
    }
    return NULL;
}

const struct stats_column *stats_column_of_key(const struct stats_view *v, char key)
{
    for (size_t i = 0; i < v->n; i++) {
        if (key && v->columns[i].key == key)
            return &v->columns[i];
    }
    return NULL;
}

/* --- order -------------------------------------------------------------------------------------- */

struct sort_order {
    const struct stats_column *by;
    bool is_reversed;
};

static int compare_texts(const struct stats_row *a, const struct stats_row *b, const char *member)
{
    return strcmp(member_text(a->subject, member), member_text(b->subject, member));
}

static int compare_numbers(const struct stats_row *a,
                           const struct stats_row *b,
                           const struct sort_order *o)
{
    double x = o->by->number(a, o->by->which), y = o->by->number(b, o->by->which);

    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y); /* last in both directions */
    if (x == y)
        return 0;
    return (x > y) != o->is_reversed ? -1 : 1;
}

static int compare(const void *p, const void *q, void *order)
{
    static const char *const rest[] = {"host_name", "name", "id"};
    const struct stats_row *a = p, *b = q;
    const struct sort_order *o = order;
    int r;

    if (o->by->is_text) {
        r = compare_texts(a, b, o->by->which);
        r = o->is_reversed ? -r : r;
    } else {
        r = compare_numbers(a, b, o);
    }
    for (size_t i = 0; i < ARRAY_LEN(rest) && r == 0; i++)
        r = compare_texts(a, b, rest[i]);
    return r;
}

void stats_sort(struct stats_row *rows, size_t n, const struct stats_column *by, bool is_reversed)
{
    struct sort_order order = {by, is_reversed};

    if (n > 1)
        qsort_r(rows, n, sizeof(rows[0]), compare, &order);
}

/* --- the table ---------------------------------------------------------------------------------- */

static size_t widest_line(const char *text)
{
    size_t widest = 0;

    while (*text) {
        size_t size = strcspn(text, "\n");
        _cleanup_free_ char *line = xstrndup(text, size);
        size_t width = text_width(line);

        widest = width > widest ? width : widest;
        text += size + (text[size] == '\n');
    }
    return widest;
}

/* The column that leaves next, of those in `shown`; false: none. */
static bool drop_one(const struct stats_view *v, uint32_t *shown)
{
    size_t next = v->n;

    for (size_t i = 0; i < v->n; i++) {
        if ((*shown >> i & 1) && v->columns[i].leaves > 0 &&
            (next == v->n || v->columns[i].leaves < v->columns[next].leaves))
            next = i;
    }
    if (next == v->n)
        return false;
    *shown &= ~(UINT32_C(1) << next);
    return true;
}

static void print_columns(const struct stats_view *v,
                          uint32_t shown,
                          const struct stats_row *rows,
                          size_t n,
                          struct buf *out)
{
    const char *headers[TABLE_MAX_COLUMNS];
    size_t n_headers = 0;
    struct table t;

    for (size_t i = 0; i < v->n; i++) {
        if (shown >> i & 1)
            headers[n_headers++] = v->columns[i].header;
    }
    table_init(&t, n_headers, headers);
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < v->n; i++) {
            _cleanup_free_ char *text = NULL;

            if (!(shown >> i & 1))
                continue;
            text = v->columns[i].text(&rows[k], v->columns[i].which);
            table_add(&t, text);
        }
    }
    table_print(&t, false, out);
    table_done(&t);
}

static void append_cut(struct buf *out, const char *text, size_t width)
{
    while (*text) {
        size_t size = strcspn(text, "\n");
        _cleanup_free_ char *line = xstrndup(text, size);
        _cleanup_free_ char *cut = text_cut(line, width);

        (void)buf_printf(out, "%s\n", cut); /* the owner gives it no limit */
        text += size + (text[size] == '\n');
    }
}

void stats_print(const struct stats_view *v,
                 const struct stats_row *rows,
                 size_t n,
                 size_t width,
                 struct buf *out)
{
    uint32_t shown = (UINT32_C(1) << v->n) - 1;
    struct buf text = BUF_INIT(MAX_TABLE);

    print_columns(v, shown, rows, n, &text);
    while (width > 0 && widest_line(buf_str(&text)) > width && drop_one(v, &shown)) {
        buf_clear(&text);
        print_columns(v, shown, rows, n, &text);
    }
    if (width > 0) {
        append_cut(out, buf_str(&text), width);
    } else {
        (void)buf_append(out, text.data, text.size);
    }
    buf_done(&text);
}

json_t *stats_json(const struct stats_row *r)
{
    static const char *const members[] = {"id", "name", "host_id", "host_name", "state", "status"};
    json_t *o = json_object();

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        json_t *v = json_object_get(r->subject, members[i]);

        if (v)
            (void)json_object_set(o, members[i], v);
    }
    (void)json_object_set_new(o, "stats", r->figures ? json_deep_copy(r->figures) : json_null());
    return o;
}
