/* Batches in the store: rows, and the jobs that write them. */

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/store/identities.h"
#include "server/updates/batches_internal.h"

#include <errno.h>
#include <string.h>

static const char *const state_names[BATCH_STATES] = {
    [BATCH_RUNNING] = "running",       [BATCH_STOPPING] = "stopping",
    [BATCH_CANCELLING] = "cancelling", [BATCH_COMPLETED] = "completed",
    [BATCH_FAILED] = "failed",         [BATCH_CANCELLED] = "cancelled",
};

static const char *const item_state_names[BATCH_ITEM_STATES] = {
    [BATCH_ITEM_QUEUED] = "queued",       [BATCH_ITEM_RUNNING] = "running",
    [BATCH_ITEM_SUCCESS] = "success",     [BATCH_ITEM_FAILED] = "failed",
    [BATCH_ITEM_CANCELLED] = "cancelled", [BATCH_ITEM_SKIPPED] = "skipped",
};

const char *batch_state_name(enum batch_state state)
{
    return state_names[state];
}

const char *batch_item_state_name(enum batch_item_state state)
{
    return item_state_names[state];
}

static struct update_batch_row make_row(const struct update_batch *b)
{
    return (struct update_batch_row){
        .id = xstrdup(b->id),
        .state = xstrdup(batch_state_name(b->state)),
        .created_by = xstrdup(b->created_by),
        .user_id = b->user_id,
        .key_id = b->key_id,
        .rings = xstrdup(b->rings),
        .max_parallel = (int64_t)b->max_parallel,
        .pause_s = (int64_t)b->pause_s,
        .options = json_text_write(b->options, NULL),
        .reason = xstrdup(b->reason),
        .created_at_ms = b->created_at_ms,
        .ended_at_ms = b->ended_at_ms,
    };
}

static struct update_batch_item_row make_item_row(const struct batch_item *item)
{
    return (struct update_batch_item_row){
        .batch_id = xstrdup(item->batch->id),
        .number = item - item->batch->items + 1,
        .host_id = xstrdup(item->host_id),
        .container_name = xstrdup(item->container_name),
        .ring = (int64_t)item->ring,
        .state = xstrdup(batch_item_state_name(item->state)),
        .update_id = xstrdup(item->update_id),
        .reason = xstrdup(item->reason),
        .started_at_ms = item->started_at_ms,
        .ended_at_ms = item->ended_at_ms,
    };
}

/* A job of the store. It writes the parts that are set. */
struct batch_job {
    struct list link;      /* of the jobs of `owner` */
    struct batches *owner; /* NULL: it was closed, or the job reports to nobody */
    struct db *store;
    bool has_batch, needs_rights;
    struct update_batch_row batch;
    struct update_batch_item_row *items;
    size_t n;
    struct identity_row rights;
    int64_t user_id, key_id;
    batches_done_fn done;
    void *done_owner;
    int code, rights_code;
    struct error err, rights_err;
};

static void job_done(struct batch_job *job)
{
    list_unlink(&job->link);
    if (job->has_batch)
        update_batch_row_done(&job->batch);
    for (size_t i = 0; i < job->n; i++)
        update_batch_item_row_done(&job->items[i]);
    free(job->items);
    identity_row_done(&job->rights);
    free(job);
}

static int write_rows(struct db *store, void *arg, struct error *err)
{
    struct batch_job *job = arg;
    int r = job->has_batch ? update_batches_put(store, &job->batch, err) : 0;

    for (size_t i = 0; r == 0 && i < job->n; i++)
        r = update_batches_put_item(store, &job->items[i], err);
    return r;
}

static void work(void *owner)
{
    struct batch_job *job = owner;

    if (job->needs_rights) {
        job->rights_code = identities_get_by_id(job->store, job->user_id, job->key_id,
                                                time_utc_ms(), &job->rights, &job->rights_err);
    }
    job->code = db_tx(job->store, write_rows, job, &job->err);
}

static struct batch_job *job_new(const struct batches *bs)
{
    struct batch_job *job = xcalloc(1, sizeof(*job));

    list_init(&job->link);
    job->store = bs->o.store;
    return job;
}

static void job_add_item(struct batch_job *job, const struct batch_item *item)
{
    job->items = xrealloc(job->items, job->n + 1, sizeof(*job->items));
    job->items[job->n++] = make_item_row(item);
}

/* --- changes, which nobody waits for --- */

static void on_written(void *owner)
{
    struct batch_job *job = owner;

    /* -EINVAL: an item whose batch was deleted, or could not be stored. */
    if (job->code < 0 && job->code != -EINVAL)
        log_error(NULL, "a change of a batch of updates was not stored: %s", job->err.msg);
    job_done(job);
}

static void submit(const struct batches *bs, struct batch_job *job)
{
    if (job_submit(bs->o.store_jobs, job, work, on_written) < 0) {
        log_error(NULL, "a change of a batch of updates was not stored: the store is too slow");
        job_done(job);
    }
}

void batch_store(const struct update_batch *b)
{
    struct batch_job *job = job_new(b->owner);

    job->has_batch = true;
    job->batch = make_row(b);
    submit(b->owner, job);
}

void batch_item_store(const struct batch_item *item)
{
    struct batch_job *job = job_new(item->batch->owner);

    job_add_item(job, item);
    submit(item->batch->owner, job);
}

/* --- a new batch --- */

