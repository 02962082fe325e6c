#include "server/command/breaker.h"

enum breaker_state breaker_check(struct breaker *b, uint64_t now_ms)
{
    if (b->state == BREAKER_OPEN && now_ms - b->opened_ms >= BREAKER_OPEN_MS) {
        b->state = BREAKER_HALF_OPEN;
        b->n_successes = 0;
    }
    return b->state;
}

static bool open_breaker(struct breaker *b, uint64_t now_ms)
{
    *b = (struct breaker){.state = BREAKER_OPEN, .opened_ms = now_ms};
    return true;
}

bool breaker_on_failure(struct breaker *b, uint64_t now_ms)
{
    enum breaker_state state = breaker_check(b, now_ms);
    uint64_t oldest;

    if (state == BREAKER_OPEN)
        return false; /* of a command that was sent before it opened */
    if (state == BREAKER_HALF_OPEN)
        return open_breaker(b, now_ms);
    b->failed_ms[b->n_failures++ % BREAKER_FAILURES] = now_ms;
    if (b->n_failures < BREAKER_FAILURES)
        return false;
    oldest = b->failed_ms[b->n_failures % BREAKER_FAILURES];
    return now_ms - oldest < BREAKER_WINDOW_MS && open_breaker(b, now_ms);
}

bool breaker_on_success(struct breaker *b, uint64_t now_ms)
{
    if (breaker_check(b, now_ms) != BREAKER_HALF_OPEN || ++b->n_successes < BREAKER_SUCCESSES)
        return false;
    *b = (struct breaker){0};
    return true;
}

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half_open"};

    return names[state];
}
