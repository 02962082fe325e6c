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
#include "server/api/bulk_internal.h"
#include "server/api/change.h"
#include "server/api/record.h"
#include "server/auth/watch.h"
#include "server/fleet/event_record.h"
#include "server/fleet/scope_view.h"
#include "server/view/json_values.h"

#include <errno.h>

#define MAX_JOBS     64 /* kept, those that run included */
#define MAX_RUNNING  32
#define MAX_PER_HOST 4
#define KEPT_MS      (UINT64_C(60) * 60 * 1000)

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
        free(job->items[i].host_name);
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

    job->count[item->state]--;
    job->count[state]++;
    item->state = state;
    *(state == ITEM_RUNNING ? &item->started_at_ms : &item->ended_at_ms) = time_utc_ms();
    if (!job->started_at_ms)
        job->started_at_ms = time_utc_ms();
    publish(job, "batch_item_update", bulk_item_news(item));
    if (state == ITEM_RUNNING)
        return;
    if (!job->ended_ms && job->count[ITEM_QUEUED] + job->count[ITEM_RUNNING] == 0) {
        job->ended_ms = time_monotonic_ms();
        job->ended_at_ms = time_utc_ms();
        auth_watch_cancel(TAKE_PTR(job->watch));
    }
    publish(job, "batch_job_update", bulk_job_news(job));
}

static const char *get_action(const struct bulk_job *job)
{
    if (job->operation == OPERATION_REMOVE_IMAGE)
        return "image_delete";
    return bulk_is_setting(job) ? container_setting_kind_name(job->batch->setting)
                                : operation_spec(job->operation)->name;
}

static const char *get_name(const struct bulk_item *item)
{
    return item->name ? item->name : item->container_id;
}

static void record_to_events(const struct bulk_item *item,
                             const struct fleet_host *h,
                             uint64_t took_ms)
{
    const struct bulk_job *job = item->job;
    const char *name = get_name(item), *action = get_action(job);
    bool is_image = job->operation == OPERATION_REMOVE_IMAGE;
    const struct event event = {
        .at_ms = time_utc_ms(),
        .category = xstrdup(is_image ? "host" : "container"),
        .type = xstrdup(is_image ? "resource_action" : "container_action"),
        .severity = xstrdup(item->error ? "error" : "info"),
        .host_id = h ? xstrdup(h->row.id) : NULL,
        .host_name = h ? xstrdup(h->row.name) : NULL,
        .container_id = is_image ? NULL : xstrndup(item->container_id, CONTAINER_SHORT_ID_LEN),
        .container_name = is_image ? NULL : xstrdup(name),
        .title = record_title(action, item->error != NULL, name),
        .message = record_message(action, item->code, item->error, took_ms),
        .triggered_by = xstrdup(job->who.name),
        .correlation_id = xstrdup(job->id),
        .details = record_details(took_ms),
    };

    record_event(job->bulk->api->o.fleet, job->bulk->api->o.store, job->bulk->api->o.store_jobs,
                 &event);
}

/* A setting is not a change of the container: it is only in the audit log. */
static void record(const struct bulk_item *item, const struct fleet_host *h, uint64_t took_ms)
{
    const struct bulk_job *job = item->job;
    const struct api *api = job->bulk->api;
    const char *action = get_action(job);
    bool is_image = job->operation == OPERATION_REMOVE_IMAGE;
    const struct audit_entry entry = {
        .at_ms = time_utc_ms(),
        .who = xstrdup(job->who.name),
        .peer = xstrdup(job->peer),
        .action = is_image ? xstrdup(action) : xasprintf("container_%s", action),
        .target = xasprintf("%s/%s", h ? h->row.name : item->host_id, get_name(item)),
        .result = item->error ? xstrdup(item->error) : xstrdup("ok"),
    };

    if (!bulk_is_setting(job))
        record_to_events(item, h, took_ms);
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
    if (code != CODE_NOT_SUPPORTED)
        record(item, h, 0);
    set_state(item, ITEM_ERROR);
}

static void dispatch(struct bulk *b);

/* `error` is NULL after success. */
static void end_item(struct bulk_item *item,
                     const struct fleet_host *h,
                     enum error_code code,
                     const char *error,
                     uint64_t took_ms)
{
    struct bulk *b = item->job->bulk;

    b->n_running--;
    (*get_running(b, item->host_id))--;
    if (error) {
        fail_item(item, h, code, error);
    } else {
        record(item, h, took_ms);
        set_state(item, ITEM_SUCCESS);
    }
    dispatch(b);
}

