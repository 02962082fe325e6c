#pragma once

/*
 * A token bucket: how much somebody may do at once, and per second in the long run. A zeroed struct is a full one.
 */

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    uint64_t filled_ms; /* when level was last made; 0: never */
    double level;
};

/* One more; false: it is too much. now_ms: monotonic, never 0. */
bool bucket_take(struct bucket *b, double burst, double per_second, uint64_t now_ms);
