#pragma once

/* The progress of an update in lines of text, escaped. */

#include "base/buf.h"
#include <jansson.h>

/*
 * Appends the state of an update for a terminal of that width: a line with the step, and while the
 * image is pulled one for each of its layers, in all at most `max_lines`. Returns their number.
 */
size_t update_bars_print(
    const char *word, const json_t *update, int cols, size_t max_lines, struct buf *out);

/*
 * Appends the changes since the record `before`, which may be NULL, one line each: a new step, and
 * layers with a new status.
 */
void update_bars_print_changes(const char *word,
                               const json_t *before,
                               const json_t *update,
                               struct buf *out);
