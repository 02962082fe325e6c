#pragma once

/*
 * Shared by the files of batches and included by no other file: their life (batches.c), the next
 * step of a batch (batch_run.c), the store (batch_store.c) and JSON (batch_json.c).
 */

#include "base/list.h"
#include "base/random.h"
#include "server/fleet/fleet_listener.h"
#include "server/store/update_batches.h"
#include "server/updates/batches.h"

struct batch_item {
    struct update_batch *batch;
    enum batch_item_state state;
    size_t ring; /* from 1 */
    char *host_id, *container_name;
    char *update_id, *reason; /* or NULL */
    int64_t started_at_ms, ended_at_ms;
    uint64_t begun_ms;   /* monotonic: of the first attempt in this process; 0: none */
    uint64_t blocked_ms; /* monotonic: since when it cannot begin; 0: it can */
    uint64_t retry_ms;   /* monotonic: the agent is not asked again before */
    bool is_asked;       /* by this process */
};

struct update_batch {
    struct list link;
    struct batches *owner;
    char id[UUID_TEXT_SIZE];
    enum batch_state state;
    char *created_by;
    int64_t user_id, key_id; /* both 0: the server */
    char *rings;
    size_t n_rings;
    size_t max_parallel;
    uint64_t pause_s;
    json_t *options;
    char *reason; /* why it has stopped, or NULL */
    int64_t created_at_ms, ended_at_ms;
    size_t ring;         /* that was reached; 0: none yet */
    uint64_t resumes_ms; /* monotonic: the end of the pause before it */
    struct loop_timer timer;
    bool is_advancing;
    size_t count[BATCH_ITEM_STATES];
    size_t n;
    struct batch_item *items;
};

struct batches {
    struct batches_options o;
    struct list all;  /* newest first */
    struct list jobs; /* that refer to this object */
    int64_t opened_at_ms;
    bool is_stopped;
    struct updates_listener updates;
    struct fleet_listener fleet;
};

/* batches.c */
struct update_batch *batches_lookup(const struct batches *bs, const char *id);
void update_batch_free(struct update_batch *b);
bool batch_is_over(const struct update_batch *b);

/* batch_run.c */
/* Takes the next steps of the batch: call it after any change. */
void batch_advance(struct update_batch *b);
void batch_set_state(struct update_batch *b, enum batch_state state);
/* `reason` may be NULL. Stores and publishes the change. */
void batch_item_set_state(struct batch_item *item, enum batch_item_state state, const char *reason);
/* Cancels all queued items, and names the reason. */
void batch_halt(struct update_batch *b, enum batch_state state, const char *reason);

/* batch_store.c */
const char *batch_state_name(enum batch_state state);
const char *batch_item_state_name(enum batch_item_state state);
void batch_store(const struct update_batch *b);
void batch_item_store(const struct batch_item *item);
/* Stores a new batch with its items, and calls `done` of the spec's caller. -ENOBUFS. */
int batch_store_new(struct update_batch *b, batches_done_fn done, void *owner) _nodiscard_;
/* Reads the rights of the creator, stores the item as running, and then calls batch_on_rights(). */
int batch_store_start(struct batch_item *item) _nodiscard_;
int batches_load(struct batches *bs, struct error *err) _nodiscard_;
/* Detaches the jobs in progress. */
void batches_drop_jobs(struct batches *bs);

/* batch_run.c: `who` is NULL and `why` says so when the rights have ended or could not be read. */
void batch_on_rights(struct batch_item *item, const struct identity *who, const char *why);

/* batch_json.c */
json_t *batch_item_json(const struct batches *bs, const struct batch_item *item) _nodiscard_;
const struct fleet_container *batch_item_find(const struct batches *bs,
                                              const struct batch_item *item,
                                              const struct fleet_host **ret_host);
