#include "server/api/bulk.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/agent_call.h"
#include "server/api/audit.h"
#include "server/api/change.h"
#include "server/api/record.h"
#include "server/auth/watch.h"
#include "server/common/event_record.h"
#include "server/fleet/scope_view.h"
#include "server/view/json_values.h"

#include <errno.h>

#define MAX_JOBS     64 /* kept, those that run included */
#define MAX_RUNNING  32
#define MAX_PER_HOST 4
#define KEPT_MS      (UINT64_C(60) * 60 * 1000)

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
    enum operation_id operation;
    json_t *payload;
    uint64_t timeout_ms;
    struct identity who;      /* its creator */
    struct auth_watch *watch; /* of the creator's rights, until the job is over */
    char *peer;
    int64_t created_at_ms, ended_at_ms;
    uint64_t ended_ms; /* monotonic; 0: it is not over */
    bool is_cancelled;
    size_t n, next; /* items before `next` are not queued any more */
    size_t count[ITEM_STATES];
    struct bulk_item items[];
};

struct bulk {
    struct api *api;
    struct list jobs; /* oldest first */
    size_t n_jobs, n_running;
    bool is_dispatching;
    struct map by_host; /* host id -> size_t *, owned: number of items that run there */
};

void bulk_job_free(struct bulk_job *job)
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
        bulk_job_free(CONTAINER_OF(b->jobs.next, struct bulk_job, link));
    map_foreach(&b->by_host, e)
        free(e->value);
    map_done(&b->by_host);
    free(b);
}

/* Forgets jobs that ended long ago and, when there are too many, those that ended first. */
static void forget_old(struct bulk *b)
{
    uint64_t now_ms = time_monotonic_ms();
    struct list *next;

    for (struct list *l = b->jobs.next; l != &b->jobs; l = next) {
        struct bulk_job *job = CONTAINER_OF(l, struct bulk_job, link);

        next = l->next;
        if (job->ended_ms && (now_ms - job->ended_ms > KEPT_MS || b->n_jobs >= MAX_JOBS)) {
            bulk_job_free(job);
            b->n_jobs--;
        }
    }
}

/* --- the state of a job --- */

static const char *get_action(const struct bulk_job *job)
{
    return operation_spec(job->operation)->name;
}

static const char *get_status(const struct bulk_job *job)
{
    if (!job->ended_ms)
        return job->is_cancelled ? "cancelling" : "running";
    if (job->is_cancelled)
        return "cancelled";
    return job->count[ITEM_ERROR] ? "failed" : "completed";
}

json_t *bulk_job_json(const struct bulk_job *job)
{
    size_t n_open = job->count[ITEM_QUEUED] + job->count[ITEM_RUNNING];
    json_t *o = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "id", job->id, "action",
                          json_text_str(get_action(job)), "status", json_text_str(get_status(job)),
                          "created_by", json_text_str(job->who.name), "created_at",
                          json_value_time(job->created_at_ms), "completed_at",
                          json_value_time(job->ended_at_ms), "total", (json_int_t)job->n,
                          "completed", (json_int_t)(job->n - n_open));

    for (size_t i = 0; i < ITEM_STATES; i++)
        (void)json_object_set_new(o, item_states[i], json_integer((json_int_t)job->count[i]));
    return o;
}

static json_t *describe_item(const struct bulk_item *item)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s?}", "host_id", item->host_id, "container_id",
                     item->container_id, "container_name", json_value_string(item->name), "status",
                     json_text_str(item_states[item->state]), "error",
                     json_value_string(item->error), "code", error_code_name(item->code));
}

/* Publishes a change, unless the server has closed: the feed is freed then. */
static void publish(const struct bulk_job *job, const char *type, json_t *data)
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
    data = describe_item(item);
    (void)json_object_set_new(data, "job_id", json_string(job->id));
    publish(job, "batch_item_update", data);
    if (state == ITEM_RUNNING)
        return;
    if (!job->ended_ms && job->count[ITEM_QUEUED] + job->count[ITEM_RUNNING] == 0) {
        job->ended_ms = time_monotonic_ms();
        job->ended_at_ms = time_utc_ms();
        auth_watch_cancel(TAKE_PTR(job->watch));
    }
    publish(job, "batch_job_update", bulk_job_json(job));
}

