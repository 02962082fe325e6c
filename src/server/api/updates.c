/*
 * GET /api/updates, /api/updates/{update} and /api/updates/history: the updates of containers.
 */

#include "server/store/updates.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/fleet/scope_view.h"
#include "server/updates/update_events.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_LIMIT 50
#define MAX_LIMIT     1000
/* Rows that are read for an answer: those out of scope are left out afterwards. */
#define MAX_READ 5000

/* The update belongs to its container, before or after; without one, to the whole host. */
static bool may_see(const struct api_call *call, const struct update *up)
{
    const struct fleet_host *h = fleet_find_host(call->api->o.fleet, up->host_id);
    const char *ids[] = {up->record.new_container_id, up->record.container_id};
    struct fleet_container *c;

    if (!h)
        return false;
    if (scope_allows_whole_host(&call->who.scope, h))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        if (ids[i] && fleet_find_container(h, ids[i], &c) == 0)
            return scope_allows_container(&call->who.scope, h, c);
    }
    return false;
}

static json_t *make_json(const struct api_call *call, const struct update *up)
{
    const struct fleet_host *h = fleet_find_host(call->api->o.fleet, up->host_id);

    return update_json(up, h ? h->row.name : NULL);
}

struct listing {
    struct api_call *call;
    const char *host_id; /* NULL: any */
    json_t *list;
};

static void append_current(void *arg, const struct update *up)
{
    struct listing *l = arg;
    enum update_state state = update_state_find(up->record.state);

    if (update_state_is_end(state) || (l->host_id && !str_eq(l->host_id, up->host_id)) ||
        !may_see(l->call, up))
        return;
    (void)json_array_append_new(l->list, make_json(l->call, up));
}

void updates_get(struct api_call *call)
{
    _cleanup_free_ char *host = api_query_host(call, "host_id");
    struct listing l = {call, host, json_array()};

    updates_each(call->api->o.updates, append_current, &l);
    api_reply(call, 200, json_pack("{s:o}", "updates", l.list));
}

/* --- one update --- */

struct search {
    const struct api_call *call;
    const char *update_id;
    const struct update *found;
};

static void find_update(void *arg, const struct update *up)
{
    struct search *s = arg;

    if (str_eq(up->record.update_id, s->update_id) && may_see(s->call, up))
        s->found = up;
}

void update_get(struct api_call *call)
{
    struct search s = {call, api_param(call, 0), NULL};

    updates_each(call->api->o.updates, find_update, &s);
    if (s.found) {
        api_reply(call, 200, make_json(call, s.found));
    } else {
        api_fail_code(call, CODE_NO_SUCH_UPDATE, "No such update: %s", api_param(call, 0));
    }
}

/* --- history --- */

enum { ARG_HOST, ARG_NAME };

static void append_row(void *arg, const struct update_row *row)
{
    json_t *o = json_pack("{s:s, s:o}", "host_id", row->host_id, "by",
                          json_text_str(row->triggered_by));

    json_text_set(o, "record", json_text_parse(row->data, strlen(row->data), 0, NULL));
    (void)json_array_append_new(arg, o);
}

static int history_work(struct api_job *job)
{
    json_t *rows = json_array();
    int r = updates_list(job->store,
                         &(struct updates_query){.host_id = job->args[ARG_HOST],
                                                 .container_name = job->args[ARG_NAME],
                                                 .limit = MAX_READ},
                         append_row, rows, &job->err);

    job->result = rows;
    return r;
}

/* Returns the stored update as the API shows it, or NULL if the caller may not see it. */
static json_t *show_row(const struct api_call *call, const json_t *row)
{
    struct update up = {.host_id = (char *)(uintptr_t)json_text_get(row, "host_id"),
                        .triggered_by = (char *)(uintptr_t)json_text_get(row, "by")};
    json_t *shown = NULL;

    if (update_record_decode(json_object_get(row, "record"), &up.record, NULL) < 0)
        return NULL;
    if (may_see(call, &up))
        shown = make_json(call, &up);
    update_record_done(&up.record);
    return shown;
}

static void history_done(struct api_job *job)
{
    json_t *list;

    if (job->code < 0) {
        api_job_answer(job);
        return;
    }
    list = json_array();
    for (size_t i = 0; i < json_array_size(job->result); i++) {
        json_t *o = (int64_t)json_array_size(list) < job->numbers[0]
                        ? show_row(job->call, json_array_get(job->result, i))
                        : NULL;

        if (o)
            (void)json_array_append_new(list, o);
    }
    api_reply(job->call, 200, json_pack("{s:o}", "updates", list));
}

void updates_history_get(struct api_call *call)
{
    const struct api_number number = {"limit", DEFAULT_LIMIT, 1, MAX_LIMIT};
    struct error err = ERROR_INIT;
    struct api_job *job;
    uint64_t limit;

    if (api_query_u64(call, &number, &limit, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    job = api_job_new(call, history_work, history_done);
    job->args[ARG_HOST] = api_query_host(call, "host_id");
    job->args[ARG_NAME] = api_query(call, "container_name");
    job->numbers[0] = (int64_t)limit;
    api_job_start(job);
}
