#pragma once

/*
 * Compares the files of a container with one sample of the Engine API. The files are read before
 * and after it, so that the engine's values must be in between, within a tolerance.
 */

#include "agent/stats/target.h"
#include "base/container_id.h"

struct source_check { /* zeroed: not started */
    struct api_stats_call *call;
    char id[CONTAINER_ID_SIZE];
    int64_t before[CONTAINER_METRICS];
    unsigned n_tries, n_disagreements;
    bool is_done;
};

#define SOURCE_CHECK_TRIES         5 /* containers that ended meanwhile */
#define SOURCE_CHECK_DISAGREEMENTS 2 /* in a row, before the files are given up */

/* Sets `ret` to "", or to the value that does not agree. Pure. */
#define SOURCE_CHECK_TEXT 200
void source_check_compare(const int64_t *before,
                          const int64_t *after,
                          const struct api_sample *api,
                          char ret_why[SOURCE_CHECK_TEXT]);
