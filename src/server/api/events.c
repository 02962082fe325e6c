/*
 * GET /api/events and GET /api/audit: pages of the event log and of the audit log, newest first.
 */

#include "server/store/events.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/api/scope_check.h"
#include "server/store/audit.h"
#include "server/view/event_json.h"
#include "server/view/json_values.h"

#include <errno.h>

#define DEFAULT_LIMIT 100
#define MAX_OFFSET    1000000

/* Text filters, in the order of the job's arguments. */
static const char *const filters[] = {"host_id",    "container_id", "category",
                                      "event_type", "severity",     "search"};

/* The arguments after the filters: the scope of the caller. */
#define ARG_HOSTS      ARRAY_LEN(filters)
#define ARG_CONTAINERS (ARG_HOSTS + 1)

_Static_assert(ARG_CONTAINERS < API_JOB_ARGS, "every filter is a job argument");

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

static int list_work(struct api_job *job)
{
    struct events_query q = {
        .page = get_page(job),
        .host_id = job->args[0],
        .container_id = job->args[1],
        .category = job->args[2],
        .type = job->args[3],
        .severity = job->args[4],
        .search = job->args[5],
        .hosts = job->args[ARG_HOSTS],
        .containers = job->args[ARG_CONTAINERS],
    };
    json_t *list = json_array();
    int64_t total = 0;
    int r;

    r = events_list(job->store, &q, append_event, list, &total, &job->err);
    if (r < 0) {
        json_decref(list);
        return r;
    }
    job->result = json_pack("{s:o, s:I, s:I, s:I, s:b}", "events", list, "total_count",
                            (json_int_t)total, "limit", (json_int_t)q.page.limit, "offset",
                            (json_int_t)q.page.offset, "has_more",
                            (int64_t)q.page.offset + (int64_t)json_array_size(list) < total);
    return 0;
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
    if (r < 0)
        return r;
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

void api_events_list(struct api_call *call)
{
    struct api_job *job = api_job_new(call, list_work, NULL);
    struct error err = ERROR_INIT;
    struct scope_events allowed;

    if (read_range(call, job, &err) < 0) {
        api_fail_error(call, &err);
        api_job_free(job);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        job->args[i] = i == 0 ? api_query_host(call, filters[i]) : api_query(call, filters[i]);
        if (job->args[i] && !*job->args[i])
            free(TAKE_PTR(job->args[i]));
    }
    shorten_id(job->args[1]);
    scope_events_init(&allowed, &call->who.scope, call->api->o.fleet);
    job->args[ARG_HOSTS] = allowed.hosts;
    job->args[ARG_CONTAINERS] = allowed.containers;
    api_job_start(job);
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
