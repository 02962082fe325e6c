#include "server/api/bulk.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "server/api/agent_call.h"
#include "server/api/audit.h"
#include "server/api/handlers.h"
#include "server/api/record.h"
#include "server/auth/watch.h"
#include "server/common/event_record.h"
#include "server/fleet/scope_view.h"
#include "server/view/json_values.h"

#include <assert.h>
#include <errno.h>

#define MAX_ITEMS    1000
#define MAX_JOBS     64 /* kept, running ones among them */
#define MAX_RUNNING  32
#define MAX_PER_HOST 4
#define KEPT_MS      (UINT64_C(60) * 60 * 1000)
#define MAX_STOP_S   600
#define DEFAULT_STOP 10
#define ENGINE_MS    20000 /* what the engine may need on top of a stop timeout */
#define PLAIN_MS     30000
#define MAX_REF      255

enum item_state {
    ITEM_QUEUED,
    ITEM_RUNNING,
    ITEM_SUCCESS,
    ITEM_ERROR,
    ITEM_CANCELLED,
    ITEM_STATES
};

static const char *const item_states[] = {
    [ITEM_QUEUED] = "queued", [ITEM_RUNNING] = "running",     [ITEM_SUCCESS] = "success",
    [ITEM_ERROR] = "error",   [ITEM_CANCELLED] = "cancelled",
};

struct bulk_job;

struct bulk_item {
    struct bulk_job *job;
    enum item_state state;
    char *host_id, *container_id;
    char *name;           /* of the container, once it is known */
    char *error;          /* or NULL */
    enum error_code code; /* of the error */
};

struct bulk_job {
    struct list link;
    struct bulk *bulk;
    char id[UUID_TEXT_SIZE];
    const struct bulk_action *action;
    json_t *payload;
    uint64_t timeout_ms;
    struct identity who;
    struct auth_watch *watch; /* of what let them in, until it is over */
    char *peer;
    int64_t created_at_ms, ended_at_ms;
    uint64_t ended_ms; /* monotonic; 0: it is not over */
    bool is_cancelled;
    size_t n, next; /* those before `next` are not queued any more */
    size_t count[ITEM_STATES];
    struct bulk_item items[];
};

struct bulk {
    struct api *api;
    struct list jobs; /* the oldest first */
    size_t n_jobs, n_running;
    struct map by_host; /* host id -> size_t *, owned: running there */
};

static const struct bulk_action {
    const char *name;
    bool takes_timeout, takes_force;
    bool is_protected; /* not for DockMon's own containers */
} actions[] = {
    {"start",   false, false, false},
    {"stop",    true,  false, true },
    {"restart", true,  false, true },
    {"kill",    false, false, true },
    {"pause",   false, false, true },
    {"unpause", false, false, false},
    {"remove",  false, true,  true },
};

static void job_free(struct bulk_job *job)
{
    for (size_t i = 0; i < job->n; i++) {
        free(job->items[i].host_id);
        free(job->items[i].container_id);
        free(job->items[i].name);
        free(job->items[i].error);
    }
    list_unlink(&job->link);
    auth_watch_cancel(job->watch);
    json_decref(job->payload);
    free(job->peer);
    free(job);
}

struct bulk *bulk_new(struct api *api)
{
    struct bulk *b = xcalloc(1, sizeof(*b));

    b->api = api;
    list_init(&b->jobs);
    return b;
}

void bulk_free(struct bulk *b)
{
    if (!b)
        return;
    while (!list_empty(&b->jobs))
        job_free(CONTAINER_OF(b->jobs.next, struct bulk_job, link));
    map_foreach(&b->by_host, e)
        free(e->value);
    map_done(&b->by_host);
    free(b);
}

/* Forgets what ended long ago, and what ended first when there are too many. */
static void forget_old(struct bulk *b)
{
    uint64_t now_ms = time_monotonic_ms();
    struct list *next;

    for (struct list *l = b->jobs.next; l != &b->jobs; l = next) {
        struct bulk_job *job = CONTAINER_OF(l, struct bulk_job, link);

        next = l->next;
        if (job->ended_ms && (now_ms - job->ended_ms > KEPT_MS || b->n_jobs >= MAX_JOBS)) {
            job_free(job);
            b->n_jobs--;
        }
    }
}

