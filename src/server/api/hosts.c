/*
 * GET and changes of /api/hosts: the list, name and description, tags, deletion. A change is stored
 * first and then applied to the live model, so that the two never differ after an error.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/handlers.h"
#include "server/api/job_call.h"
#include "server/common/host_name.h"
#include "server/common/tag_list.h"
#include "server/feed/feed.h"
#include "server/view/fleet_json.h"
#include "server/view/json_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME        255
#define MAX_DESCRIPTION 1000

void hosts_list(struct api_call *call)
{
    struct buf list = BUF_INIT(SIZE_MAX / 2);

    sessions_need_lists(call->api->o.sessions);
    (void)fleet_hosts_write_in(&list, call->api->o.fleet, &call->who.scope, 0);
    api_reply_text(call, 200, list.data, list.size);
    buf_done(&list);
}

static void reply_host(struct api_call *call, struct fleet_host *h)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);

    fleet_host_write_in(&text, h, &call->who.scope);
    api_reply_text(call, 200, text.data, text.size);
    buf_done(&text);
}

/* --- changes: in the store first, then in the live model -------------------------------------- */

static int update_work(struct api_job *job)
{
    struct host row;
    int r;

    r = hosts_get(job->store, job->args[0], &row, &job->err);
    if (r < 0)
        return r;
    /* Clients send the name with every change: only another one is a decision. */
    if (job->args[1] && !str_eq(job->args[1], row.name))
        row.is_name_given = true;
    job->numbers[2] = row.is_name_given;
    for (size_t i = 1; i <= 3; i++) {
        char **column[] = {NULL, &row.name, &row.description, &row.tags};

        if (job->args[i]) {
            free(*column[i]);
            *column[i] = xstrdup(job->args[i]);
        }
    }
    row.updated_at_ms = job->numbers[0];
    r = hosts_update(job->store, &row, &job->err);
    host_done(&row);
    return r;
}

static void update_done(struct api_job *job)
{
    struct api_call *call = job->call;
    struct fleet_host *h = fleet_find_host(call->api->o.fleet, job->args[0]);
    char **column[] = {NULL, h ? &h->row.name : NULL, h ? &h->row.description : NULL,
                       h ? &h->row.tags : NULL};

    if (job->code < 0) {
        api_fail(call, job->code, "%s", job->err.msg);
        return;
    }
    if (!h) {
        api_fail_deleted_host(call);
        return;
    }
    for (size_t i = 1; i <= 3; i++) {
        if (job->args[i]) {
            free(*column[i]);
            *column[i] = xstrdup(job->args[i]);
        }
    }
    h->row.is_name_given = job->numbers[2] != 0;
    h->version++;
    fleet_notify_host(call->api->o.fleet, h);
    if (job->numbers[1]) {
        api_reply(call, 200,
                  json_pack("{s:o}", "tags", json_value_column(h->row.tags, json_array())));
    } else {
        reply_host(call, h);
    }
}

/*
 * Copies the optional members name, description and tags of a PUT into the job's arguments. An
 * empty list keeps the tags: DockMon's web UI sends one with every change of a host. PATCH of the
 * tags removes them.
 */
static int read_put(const json_t *body, struct api_job *job, struct error *err)
{
    const json_t *tags = json_object_get(body, "tags");
    const json_t *description = json_object_get(body, "description");
    const char *text;
    int r = 0;

    if (json_object_get(body, "name")) {
        r = api_body_string(body, "name", MAX_NAME, &text, err);
        if (r == 0)
            r = host_name_check(text, err);
        if (r == 0)
            job->args[1] = xstrdup(text);
    }
    if (r == 0 && description && !json_is_null(description)) {
        r = api_body_string(body, "description", MAX_DESCRIPTION, &text, err);
        if (r == 0)
            job->args[2] = xstrdup(text);
    }
    if (r == 0 && tags && !json_is_null(tags)) {
        r = tag_list_check(tags, err);
        if (r == 0 && json_array_size(tags) > 0) {
            json_t *list = json_array();

            tag_list_add(list, tags, NULL);
            job->args[3] = json_dumps(list, JSON_COMPACT);
            json_decref(list);
        }
    }
    return r;
}