static void on_done(void *owner, const struct change_result *r)
{
    struct bulk_item *item = owner;

    if (r->name) {
        free(item->name);
        item->name = xstrdup(r->name);
    }
    end_item(item, r->host, r->reason, r->reason ? r->message : NULL, r->took_ms);
}

static void on_image_done(struct bulk_item *item, const struct bulk_image_result *r)
{
    const struct fleet_host *h = fleet_find_host(item->job->bulk->api->o.fleet, item->host_id);

    end_item(item, h, r->code, r->error, r->took_ms);
}

/* Hosts outside the scope of the creator do not exist for the job. */
static struct fleet_host *find_host(const struct bulk_item *item)
{
    struct fleet_host *h = fleet_find_host(item->job->bulk->api->o.fleet, item->host_id);

    return h && scope_allows_host(&item->job->who.scope, h) ? h : NULL;
}

/* Why the item cannot be started, or CODE_NONE. */
static enum error_code find_fault(const struct bulk_item *item, const struct fleet_host *h)
{
    const struct bulk_job *job = item->job;

    if (job->batch && job->batch->refusal)
        return CODE_NOT_SUPPORTED;
    if (!h)
        return CODE_NO_SUCH_HOST;
    if (job->operation == OPERATION_REMOVE_IMAGE && !scope_allows_whole_host(&job->who.scope, h))
        return CODE_OUT_OF_SCOPE;
    if (bulk_is_setting(job))
        return CODE_NONE;
    return h->agent.id && h->is_online ? CODE_NONE : CODE_HOST_OFFLINE;
}

/* Jobs of DockMon's API skip containers that need no operation. Returns why, or NULL. */
static const char *find_note(const struct bulk_item *item, const struct fleet_host *h)
{
    const struct bulk_job *job = item->job;
    struct fleet_container *c;

    if (bulk_is_setting(job))
        return bulk_setting_find_note(item, h);
    if (!job->batch || (job->operation != OPERATION_START && job->operation != OPERATION_STOP) ||
        fleet_find_container(h, item->container_id, &c) < 0 ||
        !scope_allows_container(&job->who.scope, h, c))
        return NULL;
    if (job->operation == OPERATION_START)
        return str_eq(c->state, "running") ? "Container is already running" : NULL;
    return str_eq(c->state, "exited") || str_eq(c->state, "created")
               ? "Container is already stopped"
               : NULL;
}

/* Shows the names of what the creator may see. */
static void name_item(struct bulk_item *item, const struct fleet_host *h)
{
    struct fleet_container *c;

    item->host_name = xstrdup(h->row.name);
    if (item->job->batch && !item->name && fleet_find_container(h, item->container_id, &c) == 0 &&
        scope_allows_container(&item->job->who.scope, h, c))
        item->name = xstrdup(c->name);
}

static void start_item(struct bulk_item *item)
{
    struct bulk_job *job = item->job;
    struct bulk *b = job->bulk;
    const struct fleet_host *h = find_host(item);
    enum error_code fault = find_fault(item, h);

    if (h)
        name_item(item, h);
    if (fault) {
        fail_item(item, h, fault,
                  fault == CODE_NOT_SUPPORTED ? job->batch->refusal : error_code_sentence(fault));
        return;
    }
    item->note = find_note(item, h);
    if (item->note) {
        set_state(item, ITEM_SKIPPED);
        return;
    }
    b->n_running++;
    (*get_running(b, item->host_id))++;
    set_state(item, ITEM_RUNNING);
    if (job->operation == OPERATION_REMOVE_IMAGE) {
        bulk_image_remove(b->api, h, item, on_image_done);
        return;
    }
    if (bulk_is_setting(job)) {
        bulk_setting_change(b->api, h, item, on_image_done);
        return;
    }
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

struct bulk_job *bulk_job_new(enum operation_id operation,
                              const struct batch_action *batch,
                              size_t max_items)
{
    struct bulk_job *job = xcalloc(1, sizeof(*job) + max_items * sizeof(job->items[0]));

    list_init(&job->link);
    job->operation = operation;
    job->batch = batch;
    return job;
}

void bulk_job_set_payload(struct bulk_job *job, json_t *payload, uint64_t timeout_ms)
{
    job->payload = payload;
    job->timeout_ms = timeout_ms;
}

void bulk_job_add(struct bulk_job *job,
                  const char *host_id,
                  const char *container_id,
                  const char *name)
{
    job->items[job->n++] = (struct bulk_item){.job = job,
                                              .host_id = xstrdup(host_id),
                                              .container_id = xstrdup(container_id),
                                              .name = name ? xstrdup(name) : NULL};
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