/* --- what is told ------------------------------------------------------------------------------------- */

static const char *job_status(const struct bulk_job *job)
{
    if (!job->ended_ms)
        return job->is_cancelled ? "cancelling" : "running";
    if (job->is_cancelled)
        return "cancelled";
    return job->count[ITEM_ERROR] ? "failed" : "completed";
}

static json_t *job_json(const struct bulk_job *job)
{
    size_t n_open = job->count[ITEM_QUEUED] + job->count[ITEM_RUNNING];
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I}", "id", job->id, "action",
                          job->action->name, "status", job_status(job), "created_by", job->who.name,
                          "created_at", json_value_time(job->created_at_ms), "completed_at",
                          json_value_time(job->ended_at_ms), "total", (json_int_t)job->n,
                          "completed", (json_int_t)(job->n - n_open));

    for (size_t i = 0; i < ITEM_STATES; i++)
        (void)json_object_set_new(o, item_states[i], json_integer((json_int_t)job->count[i]));
    return o;
}

static json_t *item_json(const struct bulk_item *item)
{
    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:s?}", "host_id", item->host_id, "container_id",
                     item->container_id, "container_name", json_value_string(item->name), "status",
                     item_states[item->state], "error", json_value_string(item->error), "code",
                     error_code_name(item->code));
}

/* Nobody is told once the server has closed: the feed is gone by then. */
static void tell(const struct bulk_job *job, const char *type, json_t *data)
{
    if (job->bulk->api->http) {
        feed_on_batch(job->bulk->api->o.feed, type, &job->who, data);
    } else {
        json_decref(data);
    }
}

static void set_state(struct bulk_item *item, enum item_state state)
{
    struct bulk_job *job = item->job;
    json_t *data;

    job->count[item->state]--;
    job->count[state]++;
    item->state = state;
    data = item_json(item);
    (void)json_object_set_new(data, "job_id", json_string(job->id));
    tell(job, "batch_item_update", data);
    if (state == ITEM_RUNNING)
        return;
    if (!job->ended_ms && job->count[ITEM_QUEUED] + job->count[ITEM_RUNNING] == 0) {
        job->ended_ms = time_monotonic_ms();
        job->ended_at_ms = time_utc_ms();
        auth_watch_cancel(TAKE_PTR(job->watch));
    }
    tell(job, "batch_job_update", job_json(job));
}

static void record(const struct bulk_item *item, const struct fleet_host *h, uint64_t took_ms)
{
    const struct bulk_job *job = item->job;
    const struct api *api = job->bulk->api;
    const char *name = item->name ? item->name : item->container_id;
    const char *action = job->action->name;
    const struct event event = {
        .at_ms = time_utc_ms(),
        .category = xstrdup("container"),
        .type = xstrdup("container_action"),
        .severity = xstrdup(item->error ? "error" : "info"),
        .host_id = h ? xstrdup(h->row.id) : NULL,
        .host_name = h ? xstrdup(h->row.name) : NULL,
        .container_id = xstrndup(item->container_id, CONTAINER_SHORT_ID_LEN),
        .container_name = xstrdup(name),
        .title = xasprintf("%s %s", action, name),
        .message = item->error ? xasprintf("%s failed: %s", action, item->error)
                               : xasprintf("%s succeeded in %ju ms", action, (uintmax_t)took_ms),
        .triggered_by = xstrdup(job->who.name),
    };
    const struct audit_entry entry = {
        .at_ms = event.at_ms,
        .who = xstrdup(job->who.name),
        .peer = xstrdup(job->peer),
        .action = xasprintf("container_%s", action),
        .target = xasprintf("%s/%s", h ? h->row.name : item->host_id, name),
        .result = item->error ? xstrdup(item->error) : xstrdup("ok"),
    };

    record_event(api->o.store, api->o.store_jobs, &event);
    audit_add(api->o.store, api->o.store_jobs, &entry);
}