void hosts_put(struct api_call *call)
{
    struct fleet_host *h = api_host(call, 0);
    struct error err = ERROR_INIT;
    const json_t *body;
    struct api_job *job;
    int r;

    if (!h)
        return;
    job = api_job_new(call, update_work, update_done);
    job->args[0] = xstrdup(h->row.id);
    job->numbers[0] = time_utc_ms();
    r = api_body(call, &body, &err);
    if (r == 0)
        r = read_put(body, job, &err);
    if (r == 0 && job->args[3] && scope_is_limited(&call->who.scope)) {
        r = error_set(&err, -EACCES, "Permission denied: tags decide on scopes, and %s has a scope",
                      call->who.name);
    }
    if (r < 0) {
        api_fail_error(call, &err);
        api_job_free(job);
        return;
    }
    api_job_start(job);
}

/* Merges into the row and not into the live model, so that concurrent changes are not lost. */
static int tags_work(struct api_job *job)
{
    json_t *add = json_value_column(job->args[4], json_array());
    json_t *remove = json_value_column(job->args[5], json_array());
    json_t *now, *next;
    struct host row;
    int r;

    r = hosts_get(job->store, job->args[0], &row, &job->err);
    if (r == 0) {
        /* A list of all tags in their order replaces those of the row. */
        now = json_value_column(job->args[6] ? job->args[6] : row.tags, json_array());
        next = tag_list_merge(now, add, remove);
        r = tag_list_check(next, &job->err); /* the result may have too many tags */
        job->args[3] = json_dumps(next, JSON_COMPACT);
        json_decref(now);
        json_decref(next);
        host_done(&row);
    }
    json_decref(add);
    json_decref(remove);
    return r < 0 ? r : update_work(job);
}

/* A mistyped member would change nothing, and answer 200. */
static int check_members(const json_t *body, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        if (!str_eq(name, "tags_to_add") && !str_eq(name, "tags_to_remove") &&
            !str_eq(name, "ordered_tags")) {
            return error_set(err, -EDOM,
                             "unknown member `%s`; known are `ordered_tags`, `tags_to_add` and "
                             "`tags_to_remove`",
                             name);
        }
    }
    return 0;
}

void hosts_tags_patch(struct api_call *call)
{
    struct fleet_host *h = api_host(call, 0);
    struct error err = ERROR_INIT;
    const json_t *body, *add, *remove, *ordered;
    struct api_job *job;

    if (!h)
        return;
    if (api_body(call, &body, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    if (check_members(body, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    add = json_object_get(body, "tags_to_add");
    remove = json_object_get(body, "tags_to_remove");
    ordered = json_object_get(body, "ordered_tags");
    if ((add && tag_list_check(add, &err) < 0) || (remove && tag_list_check(remove, &err) < 0) ||
        (ordered && tag_list_check(ordered, &err) < 0)) {
        api_fail_error(call, &err);
        return;
    }
    job = api_job_new(call, tags_work, update_done);
    job->args[0] = xstrdup(h->row.id);
    job->args[4] = add ? json_dumps(add, JSON_COMPACT) : NULL;
    job->args[5] = remove ? json_dumps(remove, JSON_COMPACT) : NULL;
    job->args[6] = ordered ? json_dumps(ordered, JSON_COMPACT) : NULL;
    job->numbers[0] = time_utc_ms();
    job->numbers[1] = 1; /* the response consists of the tags only */
    api_job_start(job);
}

static int delete_work(struct api_job *job)
{
    return hosts_delete(job->store, job->args[0], &job->err);
}

static void delete_done(struct api_job *job)
{
    struct api_call *call = job->call;
    struct fleet_host *h = fleet_find_host(call->api->o.fleet, job->args[0]);

    if (job->code < 0) {
        api_fail(call, job->code, "%s", job->err.msg);
        return;
    }
    if (h && h->agent.id)
        sessions_drop_agent(call->api->o.sessions, h->agent.id, "Host deleted");
    if (h)
        feed_on_host_removed(call->api->o.feed, h);
    fleet_drop_host(call->api->o.fleet, job->args[0]);
    api_reply(call, 200, json_pack("{s:s, s:s}", "status", "success", "message", "Host deleted"));
}

void hosts_delete_one(struct api_call *call)
{
    struct fleet_host *h = api_host(call, 0);
    struct api_job *job;

    if (!h)
        return;
    job = api_job_new(call, delete_work, delete_done);
    job->args[0] = xstrdup(h->row.id);
    call->target = xstrdup(h->row.name);
    api_job_start(job);
}
