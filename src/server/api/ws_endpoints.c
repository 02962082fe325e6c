#include "server/api/ws_endpoints.h"

#include "base/str.h"
#include "server/api/call.h"

#include <string.h>

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

static int open_agent(struct api *a,
                      const struct ws_endpoint *e,
                      const struct http_request *r _unused_,
                      struct ws_accept *ret)
{
    sessions_accept(a->o.sessions, &e->rules.limits, ret);
    return 0;
}

static int open_stats(struct api *a,
                      const struct ws_endpoint *e,
                      const struct http_request *r,
                      struct ws_accept *ret)
{
    return stats_channels_accept(a->o.stats_channels, r, &e->rules, ret);
}

static int open_feed(struct api *a,
                     const struct ws_endpoint *e,
                     const struct http_request *r,
                     struct ws_accept *ret)
{
    feed_accept(a->o.feed, r, &e->rules, ret);
    return 0;
}

static int open_logs(struct api *a,
                     const struct ws_endpoint *e,
                     const struct http_request *r,
                     struct ws_accept *ret)
{
    log_endpoint_accept(a->o.log_endpoint, r, &e->rules, ret);
    return 0;
}

static int open_shell(struct api *a,
                      const struct ws_endpoint *e,
                      const struct http_request *r,
                      struct ws_accept *ret)
{
    return shells_accept(a->o.shells, r, r->path + strlen(e->path), &e->rules, ret);
}

static int open_copy(struct api *a,
                     const struct ws_endpoint *e,
                     const struct http_request *r,
                     struct ws_accept *ret)
{
    return shells_accept_copy(a->o.shells, r, r->path + strlen(e->path), &e->rules, ret);
}

#define RULES(least_role, message, queue)                                                 \
    {                                                                                     \
        .role = (least_role), .limits = {.max_message = (message), .max_queue = (queue) } \
    }

/*
 * The limits of the feed hold until a client subscribes (its queue: two full lists), those of an
 * agent until it has authenticated. A stats channel sends pongs and a close frame only.
 */
const struct ws_endpoint ws_endpoints[] = {
    {"/api/agent/ws",    false, OBJECT_NONE,      RULES(ROLE_NONE,     KIB(64), KIB(64)), open_agent},
    {STATS_CHANNEL_PATH, false, OBJECT_NONE,      RULES(ROLE_NONE,     KIB(16), KIB(4)),  open_stats},
    {"/ws",              false, OBJECT_LIST,      RULES(ROLE_VIEWER,   KIB(64), MIB(16)), open_feed },
    {"/ws/",             false, OBJECT_LIST,      RULES(ROLE_VIEWER,   KIB(64), MIB(16)), open_feed },
    {"/ws/logs",         false, OBJECT_LIST,      RULES(ROLE_VIEWER,   KIB(64), MIB(2)),  open_logs },
    {"/ws/copy/",        true,  OBJECT_CONTAINER, RULES(ROLE_OPERATOR, KIB(64), MIB(2)),  open_copy },
    {"/ws/shell/",       true,  OBJECT_CONTAINER, RULES(ROLE_OPERATOR, KIB(64), MIB(2)),  open_shell},
};
const size_t n_ws_endpoints = ARRAY_LEN(ws_endpoints);

const struct ws_endpoint *ws_endpoint_find(const char *path)
{
    for (size_t i = 0; i < n_ws_endpoints; i++) {
        const struct ws_endpoint *e = &ws_endpoints[i];

        if (e->is_prefix ? str_starts_with(path, e->path) : str_eq(path, e->path))
            return e;
    }
    return NULL;
}