/* --- the work ----------------------------------------------------------------------------------------- */

static bool is_busy(const struct bulk *b, const char *host_id)
{
    const size_t *n = map_find(&b->by_host, host_id);

    return n && *n >= MAX_PER_HOST;
}

/* Only for hosts that there are: a client can name any. */
static size_t *running_on(struct bulk *b, const char *host_id)
{
    size_t *n = map_find(&b->by_host, host_id);

    if (!n) {
        n = xcalloc(1, sizeof(*n));
        (void)map_put(&b->by_host, host_id, n);
    }
    return n;
}

static void fail_item(struct bulk_item *item,
                      const struct fleet_host *h,
                      enum error_code code,
                      const char *why)
{
    item->code = code;
    item->error = xstrdup(why);
    record(item, h, 0);
    set_state(item, ITEM_ERROR);
}

static void dispatch(struct bulk *b);

static void on_reply(void *owner, const struct command_result *r)
{
    struct bulk_item *item = owner;
    struct bulk *b = item->job->bulk;
    struct fleet_host *h = fleet_find_host(b->api->o.fleet, item->host_id);

    b->n_running--;
    (*running_on(b, item->host_id))--;
    if (r->code < 0) {
        fail_item(item, h, r->reason, r->message);
    } else {
        record(item, h, r->took_ms);
        set_state(item, ITEM_SUCCESS);
    }
    if (h)
        sessions_refresh(b->api->o.sessions, h->agent.id);
    dispatch(b);
}

/* What is out of the scope of who made the job does not exist. */
static struct fleet_host *host_of(const struct bulk_item *item)
{
    struct fleet_host *h = fleet_find_host(item->job->bulk->api->o.fleet, item->host_id);

    return h && scope_allows_host(&item->job->who.scope, h) ? h : NULL;
}

/*
 * Why the action is not begun, or CODE_NONE. Containers that the live model does not know are refused: they might
 * be DockMon's own. A caller whose scope covers only a part of the host does not learn that several match.
 */
static enum error_code find_fault(struct bulk_item *item,
                                  const struct fleet_host *h,
                                  struct fleet_container **ret)
{
    const struct scope *scope = &item->job->who.scope;
    int r;

    if (!h)
        return CODE_NO_SUCH_HOST;
    if (!h->agent.id || !h->is_online)
        return CODE_HOST_OFFLINE;
    r = fleet_find_container(h, item->container_id, ret);
    if (r == -EEXIST && scope_allows_whole_host(scope, h))
        return CODE_AMBIGUOUS_CONTAINER;
    if (r < 0 || !scope_allows_container(scope, h, *ret))
        return CODE_NO_SUCH_CONTAINER;
    item->name = xstrdup((*ret)->name);
    if (item->job->action->is_protected && fleet_is_own_container((*ret)->name, (*ret)->labels))
        return CODE_OWN_CONTAINER;
    return CODE_NONE;
}

static void start_item(struct bulk_item *item)
{
    struct bulk_job *job = item->job;
    struct bulk *b = job->bulk;
    struct fleet_host *h = host_of(item);
    struct fleet_container *container = NULL;
    enum error_code fault = find_fault(item, h, &container);
    json_t *payload;

    if (fault) {
        fail_item(item, h, fault, error_code_sentence(fault));
        return;
    }
    payload = json_copy(job->payload);
    (void)json_object_set_new(payload, "container_id", json_string(container->id));
    b->n_running++;
    (*running_on(b, item->host_id))++;
    set_state(item, ITEM_RUNNING);
    command_start(sessions_commands(b->api->o.sessions),
                  &(struct command_request){.agent_id = h->agent.id,
                                            .type = "container_operation",
                                            .name = job->action->name,
                                            .payload = payload,
                                            .timeout_ms = job->timeout_ms,
                                            .done = on_reply,
                                            .owner = item});
}

