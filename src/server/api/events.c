/*
 * GET /api/events and GET /api/audit: pages of the event log and of the audit log, newest first; the
 * events of a host, of a container and of one operation, in the shape of DockMon.
 */

#include "server/store/events.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "net/url.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/api/scope_check.h"
#include "server/fleet/scope_view.h"
#include "server/store/audit.h"
#include "server/view/event_json.h"
#include "server/view/json_values.h"

#include <errno.h>
#include <stddef.h>

#define DEFAULT_LIMIT 100
#define MAX_OFFSET    1000000

/* Text filters. The first ones may be repeated, and any of the values matches. */
static const struct {
    const char *name;
    size_t one, many; /* in struct events_query: the value, or the JSON array of several */
} filters[] = {
    {"host_id",                     offsetof(struct events_query,       host_id),                                                                   offsetof(struct events_query,host_ids)},
    {"container_id",                             offsetof(struct events_query,                                                  container_id),
     offsetof(struct events_query,container_ids)},
    {"category",               offsetof(struct events_query,                                                 category),
     offsetof(struct events_query,                                                                   categories)},
    {"severity",  offsetof(struct events_query,                         severity),
     offsetof(struct events_query,severities)},
    {"event_type",                    offsetof(struct events_query,                                      type),                                                                                                     0                                                                             },
    {"search",offsetof(struct events_query,search),0},
    {"container_name",                    offsetof(struct events_query,                                                                          container_name),                                                                                                                                                                                                         0                                                                                                                                                                                                                                                                                                                                           },
    {"correlation_id",offsetof(struct events_query,correlation_id),0},
};

/* Arguments of the job: the values of the filters, then the arrays of the first N_REPEATED. */
#define N_REPEATED     4
#define MAX_REPEATED   100
#define ARG_MANY       ARRAY_LEN(filters)
#define ARG_HOSTS      (ARG_MANY + N_REPEATED) /* the scope of the caller */
#define ARG_CONTAINERS (ARG_HOSTS + 1)
#define ARG_ID         (ARG_CONTAINERS + 1)

_Static_assert(ARG_ID < API_JOB_ARGS, "every filter is a job argument");

enum { FILTER_HOST, FILTER_CONTAINER, FILTER_CORRELATION = 7 };

/* Number of the job: the filters that come from the path, as bits. The response names them. */
#define NUMBER_PATH 4

/* Returns the page that read_range() has stored in the job's numbers. */
static struct page get_page(const struct api_job *job)
{
    return (struct page){
        .since_ms = job->numbers[0],
        .until_ms = job->numbers[1],
        .limit = (uint32_t)job->numbers[2],
        .offset = (uint32_t)job->numbers[3],
    };
}

static void append_event(void *arg, const struct event *e)
{
    (void)json_array_append_new(arg, event_json(e));
}

static void set_value(struct events_query *q, size_t offset, const char *value)
{
    *(const char **)((char *)q + offset) = value;
}

static void fill_query(const struct api_job *job, struct events_query *q)
{
    *q = (struct events_query){
        .page = get_page(job),
        .hosts = job->args[ARG_HOSTS],
        .containers = job->args[ARG_CONTAINERS],
        .id = job->args[ARG_ID],
    };
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        set_value(q, filters[i].one, job->args[i]);
    for (size_t i = 0; i < N_REPEATED; i++)
        set_value(q, filters[i].many, job->args[ARG_MANY + i]);
}

static int list_work(struct api_job *job)
{
    struct events_query q;
    json_t *list = json_array();
    int64_t total = 0;
    int r;

    fill_query(job, &q);
    r = events_list(job->store, &q, append_event, list, &total, &job->err);
    if (r < 0) {
        json_decref(list);
        return r;
    }
    job->result = json_pack("{s:o, s:I, s:I, s:I, s:b}", "events", list, "total_count",
                            (json_int_t)total, "limit", (json_int_t)q.page.limit, "offset",
                            (json_int_t)q.page.offset, "has_more",
                            (int64_t)q.page.offset + (int64_t)json_array_size(list) < total);
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        if (job->numbers[NUMBER_PATH] >> i & 1)
            json_text_set(job->result, filters[i].name, json_text_str(job->args[i]));
    }
    return 0;
}

