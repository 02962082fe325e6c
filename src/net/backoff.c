#include "net/backoff.h"
#include "base/random.h"

#define MAX_ATTEMPTS 62U

void backoff_init(struct backoff *b, uint64_t initial_ms, uint64_t max_ms)
{
    *b = (struct backoff){.initial_ms = initial_ms, .max_ms = max_ms};
}

void backoff_reset(struct backoff *b)
{
    b->attempts = 0;
}

uint64_t backoff_ceiling(const struct backoff *b)
{
    uint64_t ceiling;

    if (__builtin_mul_overflow(b->initial_ms, UINT64_C(1) << b->attempts, &ceiling) ||
        ceiling > b->max_ms)
        return b->max_ms;
    return ceiling;
}

uint64_t backoff_next(struct backoff *b)
{
    uint64_t ceiling = backoff_ceiling(b);

    if (b->attempts < MAX_ATTEMPTS)
        b->attempts++;
    return random_below(ceiling + 1);
}

uint64_t backoff_slowest(struct backoff *b)
{
    uint64_t half = b->max_ms / 2;

    b->attempts = MAX_ATTEMPTS;
    return half + random_below(b->max_ms - half + 1);
}