static void dispatch_job(struct bulk *b, struct bulk_job *job)
{
    while (job->next < job->n && job->items[job->next].state != ITEM_QUEUED)
        job->next++;
    for (size_t i = job->next; i < job->n && b->n_running < MAX_RUNNING; i++) {
        struct bulk_item *item = &job->items[i];

        if (item->state == ITEM_QUEUED && !is_busy(b, item->host_id))
            start_item(item);
    }
}

/* Older jobs go first. Nothing is begun once the server has closed. */
static void dispatch(struct bulk *b)
{
    if (!b->api->http)
        return;
    for (struct list *l = b->jobs.next; l != &b->jobs && b->n_running < MAX_RUNNING; l = l->next)
        dispatch_job(b, CONTAINER_OF(l, struct bulk_job, link));
}

/* --- the routes --------------------------------------------------------------------------------------- */

/* All are checked; those that the action does not take are not passed on. */
static int read_options(const json_t *body, struct bulk_job *job, struct error *err)
{
    const json_t *options = json_object_get(body, "options");
    const json_t *timeout = json_object_get(options, "timeout");
    json_int_t seconds = DEFAULT_STOP;
    bool is_forced = true, with_volumes = false;
    int r;

    if (options && !json_is_null(options) && !json_is_object(options))
        return error_set(err, -EDOM, "`options` must be an object");
    if (timeout && !json_is_null(timeout))
        seconds = json_is_integer(timeout) ? json_integer_value(timeout) : -1;
    if (seconds < 0 || seconds > MAX_STOP_S)
        return error_set(err, -EDOM, "`timeout` must be a number from 0 to %d", MAX_STOP_S);
    r = api_body_bool(options, "force", true, &is_forced, err);
    if (r == 0)
        r = api_body_bool(options, "volumes", false, &with_volumes, err);
    if (r < 0)
        return r;
    job->timeout_ms = PLAIN_MS;
    job->payload = json_object();
    if (job->action->takes_timeout) {
        job->timeout_ms = (uint64_t)seconds * 1000 + ENGINE_MS;
        (void)json_object_set_new(job->payload, "timeout", json_integer(seconds));
    }
    if (job->action->takes_force) {
        (void)json_object_set_new(job->payload, "force", json_boolean(is_forced));
        (void)json_object_set_new(job->payload, "volumes", json_boolean(with_volumes));
    }
    return 0;
}

static int read_items(const json_t *list, struct bulk_job *job, struct error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *element = json_array_get(list, i);
        const char *host = NULL, *container = NULL;
        int r;

        r = api_body_string(element, "host_id", MAX_REF, &host, err);
        if (r == 0)
            r = api_body_string(element, "container_id", MAX_REF, &container, err);
        if (r == 0 && !str_is_container_ref(container))
            r = error_set(err, -EDOM, "`container_id` is neither an id nor a name");
        if (r < 0)
            return error_wrap(err, r, "container %zu", i + 1);
        job->items[job->n++] = (struct bulk_item){
            .job = job, .host_id = xstrdup(host), .container_id = xstrdup(container)};
    }
    job->count[ITEM_QUEUED] = job->n;
    return 0;
}

static int find_action(const json_t *body, const struct bulk_action **ret, struct error *err)
{
    const char *name = NULL;
    int r = api_body_string(body, "action", 32, &name, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (str_eq(actions[i].name, name)) {
            *ret = &actions[i];
            return 0;
        }
    }
    return error_set(err, -EDOM,
                     "`action` must be start, stop, restart, kill, pause, unpause or remove");
}