static int get_work(struct api_job *job)
{
    json_t *list = json_array();
    struct events_query q;
    int r;

    fill_query(job, &q);
    r = events_list(job->store, &q, append_event, list, NULL, &job->err);
    if (r == 0 && json_array_size(list) == 0)
        r = error_set(&job->err, -ENOENT, "No such event: %s", job->args[ARG_ID]);
    if (r == 0)
        job->result = json_incref(json_array_get(list, 0));
    json_decref(list);
    return r;
}

/* Reads limit, offset, since and until into the job's numbers. */
static int read_range(struct api_call *call, struct api_job *job, struct error *err)
{
    static const struct api_number limits[] = {
        {"limit",  DEFAULT_LIMIT, 1, PAGE_MAX          },
        {"offset", 0,             0, MAX_OFFSET        },
        {"hours",  0,             0, UINT64_C(24) * 365},
    };
    uint64_t limit = 0, offset = 0, hours = 0;
    int64_t start_ms = 0, end_ms = 0;
    int r;

    r = api_query_u64(call, &limits[0], &limit, err);
    if (r == 0)
        r = api_query_u64(call, &limits[1], &offset, err);
    if (r == 0)
        r = api_query_u64(call, &limits[2], &hours, err);
    if (r == 0)
        r = api_query_time(call, "since", &job->numbers[0], err);
    if (r == 0)
        r = api_query_time(call, "until", &job->numbers[1], err);
    if (r == 0)
        r = api_query_time(call, "start_date", &start_ms, err);
    if (r == 0)
        r = api_query_time(call, "end_date", &end_ms, err);
    if (r < 0)
        return r;
    if (!job->numbers[0])
        job->numbers[0] = start_ms;
    if (!job->numbers[1])
        job->numbers[1] = end_ms;
    if (hours && !job->numbers[0])
        job->numbers[0] = time_utc_ms() - (int64_t)hours * 3600 * 1000;
    job->numbers[2] = (int64_t)limit;
    job->numbers[3] = (int64_t)offset;
    return 0;
}

/* Events store the short id; clients may send the long one. */
static void shorten_id(char *id)
{
    if (str_is_hex(id, 64))
        id[12] = '\0';
}

/* Returns the n-th value of a filter, to be freed; NULL: there are no more. */
static char *read_value(const struct api_call *call, size_t filter, size_t n)
{
    char *text = url_query_get_nth(call->query, filters[filter].name, n);
    struct fleet_host *h;

    if (filter == FILTER_HOST && !str_is_empty(text) &&
        scope_find_host(&call->who.scope, call->api->o.fleet, text, &h) == 0) {
        free(text);
        return xstrdup(h->row.id);
    }
    if (filter == FILTER_CONTAINER && text)
        shorten_id(text);
    return text;
}

/* Several values become an array; empty ones do not count. */
static int read_values(const struct api_call *call,
                       struct api_job *job,
                       size_t filter,
                       struct error *err)
{
    size_t max = filter < N_REPEATED ? MAX_REPEATED : 1;
    json_t *list = json_array();
    int r = 0;

    for (size_t n = 0;; n++) {
        _cleanup_free_ char *text = read_value(call, filter, n);

        if (!text || (n > 0 && max == 1))
            break;
        if (n == max) {
            r = error_set(err, -EDOM, "query parameter `%s` has more than %d values",
                          filters[filter].name, MAX_REPEATED);
            break;
        }
        if (*text)
            (void)json_array_append_new(list, json_text_str(text));
    }
    if (json_array_size(list) == 1) {
        job->args[filter] = xstrdup(json_string_value(json_array_get(list, 0)));
    } else if (json_array_size(list) > 1) {
        job->args[ARG_MANY + filter] = json_dumps(list, JSON_COMPACT);
    }
    json_decref(list);
    return r;
}

/* Starts a job that sees what the caller may see. */
static void start(struct api_call *call, struct api_job *job)
{
    struct scope_events allowed;

    scope_events_init(&allowed, &call->who.scope, call->api->o.fleet);
    job->args[ARG_HOSTS] = allowed.hosts;
    job->args[ARG_CONTAINERS] = allowed.containers;
    api_job_start(job);
}

