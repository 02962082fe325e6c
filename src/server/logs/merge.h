#pragma once

/*
 * Merges the lines of several logs by time. A line is next when each other log has a later line
 * waiting or has been silent for a moment. So the lines that the logs hold at the start come in
 * order, and later ones are delayed by a quarter of a second at most. Pure data; the lists belong
 * to the caller.
 */

#include "base/list.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_MERGE_IDLE_MS 250

struct log_merge_input {
    struct list link;  /* among the inputs */
    struct list items; /* of struct log_merge_item, oldest first */
    uint64_t heard_ms; /* when the newest item was added; before the first: the input itself */
    bool is_partial;   /* the next item continues the last one taken */
};

struct log_merge_item {
    struct list link;
    int64_t time_ns; /* INT64_MIN: next as soon as it is the first of its input */
    bool is_partial;
};

void log_merge_put(struct log_merge_input *input, struct log_merge_item *item, uint64_t now_ms);
/*
 * Returns the input whose first item is next, for log_merge_take(). NULL: none yet; then
 * *ret_wait_ms is the time after which to call again, or 0 when no item waits.
 */
struct log_merge_input *log_merge_next(struct list *inputs, uint64_t now_ms, uint64_t *ret_wait_ms);
struct log_merge_item *log_merge_take(struct log_merge_input *input);
