#include "cli/common/format.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/output.h"
#include "cli/common/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TABLE_WORD "table"

/* Shells leave \t and \n in a template as they are, so docker reads them there. To be freed. */
static char *read_escapes(const char *text)
{
    char *out, *to;

    assert(text);
    out = to = xstrdup(text);
    for (const char *p = text; *p; p++) {
        if (p[0] == '\\' && (p[1] == 't' || p[1] == 'n')) {
            *to++ = *++p == 't' ? '\t' : '\n';
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    return out;
}

int format_parse(const char *text, struct format *ret, struct error *err)
{
    bool is_table = text && str_starts_with(text, TABLE_WORD);
    _cleanup_free_ char *own = NULL;
    struct format f = {0};
    int r = 0;

    if (is_table) {
        text += strlen(TABLE_WORD);
        text += strspn(text, " \t");
    }
    if (!str_is_empty(text) && str_eq(text, "json") && !is_table) {
        f.kind = FORMAT_JSON;
    } else if (!str_is_empty(text)) {
        own = read_escapes(text);
        f.kind = is_table ? FORMAT_TABLE : FORMAT_LINES;
        r = template_parse(&f.template, own, err);
    }
    if (r < 0)
        return error_wrap(err, r, "--format");
    *ret = f;
    return 0;
}

void format_done(struct format *f)
{
    template_free(TAKE_PTR(f->template));
}

static int print_line(const struct format *f, const json_t *row, struct error *err)
{
    const struct template_data data = {.dot = row, .labels = json_object_get(row, FORMAT_LABELS)};
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    int r = template_run(f->template, &data, &out, err);

    if (r == 0) {
        output_raw(buf_str(&out), out.size);
        output_raw("\n", 1);
    }
    buf_done(&out);
    return r;
}

static void print_json(const json_t *row)
{
    json_auto_t *own = json_copy((json_t *)(uintptr_t)row);
    _cleanup_free_ char *text = NULL;

    (void)json_object_del(own, FORMAT_LABELS);
    text = template_json(own, true);
    output_raw(text, strlen(text));
    output_raw("\n", 1);
}

static json_t *make_headers(const struct format_field *fields)
{
    json_t *headers = json_object();

    for (; fields->name; fields++)
        (void)json_object_set_new(headers, fields->name, json_string(fields->header));
    return headers;
}

/* The cells of one row: the output of the template between tabs. To be freed. */
static int make_cells(const struct format *f,
                      const struct template_data *data,
                      char **ret,
                      struct error *err)
{
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    int r = template_run(f->template, data, &out, err);

    if (r == 0) {
        *ret = xstrdup(buf_str(&out));
    }
    buf_done(&out);
    return r;
}

static size_t count_cells(const char *text)
{
    size_t n = 1;

    for (; *text; text++)
        n += *text == '\t';
    return n;
}

/* Adds as many cells as the header has: text behind the last tab stays in the last one. */
static void add_cells(struct table *t, char *text)
{
    for (size_t i = 0; i < t->n_columns; i++)
        table_add(t, i + 1 < t->n_columns && text ? strsep(&text, "\t") : text ? text : "");
}

static int print_table(const struct format *f,
                       const json_t *rows,
                       const struct format_field *fields,
                       struct error *err)
{
    json_auto_t *names = make_headers(fields);
    const struct template_data head = {.dot = names, .is_header = true};
    const char *headers[TABLE_MAX_COLUMNS];
    _cleanup_free_ char *text = NULL;
    char *rest;
    struct table t;
    size_t n;
    int r = make_cells(f, &head, &text, err);

    if (r < 0 || !text)
        return r;
    n = count_cells(text);
    if (n > TABLE_MAX_COLUMNS)
        return error_set(err, -EINVAL, "at most %d columns are possible", TABLE_MAX_COLUMNS);
    rest = text;
    for (size_t i = 0; i < n; i++)
        headers[i] = strsep(&rest, "\t");
    table_init(&t, n, headers);
    for (size_t i = 0; i < json_array_size(rows) && r == 0; i++) {
        const json_t *row = json_array_get(rows, i);
        const struct template_data data = {.dot = row,
                                           .labels = json_object_get(row, FORMAT_LABELS)};
        _cleanup_free_ char *cells = NULL;

        r = make_cells(f, &data, &cells, err);
        if (r == 0)
            add_cells(&t, cells);
    }
    output_table(&t);
    return r;
}

int format_print(const struct format *f,
                 const json_t *rows,
                 const struct format_field *fields,
                 struct error *err)
{
    int r = 0;

    if (f->kind == FORMAT_TABLE)
        return print_table(f, rows, fields, err);
    for (size_t i = 0; i < json_array_size(rows) && r == 0; i++) {
        if (f->kind == FORMAT_JSON) {
            print_json(json_array_get(rows, i));
        } else {
            r = print_line(f, json_array_get(rows, i), err);
        }
    }
    return r;
}

char *format_time(const char *timestamp)
{
    char text[64];
    struct tm tm;
    time_t seconds;
    int64_t ns;

    if (time_parse_ns(timestamp, &ns) < 0)
        return xstrdup("");
    seconds = (time_t)time_div_floor(ns, NS_PER_S);
    (void)localtime_r(&seconds, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z %Z", &tm);
    return xstrdup(text);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *format_labels(const json_t *labels)
{
    size_t size = json_object_size(labels), n = 0;
    _cleanup_free_ const char **keys = xcalloc(size + 1, sizeof(*keys));
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)labels, key, value) keys[n++] = key;
    qsort(keys, n, sizeof(*keys), compare_text);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_object_get(labels, keys[i]));

        (void)buf_printf(&out, "%s%s=%s", i ? "," : "", keys[i], text ? text : "");
    }
    return out.data ? buf_take(&out) : xstrdup("");
}

json_t *format_bool(bool is_true)
{
    return json_string(is_true ? "true" : "false");
}
