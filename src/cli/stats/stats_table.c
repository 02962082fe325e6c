#include "cli/stats/stats_table.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/listing.h"
#include "cli/common/member.h"
#include "cli/common/table.h"
#include "cli/common/text.h"
#include "cli/containers/containers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN   "--"
#define ID_SIZE   12
#define MAX_TABLE (SIZE_MAX / 2)
#define MIN_NAME  16 /* columns that a name keeps before a column with metrics is dropped */
#define LEAVES_ID 1  /* of the column with ids, which is dropped before a name is cut */

/* --- values ----------------------------------------------------------------------------------- */

static double read_number(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static double read_metric(const struct stats_row *r, const char *name)
{
    return read_number(r->metrics, name);
}

/* The sum of two values, or the known one if the other is unknown. */
static double add_known(double a, double b)
{
    if (isnan(a))
        return b;
    return isnan(b) ? a : a + b;
}

static double add_network(const struct stats_row *r, const char *which)
{
    (void)which;
    return add_known(read_metric(r, "network_rx"), read_metric(r, "network_tx"));
}

static double add_disk(const struct stats_row *r, const char *which)
{
    (void)which;
    return add_known(read_metric(r, "disk_read"), read_metric(r, "disk_write"));
}

/* A member of the subject, which is known even without metrics. */
static double read_subject(const struct stats_row *r, const char *which)
{
    return read_number(r->subject, which);
}

/* --- cells ------------------------------------------------------------------------------------ */

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

static char *format_subject(const struct stats_row *r, const char *which)
{
    return xstrdup(member_text(r->subject, which));
}

/* The name, and the reason why there are no metrics: "prod-2 (offline 3m)". */
static char *format_host(const struct stats_row *r, const char *which)
{
    bool is_offline = str_eq(member_text(r->host, "status"), "offline");
    _cleanup_free_ char *age = NULL;

    if (!r->host || (!is_offline && !container_engine_is_down(r->host, "error")))
        return format_subject(r, which);
    age = container_stale_age(r->host, "last_checked", r->now_ms);
    return xasprintf("%s (%s%s%s)", member_text(r->subject, which),
                     is_offline ? "offline" : "engine down", age ? " " : "", age ? age : "");
}

/* "offline 3m", "engine down": the status with the age of the last list. */
static char *format_status(const struct stats_row *r, const char *which)
{
    bool is_down = container_engine_is_down(r->subject, "error");
    const char *status = member_text(r->subject, which);
    _cleanup_free_ char *age = NULL;

    if (str_eq(status, "online") && !is_down)
        return xstrdup(status);
    age = container_stale_age(r->subject, "last_checked", r->now_ms);
    return xasprintf("%s%s%s", str_eq(status, "online") ? "engine down" : status, age ? " " : "",
                     age ? age : "");
}

static char *format_id(const struct stats_row *r, const char *which)
{
    return xstrndup(member_text(r->subject, which), ID_SIZE);
}

static char *format_percent(const struct stats_row *r, const char *which)
{
    double v = read_metric(r, which);

    return isnan(v) ? xstrdup(UNKNOWN) : xasprintf("%.2f%%", v);
}

static char *format_number(double v)
{
    return isnan(v) ? xstrdup(UNKNOWN) : xasprintf("%.0f", v);
}

static char *format_count(const struct stats_row *r, const char *which)
{
    return format_number(read_metric(r, which));
}

static char *format_subject_count(const struct stats_row *r, const char *which)
{
    return format_number(read_subject(r, which));
}

static char *format_memory(const struct stats_row *r, const char *which)
{
    _cleanup_free_ char *used = stats_binary_size(read_metric(r, which));
    _cleanup_free_ char *limit = stats_binary_size(read_metric(r, "memory_limit"));

    return xasprintf("%s / %s", used, limit);
}

static char *format_pair(const struct stats_row *r, const char *in, const char *out)
{
    _cleanup_free_ char *a = stats_decimal_size(read_metric(r, in));
    _cleanup_free_ char *b = stats_decimal_size(read_metric(r, out));

    return xasprintf("%s / %s", a, b);
}

static char *format_network(const struct stats_row *r, const char *which)
{
    (void)which;
    return format_pair(r, "network_rx", "network_tx");
}

static char *format_disk(const struct stats_row *r, const char *which)
{
    (void)which;
    return format_pair(r, "disk_read", "disk_write");
}

static char *format_rate(const struct stats_row *r, const char *which)
{
    double v = read_metric(r, which);
    _cleanup_free_ char *size = stats_decimal_size(v);

    return isnan(v) ? xstrdup(UNKNOWN) : xasprintf("%s/s", size);
}

/* The source of an agent's statistics; `dockmon hosts --wide` explains it. */
static char *format_source(const struct stats_row *r, const char *which)
{
    const json_t *stats = json_object_get(json_object_get(r->subject, "agent"), "stats");
    const char *source = member_text(stats, which);

    return xstrdup(*source ? source : UNKNOWN);
}

/* clang-format off: one column per line */
static const struct stats_column container_columns[] = {
    {"CONTAINER ID",      NULL,    0,   true,  1, "id",             format_id,      NULL       },
    {"HOST",              "host",  'h', true,  0, "host_name",      format_host,    NULL       },
    {"NAME",              "name",  'n', true,  0, "name",           format_subject, NULL       },
    {"CPU %",             "cpu",   'c', false, 0, "cpu_percent",    format_percent, read_metric},
    {"MEM USAGE / LIMIT", "mem",   'm', false, 6, "memory_usage",   format_memory,  read_metric},
    {"MEM %",             "mem%",  '%', false, 2, "memory_percent", format_percent, read_metric},
    {"NET I/O",           "net",   'i', false, 5, NULL,             format_network, add_network},
    {"BLOCK I/O",         "block", 'b', false, 4, NULL,             format_disk,    add_disk   },
    {"PIDS",              "pids",  'p', false, 3, "pids",           format_count,   read_metric},
};

static const struct stats_column host_columns[] = {
    {"HOST ID",    NULL,         0,   true,  1, "id",                format_id,            NULL       },
    {"HOST",       "host",       'h', true,  0, "name",              format_subject,       NULL       },
    {"STATUS",     "status",     's', true,  3, "status",            format_status,        NULL       },
    {"CPU %",      "cpu",        'c', false, 0, "cpu_percent",       format_percent,       read_metric},
    {"MEM %",      "mem",        'm', false, 0, "memory_percent",    format_percent,       read_metric},
    {"NET I/O",    "net",        'i', false, 5, "net_bytes_per_sec", format_rate,          read_metric},
    {"CONTAINERS", "containers", 'p', false, 4, "container_count",   format_subject_count,
     read_subject                                                                                     },
    {"SOURCE",     NULL,         0,   true,  2, "containers",        format_source,        NULL       },
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

/* --- order ------------------------------------------------------------------------------------ */

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
        return isnan(x) - isnan(y); /* unknown values are last in both directions */
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

/* --- the table -------------------------------------------------------------------------------- */

static size_t measure_widest_line(const char *text)
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

/* The part of a table that fits: columns by their bits, and the longest name. */
struct fit {
    const struct stats_view *view;
    const struct stats_column *by; /* never dropped; may be NULL */
    uint32_t shown;
    size_t max_name;
};

/* The next column to be dropped; NULL: none is left. */
static const struct stats_column *find_dropped(const struct fit *f)
{
    const struct stats_column *next = NULL;

    for (size_t i = 0; i < f->view->n; i++) {
        const struct stats_column *c = &f->view->columns[i];

        if ((f->shown >> i & 1) && c->leaves > 0 && c != f->by &&
            (!next || c->leaves < next->leaves))
            next = c;
    }
    return next;
}

static bool is_name(const struct stats_column *c)
{
    return c->name && str_eq(c->name, "name");
}

static size_t measure_longest_name(const struct stats_row *rows, size_t n)
{
    size_t longest = 0;

    for (size_t i = 0; i < n; i++) {
        size_t width = text_width(member_text(rows[i].subject, "name"));

        longest = width > longest ? width : longest;
    }
    return longest;
}

/* Makes the table narrower by `excess` columns or less; false if that is not possible. */
static bool narrow(struct fit *f, size_t excess)
{
    const struct stats_column *next = find_dropped(f);

    if (f->max_name > MIN_NAME && (!next || next->leaves > LEAVES_ID)) {
        f->max_name = f->max_name > MIN_NAME + excess ? f->max_name - excess : MIN_NAME;
        return true;
    }
    if (!next)
        return false;
    f->shown &= ~(UINT32_C(1) << (next - f->view->columns));
    return true;
}

static void print_columns(const struct fit *f,
                          const struct stats_row *rows,
                          size_t n,
                          struct buf *out)
{
    const struct stats_view *v = f->view;
    const char *headers[TABLE_MAX_COLUMNS];
    size_t n_headers = 0;
    struct table t;

    buf_clear(out);
    for (size_t i = 0; i < v->n; i++) {
        if (f->shown >> i & 1)
            headers[n_headers++] = v->columns[i].header;
    }
    table_init(&t, n_headers, headers);
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < v->n; i++) {
            const struct stats_column *c = &v->columns[i];
            _cleanup_free_ char *text = NULL, *cut = NULL;

            if (!(f->shown >> i & 1))
                continue;
            text = c->text(&rows[k], c->which);
            cut = is_name(c) ? text_cut(text, f->max_name) : NULL;
            table_add(&t, cut ? cut : text);
        }
    }
    table_print(&t, false, out);
    table_done(&t);
}

