#pragma once

/*
 * The wait before the next attempt: exponential with full jitter, so that a thousand peers that
 * lost the same server do not come back at the same moment. Plain data, embedded in the object that
 * retries.
 */

#include <stdint.h>

struct backoff {
    uint64_t initial_ms; /* longest first wait */
    uint64_t max_ms;     /* longest wait ever */
    unsigned attempts;   /* since the last reset */
};

void backoff_init(struct backoff *b, uint64_t initial_ms, uint64_t max_ms);
void backoff_reset(struct backoff *b); /* after a success */

/* Uniform in [0, initial * 2^attempts], at most max; counts the attempt. */
uint64_t backoff_next(struct backoff *b);
/*
 * The slowest retry, for a failure that only a human can repair: uniform in [max/2, max]; counts as
 * many attempts.
 */
uint64_t backoff_slowest(struct backoff *b);
/* The longest wait backoff_next() could give now. */
uint64_t backoff_ceiling(const struct backoff *b);
