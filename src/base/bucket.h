#pragma once

/*
 * A token bucket: limits the size of a burst and the average rate. A zeroed struct is a full
 * bucket.
 */

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    uint64_t filled_ms; /* time of the last update of `level`; 0: never */
    double level;
};

/* Takes one token; false: the bucket is empty. now_ms: monotonic, never 0. */
bool bucket_take(struct bucket *b, double burst, double per_second, uint64_t now_ms);