/* Prints as much as fits into `width`. A cut name gets the room that a dropped column has left. */
static void print_fitting(
    struct fit *f, const struct stats_row *rows, size_t n, size_t width, struct buf *out)
{
    size_t longest = f->max_name, used;

    print_columns(f, rows, n, out);
    while ((used = measure_widest_line(buf_str(out))) > width && narrow(f, used - width))
        print_columns(f, rows, n, out);
    if (used < width && f->max_name < longest) {
        f->max_name += width - used;
        print_columns(f, rows, n, out);
    }
}

static void append_cut(struct buf *out, const char *text, size_t width)
{
    while (*text) {
        size_t size = strcspn(text, "\n");
        _cleanup_free_ char *line = xstrndup(text, size);
        _cleanup_free_ char *cut = text_cut(line, width);

        (void)buf_printf(out, "%s\n", cut); /* the caller sets no limit */
        text += size + (text[size] == '\n');
    }
}

void stats_print(const struct stats_view *v,
                 const struct stats_column *by,
                 const struct stats_row *rows,
                 size_t n,
                 size_t width,
                 struct buf *out)
{
    struct fit f = {v, by, (UINT32_C(1) << v->n) - 1, measure_longest_name(rows, n)};
    struct buf text = BUF_INIT(MAX_TABLE);

