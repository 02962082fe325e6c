#pragma once

/*
 * Bulk jobs: one operation on many containers, or the removal of many images. A job continues when
 * the client has disconnected. bulk_routes.c has the handlers of the API, which fill and show jobs,
 * batch_routes.c those in the shape of DockMon; bulk.c keeps the jobs and is their queue.
 *
 * A job is filled by its creator (bulk_job_new, bulk_job_add) and then started (bulk_start), which
 * gives it to the queue. Its items are queued, running, and then success, error, cancelled or
 * skipped. Older
 * jobs go first; at most 4 items run on one host and 32 in all. The job is over when no item is
 * queued or runs; it is kept in memory for an hour, and then until the next one is created. At most
 * 64 are kept.
 *
 * Ownership: before bulk_start() the job is the creator's, to be freed with bulk_job_free(); then
 * it belongs to struct bulk, which may free a job that is over in bulk_has_room(). struct bulk
 * belongs to the api, and bulk_free() comes after the commands have ended.
 */

#include "base/error.h"
#include "proto/operation.h"
#include "server/auth/auth.h"
#include "server/store/container_settings.h"
#include <jansson.h>

struct api;
struct api_call;
struct bulk;
struct bulk_job;

struct bulk *bulk_new(struct api *api);
void bulk_free(struct bulk *b);

/* Forgets old jobs; false when there is no room for another. */
bool bulk_has_room(struct bulk *b);

/* An action of DockMon's API. */
struct batch_action {
    const char *scope, *name;
    enum operation_id operation;
    /* With OPERATION_NONE: the setting that it changes; CONTAINER_SETTING_KINDS: none. */
    enum container_setting_kind setting;
    const char *refusal; /* the error of each item when this server does not have the action */
};

/* `batch` NULL: the job has the shape of /api/bulk. It outlives the job. */
struct bulk_job *bulk_job_new(enum operation_id operation,
                              const struct batch_action *batch,
                              size_t max_items);
void bulk_job_free(struct bulk_job *job);
/* The arguments without container_id; takes `payload`. The timeout is that of each item. */
void bulk_job_set_payload(struct bulk_job *job, json_t *payload, uint64_t timeout_ms);
/* `name` of the container or image, or NULL. */
void bulk_job_add(struct bulk_job *job,
                  const char *host_id,
                  const char *container_id,
                  const char *name);

/* Takes the job. It runs with the rights of the caller, and is cancelled when they end. */
void bulk_start(struct bulk *b, struct bulk_job *job, const struct api_call *call);
/* NULL when there is no such job, or `who` may not see it. */
struct bulk_job *bulk_find(const struct bulk *b, const char *id, const struct identity *who);
/* Cancels the items that are queued; those that run continue. `why` is their error, or NULL. */
void bulk_job_cancel(struct bulk_job *job, const char *why);

const char *bulk_job_id(const struct bulk_job *job);
json_t *bulk_job_json(const struct bulk_job *job);
json_t *bulk_job_items_json(const struct bulk_job *job);
/* The job with its items in the shape of DockMon. */
json_t *bulk_job_batch_json(const struct bulk_job *job);

/* Reads the options of an operation (timeout, force, volumes) into the job. -EDOM. */
int bulk_read_options(const json_t *options,
                      enum operation_id operation,
                      struct bulk_job *job,
                      struct error *err) _nodiscard_;
