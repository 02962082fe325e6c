#include "server/api/rate_limit.h"
#include "base/alloc.h"
#include "base/bucket.h"
#include "base/map.h"
#include "base/str.h"

#include <errno.h>

#define MAX_CLIENTS 4096
#define WARN_MS     60000

static const struct {
    const char *name;
    unsigned per_minute;
} classes[RATE_CLASSES] = {
    [RATE_DEFAULT] = {"default",    120},
      [RATE_CONTAINERS] = {"containers", 900},
    [RATE_HOSTS] = {"hosts",      60 },
      [RATE_AUTH] = {"auth",       10 },
    [RATE_STACKS] = {"stacks",     60 },
};

/* The first row that matches a route counts. */
static const struct {
    const char *method; /* NULL: any */
    const char *prefix; /* of the pattern */
    enum rate_class rate_class;
} rules[] = {
    {NULL,  "/api/v2/auth/change-password", RATE_AUTH      },
    {NULL,  "/api/containers",              RATE_CONTAINERS},
    {NULL,  "/api/hosts/{host}/containers", RATE_CONTAINERS},
    {"GET", "/api/hosts",                   RATE_CONTAINERS},
    {NULL,  "/api/hosts",                   RATE_HOSTS     },
    {NULL,  "/api/stacks",                  RATE_STACKS    },
    {NULL,  "/api/deployments",             RATE_STACKS    },
};

struct client {
    struct bucket buckets[RATE_CLASSES];
    uint64_t seen_ms, warned_ms;
};

struct rate_limits {
    unsigned percent;
    struct map clients; /* struct client by "u" or "k" and the id of the user or key */
};

enum rate_class rate_class_of(const struct route *route)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (str_starts_with(route->pattern, rules[i].prefix) &&
            (!rules[i].method || str_eq(route->method, rules[i].method)))
            return rules[i].rate_class;
    }
    return RATE_DEFAULT;
}

unsigned rate_class_limit(enum rate_class c)
{
    return classes[c].per_minute;
}

const char *rate_class_name(enum rate_class c)
{
    return classes[c].name;
}

struct rate_limits *rate_limits_new(unsigned percent)
{
    struct rate_limits *l = xcalloc(1, sizeof(*l));

    l->percent = percent;
    return l;
}

static void forget_client(struct rate_limits *l, const char *key)
{
    free(map_remove(&l->clients, key));
}

void rate_limits_free(struct rate_limits *l)
{
    if (!l)
        return;
    while (l->clients.size > 0)
        forget_client(l, map_next(&l->clients, NULL)->key);
    map_done(&l->clients);
    free(l);
}

/* Makes room by dropping the client whose last request is the longest ago. */
static void drop_oldest(struct rate_limits *l)
{
    const char *oldest = NULL;
    uint64_t seen_ms = UINT64_MAX;

    map_foreach(&l->clients, i) {
        const struct client *c = i->value;

        if (c->seen_ms < seen_ms) {
            seen_ms = c->seen_ms;
            oldest = i->key;
        }
    }
    if (oldest)
        forget_client(l, oldest);
}

static struct client *get_client(struct rate_limits *l, const struct identity *who)
{
    _cleanup_free_ char *key = who->key_id ? xasprintf("k%jd", (intmax_t)who->key_id)
                                           : xasprintf("u%jd", (intmax_t)who->user_id);
    struct client *c = map_find(&l->clients, key);

    if (c)
        return c;
    if (l->clients.size >= MAX_CLIENTS)
        drop_oldest(l);
    c = xcalloc(1, sizeof(*c));
    (void)map_put(&l->clients, key, c);
    return c;
}

int rate_limits_take(struct rate_limits *l,
                     const struct identity *who,
                     enum rate_class c,
                     uint64_t now_ms,
                     unsigned *ret_wait_s,
                     bool *ret_is_first)
{
    double burst = (double)classes[c].per_minute * l->percent / 100;
    struct client *client;

    if (l->percent == 0)
        return 0;
    if (burst < 1)
        burst = 1;
    client = get_client(l, who);
    client->seen_ms = now_ms;
    if (bucket_take(&client->buckets[c], burst, burst / 60, now_ms))
        return 0;
    *ret_wait_s = 1 + (unsigned)((1 - client->buckets[c].level) * 60 / burst);
    *ret_is_first = client->warned_ms == 0 || now_ms - client->warned_ms >= WARN_MS;
    if (*ret_is_first)
        client->warned_ms = now_ms;
    return -EAGAIN;
}