    if (width > 0) {
        print_fitting(&f, rows, n, width, &text);
        append_cut(out, buf_str(&text), width);
    } else {
        print_columns(&f, rows, n, &text);
        (void)buf_append(out, text.data, text.size);
    }
    buf_done(&text);
}

json_t *stats_json(const struct stats_row *r)
{
    static const char *const members[] = {"id",        "full_id", "name",  "host_id",
                                          "host_name", "state",   "status"};
    json_t *o = json_object();

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        json_t *v = json_object_get(r->subject, members[i]);

        if (v)
            (void)json_object_set(o, members[i], v);
    }
    (void)json_object_set_new(o, "stats", r->metrics ? json_deep_copy(r->metrics) : json_null());
    return o;
}

const struct format_field stats_fields[] = {
    {"Container",     "CONTAINER"},
    {"ID",               "CONTAINER ID"},
    {"Name","NAME"},
    {"CPUPerc",          "CPU %"},
    {"MemUsage",               "MEM USAGE / LIMIT"},
    {"MemPerc","MEM %"},
    {"NetIO",      "NET I/O"},
    {"BlockIO",               "BLOCK I/O"},
    {"PIDs",          "PIDS"},
    {"Host",         "HOST"},
    {0              },
};

json_t *stats_describe(const struct stats_row *r)
{
    const char *host = member_text(r->subject, "host_name");
    const char *name = member_text(r->subject, "name");
    json_t *o = json_object();

    listing_set_field(o, "Container", format_id(r, "id"));
    listing_set_field(o, "ID", format_id(r, "id"));
    listing_set_field(o, "Name", xstrdup(name));
    listing_set_field(o, "CPUPerc", format_percent(r, "cpu_percent"));
    listing_set_field(o, "MemUsage", format_memory(r, "memory_usage"));
    listing_set_field(o, "MemPerc", format_percent(r, "memory_percent"));
    listing_set_field(o, "NetIO", format_network(r, NULL));
    listing_set_field(o, "BlockIO", format_disk(r, NULL));
    listing_set_field(o, "PIDs", format_count(r, "pids"));
    listing_set_field(o, "Host", xstrdup(*host ? host : name)); /* a host is its own */
    return o;
}
