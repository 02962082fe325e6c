#include "server/connections.h"
#include "base/error.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#define NUMBER_SIZE 24
#define LEAST       16 /* of --max-connections */

/* The descriptors that may be open, after an attempt to get `wanted`. */
static uint64_t raise_limit(uint64_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return wanted; /* accept() fails when they run out */
    if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = limit;

        raised.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur;
}

size_t connections_allow(uint64_t wanted)
{
    uint64_t limit = raise_limit(wanted + CONNECTIONS_RESERVE);
    uint64_t allowed = limit > CONNECTIONS_RESERVE + LEAST ? limit - CONNECTIONS_RESERVE : LEAST;
    char has[NUMBER_SIZE];

    if (allowed >= wanted)
        return wanted;
    (void)snprintf(has, sizeof(has), "%" PRIu64, limit);
    /* The default is more than most systems permit, so this is not worth a warning. */
    log_info(LOG_FIELDS("descriptors", has),
             "at most %" PRIu64 " connections instead of %" PRIu64 ": raise the limit of open files"
             " (LimitNOFILE=, ulimit -n) or set --max-connections",
             allowed, wanted);
    return allowed;
}

void connections_on_crowd(void *owner, const struct http_crowd *crowd)
{
    char evicted[NUMBER_SIZE], refused[NUMBER_SIZE];
    const char *const *fields = LOG_FIELDS("peer", crowd->peer, "evicted", evicted, "refused",
                                           refused);

    (void)owner;
    (void)snprintf(evicted, sizeof(evicted), "%zu", crowd->n_evicted);
    (void)snprintf(refused, sizeof(refused), "%zu", crowd->n_refused);
    if (crowd->error) {
        log_error(fields, "connections cannot be accepted: %s", error_text(crowd->error));
    } else if (crowd->n_refused > 0) {
        log_error(fields, "connections are refused: as many as --max-connections are in use");
    } else {
        log_warn(fields,
                 "too many connections on which nobody authenticates: the oldest are closed");
    }
}
