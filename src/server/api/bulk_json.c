/*
 * Bulk jobs as JSON: in the shape of /api/bulk, in DockMon's of /api/batch, and for the feed, where
 * the members of both stand beside each other. `status` has the words of the API that has created
 * the job.
 */

#include "base/alloc.h"
#include "proto/json_text.h"
#include "server/api/bulk_internal.h"
#include "server/view/json_values.h"

static const struct {
    const char *own, *batch;
} states[ITEM_STATES] = {
    [ITEM_QUEUED] = {"queued",    "queued"   },
      [ITEM_RUNNING] = {"running",   "running"  },
    [ITEM_SUCCESS] = {"success",   "completed"},
      [ITEM_ERROR] = {"error",     "failed"   },
    [ITEM_CANCELLED] = {"cancelled", "skipped"  },
      [ITEM_SKIPPED] = {"skipped",   "skipped"  },
};

static const char *get_action(const struct bulk_job *job)
{
    return job->batch ? job->batch->name : operation_spec(job->operation)->name;
}

static size_t count_open(const struct bulk_job *job)
{
    return job->count[ITEM_QUEUED] + job->count[ITEM_RUNNING];
}

static const char *get_status(const struct bulk_job *job)
{
    if (!job->ended_ms)
        return job->is_cancelled ? "cancelling" : "running";
    if (job->is_cancelled)
        return "cancelled";
    return job->count[ITEM_ERROR] ? "failed" : "completed";
}

static const char *get_batch_status(const struct bulk_job *job)
{
    if (!job->started_at_ms)
        return "queued";
    if (!job->ended_ms)
        return "running";
    if (job->count[ITEM_ERROR] + job->count[ITEM_CANCELLED] == 0)
        return "completed";
    return job->count[ITEM_SUCCESS] + job->count[ITEM_SKIPPED] ? "partial" : "failed";
}

const char *bulk_job_id(const struct bulk_job *job)
{
    return job->id;
}

json_t *bulk_job_json(const struct bulk_job *job)
{
    json_t *o = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "id", json_text_str(job->id), "action",
        json_text_str(get_action(job)), "status", json_text_str(get_status(job)), "created_by",
        json_text_str(job->who.name), "created_at", json_value_time(job->created_at_ms),
        "completed_at", json_value_time(job->ended_at_ms), "total", (json_int_t)job->n, "completed",
        (json_int_t)(job->n - count_open(job)));

    for (size_t i = 0; i < ITEM_STATES; i++)
        (void)json_object_set_new(o, states[i].own, json_integer((json_int_t)job->count[i]));
    return o;
}

static json_t *describe_item(const struct bulk_item *item)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:s?}", "host_id", json_text_str(item->host_id),
                     "container_id", json_text_str(item->container_id), "container_name",
                     json_value_string(item->name), "status",
                     json_text_str(states[item->state].own), "error",
                     json_value_string(item->error), "code", error_code_name(item->code));
}

json_t *bulk_job_items_json(const struct bulk_job *job)
{
    json_t *items = json_array();

    for (size_t i = 0; i < job->n; i++)
        (void)json_array_append_new(items, describe_item(&job->items[i]));
    return items;
}

/* --- the shape of DockMon --- */

static json_t *describe_batch(const struct bulk_job *job)
{
    size_t n_ended = job->n - count_open(job);
    _cleanup_free_ char *message = xasprintf("%s: %zu of %zu done, %zu failed", get_action(job),
                                             n_ended, job->n, job->count[ITEM_ERROR]);

    return json_pack(
        "{s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "action",
        json_text_str(get_action(job)), "status", json_text_str(get_batch_status(job)), "message",
        json_text_str(message), "total_items", (json_int_t)job->n, "completed_items",
        (json_int_t)n_ended, "success_items", (json_int_t)job->count[ITEM_SUCCESS], "error_items",
        (json_int_t)job->count[ITEM_ERROR], "skipped_items",
        (json_int_t)job->count[ITEM_SKIPPED] + (json_int_t)job->count[ITEM_CANCELLED], "created_at",
        json_value_time(job->created_at_ms), "started_at", json_value_time(job->started_at_ms),
        "completed_at", json_value_time(job->ended_at_ms));
}

static json_t *describe_message(const struct bulk_item *item)
{
    if (item->error)
        return json_value_string(item->error);
    if (item->state == ITEM_CANCELLED)
        return json_text_str("Cancelled");
    return item->state == ITEM_SUCCESS ? json_text_str("Done") : json_value_string(item->note);
}

/* Items are numbered from 1. */
static json_int_t get_item_id(const struct bulk_item *item)
{
    return item - item->job->items + 1;
}

static json_t *describe_batch_item(const struct bulk_item *item)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", get_item_id(item),
                     "container_id", json_text_str(item->container_id), "container_name",
                     json_value_string(item->name), "host_id", json_text_str(item->host_id),
                     "host_name", json_value_string(item->host_name), "status",
                     json_text_str(states[item->state].batch), "message", describe_message(item),
                     "started_at", json_value_time(item->started_at_ms), "completed_at",
                     json_value_time(item->ended_at_ms));
}

json_t *bulk_job_batch_json(const struct bulk_job *job)
{
    json_t *o = describe_batch(job);
    json_t *items = json_array();

    for (size_t i = 0; i < job->n; i++)
        (void)json_array_append_new(items, describe_batch_item(&job->items[i]));
    json_text_set(o, "id", json_text_str(job->id));
    json_text_set(o, "scope", json_text_str(job->batch ? job->batch->scope : "container"));
    json_text_set(o, "items", items);
    return o;
}

/* --- the feed --- */

static json_t *merge(const struct bulk_job *job, json_t *own, json_t *batch)
{
    json_t *first = job->batch ? batch : own, *second = job->batch ? own : batch;

    (void)json_object_update_missing(first, second);
    json_decref(second);
    json_text_set(first, "job_id", json_text_str(job->id));
    return first;
}

json_t *bulk_job_news(const struct bulk_job *job)
{
    return merge(job, bulk_job_json(job), describe_batch(job));
}

json_t *bulk_item_news(const struct bulk_item *item)
{
    json_t *batch = describe_batch_item(item), *news;

    (void)json_object_del(batch, "id");
    news = merge(item->job, describe_item(item), batch);
    (void)json_object_set_new(news, "item_id", json_integer(get_item_id(item)));
    return news;
}