/* Lists the events with the filters of the query. `path` are filters whose values the path has
 * given; the job owns them already. */
static void list(struct api_call *call, struct api_job *job, unsigned path)
{
    struct error err = ERROR_INIT;
    int r = read_range(call, job, &err);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(filters); i++) {
        if (!(path >> i & 1))
            r = read_values(call, job, i, &err);
    }
    if (r < 0) {
        api_fail_error(call, &err);
        api_job_free(job);
        return;
    }
    job->numbers[NUMBER_PATH] = path;
    start(call, job);
}

void api_events_list(struct api_call *call)
{
    list(call, api_job_new(call, list_work, NULL), 0);
}

/* The host of path parameter 0 may be out of scope: then it does not exist. */
void api_events_of_host(struct api_call *call)
{
    struct fleet_host *h;
    struct api_job *job;

    if (scope_find_host(&call->who.scope, call->api->o.fleet, api_param(call, 0), &h) < 0) {
        api_fail_no_host(call, api_param(call, 0));
        return;
    }
    job = api_job_new(call, list_work, NULL);
    job->args[FILTER_HOST] = xstrdup(h->row.id);
    list(call, job, 1U << FILTER_HOST);
}

/* A container that exists no more has events, too. */
void api_events_of_container(struct api_call *call)
{
    const struct fleet_host *h = api_host(call, 0);
    struct fleet_container *c;
    struct api_job *job;

    if (!h)
        return;
    job = api_job_new(call, list_work, NULL);
    job->args[FILTER_HOST] = xstrdup(h->row.id);
    job->args[FILTER_CONTAINER] = xstrdup(fleet_find_container(h, api_param(call, 1), &c) == 0 &&
                                                  scope_allows_container(&call->who.scope, h, c)
                                              ? c->id
                                              : api_param(call, 1));
    shorten_id(job->args[FILTER_CONTAINER]);
    list(call, job, 1U << FILTER_HOST | 1U << FILTER_CONTAINER);
}

void api_events_of_correlation(struct api_call *call)
{
    struct api_job *job = api_job_new(call, list_work, NULL);

    job->args[FILTER_CORRELATION] = xstrdup(api_param(call, 0));
    list(call, job, 1U << FILTER_CORRELATION);
}

void api_events_get(struct api_call *call)
{
    struct api_job *job = api_job_new(call, get_work, NULL);

    job->args[ARG_ID] = xstrdup(api_param(call, 0));
    job->numbers[2] = 1; /* the limit of the page */
    start(call, job);
}

/* --- the audit log ---------------------------------------------------------------------------- */

static void append_audit(void *arg, const struct audit_entry *e)
{
    (void)json_array_append_new(
        arg, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)e->id, "timestamp",
                       json_value_time(e->at_ms), "who", json_value_string(e->who), "peer",
                       json_value_string(e->peer), "action", json_value_string(e->action), "target",
                       json_value_string(e->target), "result", json_value_string(e->result)));
}

static int audit_work(struct api_job *job)
{
    struct audit_query q = {
        .page = get_page(job),
        .who = job->args[0],
        .action = job->args[1],
    };
    json_t *list = json_array();
    int64_t total = 0;
    int r;

    r = audit_list(job->store, &q, append_audit, list, &total, &job->err);
    if (r < 0) {
        json_decref(list);
        return r;
    }
    job->result = json_pack("{s:o, s:I, s:I, s:I}", "entries", list, "total_count",
                            (json_int_t)total, "limit", (json_int_t)q.page.limit, "offset",
                            (json_int_t)q.page.offset);
    return 0;
}

void api_audit_list(struct api_call *call)
{
    struct api_job *job = api_job_new(call, audit_work, NULL);
    struct error err = ERROR_INIT;

    if (read_range(call, job, &err) < 0) {
        api_fail_error(call, &err);
        api_job_free(job);
        return;
    }
    job->args[0] = api_query(call, "who");
    job->args[1] = api_query(call, "action");
    api_job_start(job);
}
