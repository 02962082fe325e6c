#pragma once

/*
 * Limits the requests of each user and each API key, by class of route. The classes are those of
 * DockMon. A client may send the requests of a minute at once, and then as many as the rate allows:
 * a page of the web UI loads dozens of them. Logins have limits of their own (auth/limit.h).
 */

#include "server/api/route.h"
#include "server/auth/auth.h"

enum rate_class {
    RATE_DEFAULT,
    RATE_CONTAINERS, /* containers, and all reads of hosts */
    RATE_HOSTS,      /* changes of hosts, their images, networks and volumes */
    RATE_AUTH,       /* changes of a password */
    RATE_STACKS,
    RATE_CLASSES,
};

enum rate_class rate_class_of(const struct route *route);
/* Requests per minute. */
unsigned rate_class_limit(enum rate_class c);
const char *rate_class_name(enum rate_class c);

struct rate_limits;

/* `percent` of the limits apply; 0: none. */
struct rate_limits *rate_limits_new(unsigned percent);
void rate_limits_free(struct rate_limits *l);

/*
 * Counts a request. Returns 0, or -EAGAIN with the seconds until the next one is allowed; then
 * *ret_is_first is true once a minute, for the log. now_ms: monotonic, never 0.
 */
int rate_limits_take(struct rate_limits *l,
                     const struct identity *who,
                     enum rate_class c,
                     uint64_t now_ms,
                     unsigned *ret_wait_s,
                     bool *ret_is_first) _nodiscard_;
