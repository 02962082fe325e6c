#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "server/api/agent_call.h"
#include "server/api/bulk.h"
#include "server/api/handlers.h"
#include "server/fleet/scope_view.h"

#include <assert.h>
#include <errno.h>

#define MAX_ITEMS  1000
#define MAX_REF    255
#define MAX_ACTION 32

/* All options are checked; those that the operation does not take are ignored. */
int bulk_read_options(const json_t *options,
                      enum operation_id operation,
                      struct bulk_job *job,
                      struct error *err)
{
    const json_t *timeout = json_object_get(options, "timeout");
    unsigned takes = operation_spec(operation)->arguments;
    json_int_t seconds = OPERATION_DEFAULT_STOP_S;
    json_t *payload;
    bool is_forced = true, with_volumes = false;
    int r;

    if (options && !json_is_null(options) && !json_is_object(options))
        return error_set(err, -EDOM, "`options` must be an object");
    if (timeout && !json_is_null(timeout))
        seconds = json_is_integer(timeout) ? json_integer_value(timeout) : -1;
    if (seconds < 0 || seconds > OPERATION_MAX_STOP_S) {
        return error_set(err, -EDOM, "`timeout` must be a number from 0 to %d",
                         OPERATION_MAX_STOP_S);
    }
    r = api_body_bool(options, "force", true, &is_forced, err);
    if (r == 0)
        r = api_body_bool(options, "volumes", false, &with_volumes, err);
    if (r < 0)
        return r;
    payload = json_object();
    if (takes & TAKES_TIMEOUT)
        (void)json_object_set_new(payload, "timeout", json_integer(seconds));
    if (takes & TAKES_REMOVAL) {
        (void)json_object_set_new(payload, "force", json_boolean(is_forced));
        (void)json_object_set_new(payload, "volumes", json_boolean(with_volumes));
    }
    bulk_job_set_payload(job, payload, api_operation_timeout_ms(operation, (uint64_t)seconds));
    return 0;
}

/* Hosts may be named as in paths: scope_find_host(). */
static int read_items(const struct api_call *call,
                      const json_t *list,
                      struct bulk_job *job,
                      struct error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *element = json_array_get(list, i);
        const char *host = NULL, *container = NULL;
        struct fleet_host *h = NULL;
        int r;

        r = api_body_string(element, "host_id", MAX_REF, &host, err);
        if (r == 0)
            r = api_body_string(element, "container_id", MAX_REF, &container, err);
        if (r == 0 && !str_is_container_ref(container))
            r = error_set(err, -EDOM, "`container_id` is neither an id nor a name");
        if (r < 0)
            return error_wrap(err, r, "container %zu", i + 1);
        if (scope_find_host(&call->who.scope, call->api->o.fleet, host, &h) == 0)
            host = h->row.id;
        bulk_job_add(job, host, container, NULL);
    }
    return 0;
}

/* "start, stop or remove" */
static void list_actions(struct buf *text)
{
    const char *last = NULL;

    operation_foreach(id) {
        if (!(operation_spec(id)->flags & IS_BULK))
            continue;
        if (last)
            (void)buf_printf(text, "%s%s", text->size ? ", " : "", last);
        last = operation_spec(id)->name;
    }
    (void)buf_printf(text, " or %s", last);
}

static int find_operation(const json_t *body, enum operation_id *ret, struct error *err)
{
    struct buf actions = BUF_INIT(256);
    enum operation_id id;
    const char *name = NULL;
    int r;

    r = api_body_string(body, "action", MAX_ACTION, &name, err);
    if (r < 0)
        return r;
    id = operation_find(COMMAND_KIND_OPERATION, name);
    if (id != OPERATION_NONE && operation_spec(id)->flags & IS_BULK) {
        *ret = id;
        return 0;
    }
    list_actions(&actions);
    r = error_set(err, -EDOM, "`action` must be %s", buf_str(&actions));
    buf_done(&actions);
    return r;
}

static int read_job(struct api_call *call, struct bulk_job **ret, struct error *err)
{
    enum operation_id operation = OPERATION_NONE;
    const json_t *body, *list;
    struct bulk_job *job;
    size_t n;
    int r;

    r = api_body(call, &body, err);
    if (r == 0)
        r = find_operation(body, &operation, err);
    if (r < 0)
        return r;
    list = json_object_get(body, "containers");
    n = json_array_size(list);
    if (n == 0 || n > MAX_ITEMS)
        return error_set(err, -EDOM, "`containers` must be a list of 1 to %d", MAX_ITEMS);
    job = bulk_job_new(operation, NULL, n);
    r = bulk_read_options(json_object_get(body, "options"), operation, job, err);
    if (r == 0)
        r = read_items(call, list, job, err);
    if (r < 0) {
        bulk_job_free(job);
        return r;
    }
    call->target = xasprintf("%s of %zu containers", operation_spec(operation)->name, n);
    *ret = job;
    return 0;
}

void bulk_create(struct api_call *call)
{
    struct bulk *b = call->api->bulk;
    struct error err = ERROR_INIT;
    struct bulk_job *job = NULL;

    if (!bulk_has_room(b)) {
        api_fail(call, -ENOBUFS, "Too many bulk jobs are running, try again later");
        return;
    }
    if (read_job(call, &job, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    assert(job);
    bulk_start(b, job, call);
    api_reply(call, 202, bulk_job_json(job));
}

/* The job of path parameter 0; NULL after the call was answered. */
static struct bulk_job *find_job(struct api_call *call)
{
    struct bulk_job *job = bulk_find(call->api->bulk, api_param(call, 0), &call->who);

    if (!job)
        api_fail(call, -ENOENT, "No such bulk job: %s", api_param(call, 0));
    return job;
}

void bulk_get(struct api_call *call)
{
    const struct bulk_job *job = find_job(call);
    json_t *o;

    if (!job)
        return;
    o = bulk_job_json(job);
    (void)json_object_set_new(o, "items", bulk_job_items_json(job));
    api_reply(call, 200, o);
}

void bulk_cancel(struct api_call *call)
{
    struct bulk_job *job = find_job(call);

    if (!job)
        return;
    bulk_job_cancel(job, NULL);
    api_reply(call, 200, bulk_job_json(job));
}
