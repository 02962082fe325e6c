#pragma once

/*
 * Stops asking an agent that fails again and again, so that clients get an answer at once instead of
 * a timeout each. Pure: the caller has the clock, in milliseconds.
 *
 *   CLOSED ---- 5 failures within 60 s ----> OPEN ---- 30 s ----> HALF_OPEN
 *      ^                                      ^                      |  |
 *      |                                      +---- one failure -----+  |
 *      +------------------------ 2 successes ---------------------------+
 *
 * HALF_OPEN lets all commands through. A failure is an answer that did not come in time or cannot be
 * read; refusals by the engine, a policy or the agent are answers, and so successes. A connection
 * that has ended is no failure either: a new one begins CLOSED.
 */

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES  5
#define BREAKER_WINDOW_MS 60000
#define BREAKER_OPEN_MS   30000
#define BREAKER_SUCCESSES 2

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker { /* zeroed: CLOSED */
    enum breaker_state state;
    uint64_t failed_ms[BREAKER_FAILURES]; /* the newest ones; a ring, `n_failures` counts all */
    uint64_t n_failures;
    uint64_t opened_ms;
    unsigned n_successes;
};

/* The state at `now_ms`: OPEN refuses commands. */
enum breaker_state breaker_check(struct breaker *b, uint64_t now_ms);
/* Returns true when that opens it. */
bool breaker_on_failure(struct breaker *b, uint64_t now_ms);
/* Returns true when that closes it. */
bool breaker_on_success(struct breaker *b, uint64_t now_ms);

const char *breaker_state_name(enum breaker_state state); /* "closed", "open" or "half_open" */