static int read_job(struct api_call *call, struct bulk_job **ret, struct error *err)
{
    const struct bulk_action *action = NULL;
    const json_t *body, *list;
    struct bulk_job *job;
    size_t n;
    int r;

    r = api_body(call, &body, err);
    if (r == 0)
        r = find_action(body, &action, err);
    if (r < 0)
        return r;
    list = json_object_get(body, "containers");
    n = json_array_size(list);
    if (n == 0 || n > MAX_ITEMS)
        return error_set(err, -EDOM, "`containers` must be a list of 1 to %d", MAX_ITEMS);
    job = xcalloc(1, sizeof(*job) + n * sizeof(job->items[0]));
    list_init(&job->link);
    assert(action);
    job->action = action;
    r = read_options(body, job, err);
    if (r == 0)
        r = read_items(list, job, err);
    if (r < 0) {
        job_free(job);
        return r;
    }
    *ret = job;
    return 0;
}

/* What runs already runs to its end. `why` is for the items, or NULL. */
static void cancel(struct bulk_job *job, const char *why)
{
    if (!job->ended_ms)
        job->is_cancelled = true;
    for (size_t i = job->next; i < job->n; i++) {
        if (job->items[i].state != ITEM_QUEUED)
            continue;
        job->items[i].error = xstrdup(why);
        job->items[i].code = why ? CODE_PERMISSION_DENIED : CODE_NONE;
        set_state(&job->items[i], ITEM_CANCELLED);
    }
}

/* Whoever made it may no longer do what they could then: nothing more is begun. */
static void on_rights_ended(void *owner, const char *why)
{
    struct bulk_job *job = owner;

    auth_watch_cancel(TAKE_PTR(job->watch));
    log_warn(LOG_FIELDS("job", job->id, "who", job->who.name), "bulk job cancelled: %s", why);
    cancel(job, why);
}

static void watch_rights(struct bulk_job *job, const struct api_call *call)
{
    const struct auth_proof proof = credentials_proof(call->credentials);

    job->watch = auth_watch_start(call->api->o.auth, &proof, &call->who, on_rights_ended, job);
}

void bulk_create(struct api_call *call)
{
    struct bulk *b = call->api->bulk;
    struct error err = ERROR_INIT;
    struct bulk_job *job = NULL;

    forget_old(b);
    if (b->n_jobs >= MAX_JOBS) {
        api_fail(call, -ENOBUFS, "Too many bulk jobs are running, try again later");
        return;
    }
    if (read_job(call, &job, &err) < 0) {
        api_fail_error(call, &err);
        return;
    }
    assert(job);
    job->bulk = b;
    random_uuid(job->id);
    job->who = call->who;
    job->peer = xstrdup(call->peer);
    job->created_at_ms = time_utc_ms();
    watch_rights(job, call);
    list_append(&b->jobs, &job->link);
    b->n_jobs++;
    call->target = xasprintf("%s of %zu containers", job->action->name, job->n);
    dispatch(b);
    api_reply(call, 202, job_json(job));
}

/* The job of path parameter 0, for who made it and for admins; NULL after the call was answered. */
static struct bulk_job *job_of(struct api_call *call)
{
    bool is_admin = call->who.role == ROLE_ADMIN && !scope_is_limited(&call->who.scope);
    struct bulk *b = call->api->bulk;

    for (struct list *l = b->jobs.next; l != &b->jobs; l = l->next) {
        struct bulk_job *job = CONTAINER_OF(l, struct bulk_job, link);
        bool is_own = job->who.user_id == call->who.user_id && job->who.key_id == call->who.key_id;

        if (str_eq(job->id, api_param(call, 0)) && (is_own || is_admin))
            return job;
    }
    api_fail(call, -ENOENT, "No such bulk job: %s", api_param(call, 0));
    return NULL;
}

void bulk_get(struct api_call *call)
{
    const struct bulk_job *job = job_of(call);
    json_t *items, *o;

    if (!job)
        return;
    items = json_array();
    for (size_t i = 0; i < job->n; i++)
        (void)json_array_append_new(items, item_json(&job->items[i]));
    o = job_json(job);
    (void)json_object_set_new(o, "items", items);
    api_reply(call, 200, o);
}

void bulk_cancel(struct api_call *call)
{
    struct bulk_job *job = job_of(call);

    if (!job)
        return;
    cancel(job, NULL);
    api_reply(call, 200, job_json(job));
}
