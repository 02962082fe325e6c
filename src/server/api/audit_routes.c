/*
 * GET /api/v2/audit-log and its lists, in the shape of DockMon; GET /api/audit (events.c) has the
 * same rows.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/audit_query.h"
#include "server/api/handlers.h"
#include "server/maintenance/housekeeping.h"
#include "server/view/json_values.h"

#include <errno.h>

#define DEFAULT_PAGE_SIZE 50
#define MAX_OFFSET        1000000

enum { ARG_WHO, ARG_ACTION, ARG_SEARCH, ARG_PREFIXES, ARG_OTHERS };
enum { NUMBER_SINCE, NUMBER_UNTIL, NUMBER_PAGE, NUMBER_SIZE };

struct entries {
    json_t *list;
    const json_t *users;
};

static void append_entry(void *arg, const struct audit_entry *e)
{
    const struct entries *entries = arg;

    (void)json_array_append_new(entries->list, audit_entry_json(e, entries->users));
}

static int list_work(struct api_job *job)
{
    int64_t page = job->numbers[NUMBER_PAGE], size = job->numbers[NUMBER_SIZE], total = 0;
    struct audit_query q = {
        .page = {.since_ms = job->numbers[NUMBER_SINCE],
                 .until_ms = job->numbers[NUMBER_UNTIL],
                 .limit = (uint32_t)size,
                 .offset = (uint32_t)((page - 1) * size)},
        .who = job->args[ARG_WHO],
        .action = job->args[ARG_ACTION],
        .search = job->args[ARG_SEARCH],
        .prefixes = job->args[ARG_PREFIXES],
        .others = job->args[ARG_OTHERS],
    };
    json_auto_t *users = audit_user_ids(job->store, &job->err);
    json_auto_t *list = json_array();
    int r;

    if (!users)
        return job->err.code;
    r = audit_list(job->store, &q, append_entry, &(struct entries){list, users}, &total, &job->err);
    if (r < 0)
        return r;
    job->result = json_pack("{s:O, s:I, s:I, s:I, s:I}", "entries", list, "total",
                            (json_int_t)total, "page", (json_int_t)page, "page_size",
                            (json_int_t)size, "total_pages",
                            (json_int_t)((total + size - 1) / size));
    return 0;
}

static int read_page(const struct api_call *call,
                     int64_t *ret_page,
                     int64_t *ret_size,
                     struct error *err)
{
    uint64_t size = 0, page = 0;
    int r = api_query_u64(call, &(struct api_number){"page_size", DEFAULT_PAGE_SIZE, 1, PAGE_MAX},
                          &size, err);

    if (r == 0)
        r = api_query_u64(call, &(struct api_number){"page", 1, 1, MAX_OFFSET / size}, &page, err);
    *ret_page = (int64_t)page;
    *ret_size = (int64_t)size;
    return r;
}

void audit_log_list(struct api_call *call)
{
    struct api_job *job = api_job_new(call, list_work, NULL);
    struct error err = ERROR_INIT;
    struct audit_filters f;
    int r = audit_filters_read(call, &f, &err);

    if (r == 0)
        r = read_page(call, &job->numbers[NUMBER_PAGE], &job->numbers[NUMBER_SIZE], &err);
    if (r < 0) {
        audit_filters_done(&f);
        api_fail_error(call, &err);
        api_job_free(job);
        return;
    }
    job->numbers[NUMBER_SINCE] = f.since_ms;
    job->numbers[NUMBER_UNTIL] = f.until_ms;
    job->args[ARG_WHO] = TAKE_PTR(f.who);
    job->args[ARG_ACTION] = TAKE_PTR(f.action);
    job->args[ARG_SEARCH] = TAKE_PTR(f.search);
    job->args[ARG_PREFIXES] = TAKE_PTR(f.prefixes);
    job->args[ARG_OTHERS] = TAKE_PTR(f.others);
    api_job_start(job);
}

static void append_text(void *arg, const char *text)
{
    (void)json_array_append_new(arg, json_text_str(text));
}

static void append_type(void *arg, const char *action)
{
    const char *type = audit_entity_type(action);

    for (size_t i = 0; i < json_array_size(arg); i++) {
        if (str_eq(json_string_value(json_array_get(arg, i)), type))
            return;
    }
    (void)json_array_append_new(arg, json_text_str(type));
}

static int actions_work(struct api_job *job)
{
    job->result = json_array();
    return audit_each_action(job->store, append_text, job->result, &job->err);
}

static int types_work(struct api_job *job)
{
    job->result = json_array();
    return audit_each_action(job->store, append_type, job->result, &job->err);
}

/* Rows before a login have no name. */
static void append_user(void *arg, const char *name)
{
    const struct entries *entries = arg;
    json_t *id = json_object_get(entries->users, name);

    if (!str_eq(name, "-")) {
        (void)json_array_append_new(entries->list, json_pack("{s:o, s:o}", "user_id",
                                                             id ? json_incref(id) : json_null(),
                                                             "username", json_text_str(name)));
    }
}

static int users_work(struct api_job *job)
{
    json_auto_t *users = audit_user_ids(job->store, &job->err);

    if (!users)
        return job->err.code;
    job->result = json_array();
    return audit_each_name(job->store, append_user, &(struct entries){job->result, users},
                           &job->err);
}

static int retention_work(struct api_job *job)
{
    int64_t n, oldest_ms;
    int r = audit_summarize(job->store, &n, &oldest_ms, &job->err);

    if (r < 0)
        return r;
    job->result = json_pack("{s:i, s:[i], s:o, s:I}", "retention_days", HOUSEKEEPING_AUDIT_DAYS,
                            "valid_options", HOUSEKEEPING_AUDIT_DAYS, "oldest_entry_date",
                            json_value_time(oldest_ms), "total_entries", (json_int_t)n);
    return 0;
}

void audit_log_actions(struct api_call *call)
{
    api_job_start(api_job_new(call, actions_work, NULL));
}

void audit_log_entity_types(struct api_call *call)
{
    api_job_start(api_job_new(call, types_work, NULL));
}

void audit_log_users(struct api_call *call)
{
    api_job_start(api_job_new(call, users_work, NULL));
}

void audit_log_retention(struct api_call *call)
{
    api_job_start(api_job_new(call, retention_work, NULL));
}
