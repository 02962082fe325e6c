/*
 * GET /api/v2/audit-log/export: the rows that match the filters, newest first, as CSV or as a JSON
 * array. A store job reads one page at a time, when the client has taken the one before, so that an
 * export holds a page in memory and does not delay other jobs.
 */

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/audit_query.h"
#include "server/api/handlers.h"

#include <errno.h>
#include <string.h>

#define MAX_ROWS      100000
#define MAX_EXPORTS   4
#define MAX_PAGE_TEXT ((size_t)64 << 20) /* targets and results are at most some KB each */

struct export_job;

struct export
{
    struct api *api;
    struct http_server *http;
    uint64_t request_id;
    struct audit_filters filters;
    bool is_json;
    uint32_t offset;
    struct export_job *job; /* the page that is read now, or NULL */
};

/* One page. It owns its input, because the client may leave meanwhile. */
struct export_job {
    struct export *owner; /* NULL: the client has left */
    struct db *store;
    struct audit_filters filters;
    bool is_json;
    uint32_t offset, n_rows;
    struct buf text;
    const json_t *users;
    int code;
    struct error err;
};

static const char *const columns[] = {"id",        "created_at",  "user_id",   "username",
                                      "action",    "entity_type", "entity_id", "entity_name",
                                      "host_name", "ip_address",  "result"};

static void export_free(struct export *x)
{
    x->api->n_exports--;
    if (x->job)
        x->job->owner = NULL;
    audit_filters_done(&x->filters);
    free(x);
}

/* A text that a spreadsheet would take for a formula gets an apostrophe before it. */
static void put_cell(struct buf *out, const char *text)
{
    (void)buf_append_str(out, "\"");
    if (*text && strchr("=+-@\t\r", *text) && text[1])
        (void)buf_append_str(out, "'");
    for (; *text; text++) {
        if (*text == '"')
            (void)buf_append_char(out, '"');
        (void)buf_append_char(out, *text);
    }
    (void)buf_append_str(out, "\"");
}

static void put_value(struct buf *out, const json_t *v)
{
    if (json_is_integer(v)) {
        (void)buf_append_i64(out, json_integer_value(v));
    } else if (json_is_string(v)) {
        put_cell(out, json_string_value(v));
    }
}

static void put_line(struct buf *out, const json_t *entry)
{
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        const json_t *v = json_object_get(entry, columns[i]);

        if (!v)
            v = json_object_get(json_object_get(entry, "details"), columns[i]);
        (void)buf_append_str(out, i ? "," : "");
        put_value(out, v);
    }
    (void)buf_append_str(out, "\r\n");
}

static void put_head(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        (void)buf_append_str(out, i ? "," : "");
        (void)buf_append_str(out, columns[i]);
    }
    (void)buf_append_str(out, "\r\n");
}

static void append_row(void *arg, const struct audit_entry *e)
{
    struct export_job *job = arg;
    json_auto_t *entry = audit_entry_json(e, job->users);
    _cleanup_free_ char *text = NULL;
    size_t size;

    if (job->is_json) {
        text = json_text_write(entry, &size);
        (void)buf_append_str(&job->text, job->offset + job->n_rows ? ",\n" : "");
        (void)buf_append(&job->text, text, size);
    } else {
        put_line(&job->text, entry);
    }
    job->n_rows++;
}

static void on_work(void *arg)
{
    struct export_job *job = arg;
    struct audit_query q = audit_filters_query(&job->filters);
    json_auto_t *users = audit_user_ids(job->store, &job->err);

    if (job->offset == 0) {
        if (job->is_json) {
            (void)buf_append_str(&job->text, "[");
        } else {
            put_head(&job->text);
        }
    }
    q.page.limit = PAGE_MAX;
    q.page.offset = job->offset;
    job->users = users;
    job->code = users ? audit_list(job->store, &q, append_row, job, NULL, &job->err)
                      : job->err.code;
}

static void job_free(struct export_job *job)
{
    audit_filters_done(&job->filters);
    buf_done(&job->text);
    free(job);
}

