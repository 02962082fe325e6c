#pragma once

/*
 * Compares what the files say of a container with one sample of the Engine API. The files are read before and after,
 * so that what the engine says must lie between, but for some noise.
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

#define SOURCE_CHECK_TRIES         5 /* containers that went away meanwhile */
#define SOURCE_CHECK_DISAGREEMENTS 2 /* before it counts */

/* "" or what does not agree. Pure. */
#define SOURCE_CHECK_TEXT 200
void source_check_compare(const int64_t *before,
                          const int64_t *after,
                          const struct api_sample *api,
                          char ret_why[SOURCE_CHECK_TEXT]);