static void record(const struct bulk_item *item, const struct fleet_host *h, uint64_t took_ms)
{
    const struct bulk_job *job = item->job;
    const struct api *api = job->bulk->api;
    const char *name = item->name ? item->name : item->container_id;
    const char *action = get_action(job);
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
        .message = record_message(action, item->code, item->error, took_ms),
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

/* --- the queue --- */

static bool is_busy(const struct bulk *b, const char *host_id)
{
    const size_t *n = map_find(&b->by_host, host_id);

    return n && *n >= MAX_PER_HOST;
}

/* Only for hosts that exist: a client can name any. */
static size_t *get_running(struct bulk *b, const char *host_id)
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

static void on_done(void *owner, const struct change_result *r)
{
    struct bulk_item *item = owner;
    struct bulk *b = item->job->bulk;

    b->n_running--;
    (*get_running(b, item->host_id))--;
    if (r->name)
        item->name = xstrdup(r->name);
    if (r->reason) {
        fail_item(item, r->host, r->reason, r->message);
    } else {
        record(item, r->host, r->took_ms);
        set_state(item, ITEM_SUCCESS);
    }
    dispatch(b);
}

/* Hosts outside the scope of the creator do not exist for the job. */
static struct fleet_host *find_host(const struct bulk_item *item)
{
    struct fleet_host *h = fleet_find_host(item->job->bulk->api->o.fleet, item->host_id);

    return h && scope_allows_host(&item->job->who.scope, h) ? h : NULL;
}

/* Why the item cannot be started, or CODE_NONE. */
static enum error_code find_fault(const struct fleet_host *h)
{
    if (!h)
        return CODE_NO_SUCH_HOST;
    return h->agent.id && h->is_online ? CODE_NONE : CODE_HOST_OFFLINE;
}

static void start_item(struct bulk_item *item)
{
    struct bulk_job *job = item->job;
    struct bulk *b = job->bulk;
    const struct fleet_host *h = find_host(item);
    enum error_code fault = find_fault(h);

    if (fault) {
        fail_item(item, h, fault, error_code_sentence(fault));
        return;
    }
    b->n_running++;
    (*get_running(b, item->host_id))++;
    set_state(item, ITEM_RUNNING);
    change_start(&(struct change_options){.api = b->api,
                                          .scope = &job->who.scope,
                                          .host = h,
                                          .ref = item->container_id,
                                          .operation = job->operation,
                                          .payload = json_incref(job->payload),
                                          .timeout_ms = job->timeout_ms,
                                          .done = on_done,
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

/* Older jobs go first. No item is started once the server has closed. */
static void dispatch(struct bulk *b)
{
    if (!b->api->http || b->is_dispatching)
        return; /* inside the loop below, which continues with the next item */
    b->is_dispatching = true;
    for (struct list *l = b->jobs.next; l != &b->jobs && b->n_running < MAX_RUNNING; l = l->next)
        dispatch_job(b, CONTAINER_OF(l, struct bulk_job, link));
    b->is_dispatching = false;
}

/* --- life of a job --- */

bool bulk_has_room(struct bulk *b)
{
    forget_old(b);
    return b->n_jobs < MAX_JOBS;
}

struct bulk_job *bulk_job_new(enum operation_id operation, size_t max_items)
{
    struct bulk_job *job = xcalloc(1, sizeof(*job) + max_items * sizeof(job->items[0]));

    list_init(&job->link);
    job->operation = operation;
    return job;
}

void bulk_job_set_payload(struct bulk_job *job, json_t *payload, uint64_t timeout_ms)
{
    job->payload = payload;
    job->timeout_ms = timeout_ms;
}

void bulk_job_add(struct bulk_job *job, const char *host_id, const char *container_id)
{
    job->items[job->n++] = (struct bulk_item){
        .job = job, .host_id = xstrdup(host_id), .container_id = xstrdup(container_id)};
    job->count[ITEM_QUEUED]++;
}

void bulk_job_cancel(struct bulk_job *job, const char *why)
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

/* The creator's permissions have changed: start no further items. */
static void on_rights_ended(void *owner, const char *why)
{
    struct bulk_job *job = owner;

    auth_watch_cancel(TAKE_PTR(job->watch));
    log_warn(LOG_FIELDS("job", job->id, "who", job->who.name), "bulk job cancelled: %s", why);
    bulk_job_cancel(job, why);
}

static void watch_rights(struct bulk_job *job, const struct api_call *call)
{
    const struct auth_proof proof = credentials_proof(call->credentials);

    job->watch = auth_watch_start(call->api->o.auth, &proof, &call->who, on_rights_ended, job);
}

void bulk_start(struct bulk *b, struct bulk_job *job, const struct api_call *call)
{
    job->bulk = b;
    random_uuid(job->id);
    job->who = call->who;
    job->peer = xstrdup(call->peer);
    job->created_at_ms = time_utc_ms();
    watch_rights(job, call);
    list_append(&b->jobs, &job->link);
    b->n_jobs++;
    dispatch(b);
}

/* A job exists for its creator and for admins without a scope. */
struct bulk_job *bulk_find(const struct bulk *b, const char *id, const struct identity *who)
{
    bool is_admin = who->role == ROLE_ADMIN && !scope_is_limited(&who->scope);

    for (struct list *l = b->jobs.next; l != &b->jobs; l = l->next) {
        struct bulk_job *job = CONTAINER_OF(l, struct bulk_job, link);
        bool is_own = job->who.user_id == who->user_id && job->who.key_id == who->key_id;

        if (str_eq(job->id, id) && (is_own || is_admin))
            return job;
    }
    return NULL;
}

json_t *bulk_job_items_json(const struct bulk_job *job)
{
    json_t *items = json_array();

    for (size_t i = 0; i < job->n; i++)
        (void)json_array_append_new(items, describe_item(&job->items[i]));
    return items;
}
