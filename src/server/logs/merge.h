#pragma once

/*
 * Merges lines of several logs by time. A line goes out when every other log has a later one waiting, or has been
 * silent for a moment: so what they hold at the start comes in order, and what comes later is held up for a
 * quarter of a second at most. Pure: lists are the caller's.
 */

#include "base/list.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_MERGE_IDLE_MS 250

struct log_merge_input {
    struct list link;  /* among the inputs */
    struct list items; /* of struct log_merge_item, oldest first */
    uint64_t heard_ms; /* when the newest came; at first: when the input did */
    bool is_partial;   /* the last item taken goes on in the next one */
};

struct log_merge_item {
    struct list link;
    int64_t time_ns; /* INT64_MIN: goes out at once when it is first */
    bool is_partial;
};

void log_merge_put(struct log_merge_input *input, struct log_merge_item *item, uint64_t now_ms);
/*
 * The input whose first item is next, to be taken with log_merge_take(); NULL when there is none, or not yet:
 * then *ret_wait_ms is when to ask again, 0 when nothing waits.
 */
struct log_merge_input *log_merge_next(struct list *inputs, uint64_t now_ms, uint64_t *ret_wait_ms);
struct log_merge_item *log_merge_take(struct log_merge_input *input);
