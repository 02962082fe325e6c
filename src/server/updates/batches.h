#pragma once

/*
 * Batches: updates of many containers, in rings (rings.h), that stop at the first failure. Lives on
 * the loop. A batch is stored before it is accepted and goes on after a restart of the server.
 *
 *   ring      a ring begins when all updates of the one before have succeeded, and a pause is over
 *   failure   an update that fails, is rolled back, fails on probation, or cannot be asked for. No
 *             further update begins; those in progress are finished
 *   rights    each update begins with the rights that the creator has at that moment. When they
 *             have ended, the batch stops
 *
 *     running --a failure--> stopping ----> failed
 *        |------cancel-----> cancelling --> cancelled
 *        '----------------------------------> completed
 *
 * An item names its container by host and name, so that it is found again under another id. The id
 * of its update is stored before the agent is asked: an agent that knows it already does not begin
 * a second one. An item waits for a host that is offline, up to BATCH_PATIENCE_MS.
 *
 * Ownership: the model owns its batches. Callers hold no pointer across callbacks, only ids.
 */

#include "server/auth/auth.h"
#include "server/feed/feed.h"
#include "server/updates/rings.h"
#include "server/updates/updates.h"

#define BATCH_MAX_ITEMS        500
#define BATCH_MAX_ACTIVE       16
#define BATCH_MAX_PARALLEL     32
#define BATCH_DEFAULT_PARALLEL 3
#define BATCH_MAX_PAUSE_S      86400
#define BATCH_PATIENCE_MS      (UINT64_C(10) * 60 * 1000)

enum batch_state {
    BATCH_RUNNING,
    BATCH_STOPPING,
    BATCH_CANCELLING,
    BATCH_COMPLETED,
    BATCH_FAILED,
    BATCH_CANCELLED,
    BATCH_STATES
};

enum batch_item_state {
    BATCH_ITEM_QUEUED,
    BATCH_ITEM_RUNNING,
    BATCH_ITEM_SUCCESS,
    BATCH_ITEM_FAILED,
    BATCH_ITEM_CANCELLED,
    BATCH_ITEM_SKIPPED, /* the container has the image already */
    BATCH_ITEM_STATES
};

struct batches;
struct update_batch;

struct batches_options {
    struct loop *loop;
    struct fleet *fleet;
    struct sessions *sessions;
    struct updates *updates;
    struct feed *feed;
    struct db *store;
    struct job_queue *store_jobs;
};

/* Reads the stored batches; call before the loop runs. */
int batches_open(struct batches **ret, const struct batches_options *o, struct error *err)
    _nodiscard_;
/* Starts no further update. The next process takes up those in progress. */
void batches_stop(struct batches *bs);
void batches_close(struct batches *bs);

struct batch_subject {
    const struct fleet_host *host;
    const struct fleet_container *container;
};

struct batch_spec {
    const struct identity *who; /* NULL: the server itself, which needs no rights */
    const char *created_by;
    const char *rings; /* NULL: all in one */
    size_t max_parallel;
    uint64_t pause_s;
    const struct update_args *options; /* of each update, without ids */
    const struct batch_subject *subjects;
    size_t n;
};

/*
 * Begins a batch once it is stored: `done` runs once, never before the return, with the id, or with
 * NULL and the failure. -EDOM: invalid rings; -ENOBUFS: BATCH_MAX_ACTIVE batches are not over, or
 * the store is too busy; then `done` does not run.
 */
typedef void (*batches_done_fn)(void *owner, const char *batch_id, const struct error *err);
int batches_create(struct batches *bs,
                   const struct batch_spec *spec,
                   batches_done_fn done,
                   void *owner,
                   struct error *err) _nodiscard_;

/* NULL: there is none. */
const struct update_batch *batches_find(const struct batches *bs, const char *id);
typedef void (*batches_fn)(void *arg, const struct update_batch *b);
void batches_each(const struct batches *bs, batches_fn fn, void *arg); /* newest first */
/* Cancels the updates that have not begun. False: the batch is over. */
bool batches_cancel(struct batches *bs, const char *id, const char *who);

/* Returns whether the identity has created the batch. */
bool batch_is_of(const struct update_batch *b, const struct identity *who);
/* Decides whether a caller may see an item; `c` is NULL when the container does not exist now. */
typedef bool (*batch_item_filter)(void *arg,
                                  const struct fleet_host *h,
                                  const struct fleet_container *c);
size_t batch_count_visible(const struct batches *bs,
                           const struct update_batch *b,
                           batch_item_filter filter,
                           void *arg);
size_t batch_count(const struct update_batch *b); /* its items */
json_t *batch_json(const struct update_batch *b) _nodiscard_;
json_t *batch_items_json(const struct batches *bs,
                         const struct update_batch *b,
                         batch_item_filter filter, /* NULL: all */
                         void *arg) _nodiscard_;