static void send_page(struct export *x, struct export_job *job)
{
    bool is_last = job->n_rows < PAGE_MAX || x->offset + job->n_rows >= MAX_ROWS;

    if (job->code < 0) {
        log_error(NULL, "export of the audit log ended early: %s", job->err.msg);
        is_last = true; /* a JSON array has no end then */
    } else if (is_last && job->is_json) {
        (void)buf_append_str(&job->text, "]\n");
    }
    x->offset += job->n_rows;
    if (http_stream_write(x->http, x->request_id, job->text.data, job->text.size) < 0)
        is_last = true; /* the client has left */
    if (!is_last)
        return; /* on_drain() reads the next page */
    http_stream_end(x->http, x->request_id);
    export_free(x);
}

static void on_done(void *arg)
{
    struct export_job *job = arg;

    if (job->owner) {
        job->owner->job = NULL;
        send_page(job->owner, job);
    }
    job_free(job);
}

static void on_drain(void *owner)
{
    struct export *x = owner;
    const struct audit_filters *f = &x->filters;
    struct export_job *job;

    if (x->job)
        return;
    job = xcalloc(1, sizeof(*job));
    *job = (struct export_job){
        .owner = x,
        .store = x->api->o.store,
        .filters = {.since_ms = f->since_ms,
                    .until_ms = f->until_ms,
                    .who = xstrdup(f->who),
                    .action = xstrdup(f->action),
                    .search = xstrdup(f->search),
                    .prefixes = xstrdup(f->prefixes),
                    .others = xstrdup(f->others)},
        .is_json = x->is_json,
        .offset = x->offset,
        .text = BUF_INIT(MAX_PAGE_TEXT),
    };
    x->job = job;
    if (job_submit(x->api->o.store_jobs, job, on_work, on_done) == 0)
        return;
    log_error(NULL, "export of the audit log ended early: the store queue is full");
    http_stream_end(x->http, x->request_id);
    export_free(x);
    job_free(job);
}

static void on_gone(void *owner)
{
    export_free(owner);
}

static int read_format(const struct api_call *call, bool *ret_is_json, struct error *err)
{
    _cleanup_free_ char *format = api_query(call, "format");

    *ret_is_json = str_eq(format, "json");
    if (str_is_empty(format) || *ret_is_json || str_eq(format, "csv"))
        return 0;
    return error_set(err, -EDOM, "query parameter `format` must be csv or json");
}

void audit_log_export(struct api_call *call)
{
    static const struct http_stream_handler handler = {.on_drain = on_drain, .on_gone = on_gone};
    struct error err = ERROR_INIT;
    struct audit_filters f;
    struct export *x;
    bool is_json;

    if (audit_filters_read(call, &f, &err) < 0 || read_format(call, &is_json, &err) < 0) {
        audit_filters_done(&f);
        api_fail_error(call, &err);
        return;
    }
    if (call->api->n_exports >= MAX_EXPORTS) {
        audit_filters_done(&f);
        api_fail_default(call, CODE_BUSY);
        return;
    }
    if (!f.until_ms)
        f.until_ms = time_utc_ms() + 1; /* rows that are added meanwhile would shift the pages */
    x = xcalloc(1, sizeof(*x));
    *x = (struct export){
        .api = call->api,
        .http = call->api->http,
        .request_id = call->request_id,
        .filters = f,
        .is_json = is_json,
    };
    x->api->n_exports++;
    if (!api_reply_stream(
            call,
            &(struct http_stream){
                .status = 200,
                .content_type = is_json ? "application/json" : "text/csv; charset=utf-8",
                .headers = (const char *const[]){"Content-Disposition",
                                                 is_json ? "attachment; filename=\"audit-log.json\""
                                                         : "attachment; filename=\"audit-log.csv\"",
                                                 NULL},
                .max_queue = MAX_PAGE_TEXT,
                .handler = &handler,
                .owner = x,
    }))
        export_free(x);
}
