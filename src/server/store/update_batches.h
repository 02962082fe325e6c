#pragma once

/*
 * Tables update_batches and update_batch_items: updates of many containers in rings, as
 * updates/batches.h runs them. Only this module names the tables. Items are deleted with their
 * batch.
 */

#include "server/store/store.h"
#include <stdint.h>

#define UPDATE_BATCHES_KEPT 100 /* batches that have ended; older ones are deleted */

struct update_batch_row {
    char *id, *state;
    char *created_by; /* name of the user or API key */
    int64_t user_id, key_id;
    char *rings;
    int64_t max_parallel, pause_s;
    char *options;                      /* JSON of update_args */
    char *reason;                       /* why it has stopped, or NULL */
    int64_t created_at_ms, ended_at_ms; /* 0: not yet */
};

struct update_batch_item_row {
    char *batch_id;
    int64_t number; /* from 1 */
    char *host_id, *container_name;
    int64_t ring;
    char *state;
    char *update_id, *reason; /* or NULL */
    int64_t started_at_ms, ended_at_ms;
};

void update_batch_row_done(struct update_batch_row *b);
void update_batch_item_row_done(struct update_batch_item_row *i);

/* Insert or replace. A new batch deletes old ones that have ended. */
int update_batches_put(struct db *s, const struct update_batch_row *b, struct error *err)
    _nodiscard_;
int update_batches_put_item(struct db *s, const struct update_batch_item_row *i, struct error *err)
    _nodiscard_;

/* The rows are borrowed for the call. */
typedef void (*update_batches_fn)(void *arg, const struct update_batch_row *b);
typedef void (*update_batch_items_fn)(void *arg, const struct update_batch_item_row *i);
/* Newest first. */
int update_batches_each(struct db *s, update_batches_fn fn, void *arg, struct error *err)
    _nodiscard_;
/* The items of all batches, ordered by batch and number. */
int update_batches_each_item(struct db *s, update_batch_items_fn fn, void *arg, struct error *err)
    _nodiscard_;
