#include "agent/stats/interval.h"

bool interval_is_due(uint64_t *at_ms, uint64_t now_ms, uint64_t interval_ms)
{
    if (now_ms < *at_ms)
        return false;
    *at_ms += interval_ms;
    if (*at_ms <= now_ms)
        *at_ms = now_ms + interval_ms;
    return true;
}

static void follow(uint64_t leader_ms, uint64_t *at_ms, uint64_t now_ms, uint64_t near_ms)
{
    if (now_ms >= leader_ms && *at_ms > now_ms && *at_ms - now_ms <= near_ms)
        *at_ms = now_ms;
}

void interval_merge(uint64_t *a_ms, uint64_t *b_ms, uint64_t now_ms, uint64_t near_ms)
{
    follow(*a_ms, b_ms, now_ms, near_ms);
    follow(*b_ms, a_ms, now_ms, near_ms);
}