static void on_created(void *owner)
{
    struct batch_job *job = owner;
    struct update_batch *b = job->owner ? batches_lookup(job->owner, job->batch.id) : NULL;

    if (b && job->code == 0) {
        job->done(job->done_owner, b->id, NULL);
        batch_advance(b);
    } else {
        struct error err = ERROR_INIT;

        if (b)
            update_batch_free(b);
        (void)error_set(&err, job->code < 0 ? job->code : -ECANCELED,
                        "The batch was not begun, because it could not be stored: %s",
                        job->code < 0 ? job->err.msg : "the server is stopping");
        job->done(job->done_owner, NULL, &err);
    }
    job_done(job);
}

int batch_store_new(struct update_batch *b, batches_done_fn done, void *owner)
{
    struct batch_job *job = job_new(b->owner);
    int r;

    job->owner = b->owner;
    job->done = done;
    job->done_owner = owner;
    job->has_batch = true;
    job->batch = make_row(b);
    for (size_t i = 0; i < b->n; i++)
        job_add_item(job, &b->items[i]);
    list_append(&b->owner->jobs, &job->link);
    r = job_submit(b->owner->o.store_jobs, job, work, on_created);
    if (r < 0)
        job_done(job);
    return r;
}

/* --- the start of an item --- */

/* Returns why the creator may not update any more, or NULL, and fills the parts that count. */
static const char *read_identity(const struct batch_job *job, struct identity *ret)
{
    if (job->code < 0)
        return "the start of the update could not be stored";
    if (!job->needs_rights)
        return NULL;
    if (job->rights_code == -ENOENT)
        return "the user or API key that has created the batch does not exist any more";
    if (job->rights_code < 0 || scope_rules_parse(job->rights.scope, &ret->scope.own, NULL) < 0 ||
        scope_rules_parse(job->rights.scope_ceiling, &ret->scope.ceiling, NULL) < 0)
        return "the rights of its creator could not be read";
    ret->role = job->rights.role;
    if (ret->role < ROLE_OPERATOR)
        return "its creator may not update containers any more";
    return NULL;
}

static void on_started(void *owner)
{
    struct batch_job *job = owner;
    struct update_batch *b = job->owner ? batches_lookup(job->owner, job->items[0].batch_id) : NULL;
    struct identity who = {.role = ROLE_ADMIN};
    const char *why = read_identity(job, &who);

    if (b) {
        who.user_id = b->user_id;
        who.key_id = b->key_id;
        batch_on_rights(&b->items[job->items[0].number - 1], why ? NULL : &who, why);
    }
    job_done(job);
}

int batch_store_start(struct batch_item *item)
{
    struct update_batch *b = item->batch;
    struct batch_job *job = job_new(b->owner);
    int r;

    job->owner = b->owner;
    job->needs_rights = b->user_id || b->key_id;
    job->user_id = b->user_id;
    job->key_id = b->key_id;
    job_add_item(job, item);
    list_append(&b->owner->jobs, &job->link);
    r = job_submit(b->owner->o.store_jobs, job, work, on_started);
    if (r < 0)
        job_done(job);
    return r;
}

void batches_drop_jobs(struct batches *bs)
{
    while (!list_empty(&bs->jobs)) {
        struct batch_job *job = CONTAINER_OF(list_take_first(&bs->jobs), struct batch_job, link);

        job->owner = NULL;
    }
}

/* --- loading --- */

static unsigned find_name(const char *const *names, unsigned n, const char *name)
{
    unsigned i = 0;

    while (i < n && !str_eq(names[i], name))
        i++;
    return i;
}

static void load_batch(void *arg, const struct update_batch_row *row)
{
    struct batches *bs = arg;
    struct update_batch *b = xcalloc(1, sizeof(*b));

    b->owner = bs;
    str_copy(b->id, sizeof(b->id), row->id);
    b->state = (enum batch_state)find_name(state_names, BATCH_STATES, row->state);
    b->created_by = xstrdup(row->created_by);
    b->user_id = row->user_id;
    b->key_id = row->key_id;
    b->rings = xstrdup(row->rings);
    b->max_parallel = (size_t)row->max_parallel;
    b->pause_s = (uint64_t)row->pause_s;
    b->options = json_text_parse(row->options, strlen(row->options), 0, NULL);
    b->reason = xstrdup(row->reason);
    b->created_at_ms = row->created_at_ms;
    b->ended_at_ms = row->ended_at_ms;
    list_append(&bs->all, &b->link);
}

static void load_item(void *arg, const struct update_batch_item_row *row)
{
    struct batches *bs = arg;
    struct update_batch *b = batches_lookup(bs, row->batch_id);
    struct batch_item *item;

    if (!b || b->n == BATCH_MAX_ITEMS)
        return;
    b->items = xrealloc(b->items, b->n + 1, sizeof(*b->items));
    item = &b->items[b->n++];
    *item = (struct batch_item){
        .batch = b,
        .state = (enum batch_item_state)find_name(item_state_names, BATCH_ITEM_STATES, row->state),
        .ring = (size_t)row->ring,
        .host_id = xstrdup(row->host_id),
        .container_name = xstrdup(row->container_name),
        .update_id = xstrdup(row->update_id),
        .reason = xstrdup(row->reason),
        .started_at_ms = row->started_at_ms,
        .ended_at_ms = row->ended_at_ms,
    };
    b->count[item->state]++;
    b->n_rings = item->ring > b->n_rings ? item->ring : b->n_rings;
    if (item->state != BATCH_ITEM_QUEUED && item->ring > b->ring)
        b->ring = item->ring;
}

int batches_load(struct batches *bs, struct error *err)
{
    int r = update_batches_each(bs->o.store, load_batch, bs, err);

    return r < 0 ? r : update_batches_each_item(bs->o.store, load_item, bs, err);
}
