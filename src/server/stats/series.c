#include "server/stats/series.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPOSE "com.docker.compose."

static bool is_first(const char *number)
{
    return str_is_empty(number) || str_eq(number, "1");
}

/* Returns false if the container is not a service of Compose, or the name would be too long. */
static bool compose_name(const json_t *labels, char ret[STATS_SERIES_SIZE])
{
    const char *project = json_text_get(labels, COMPOSE "project");
    const char *service = json_text_get(labels, COMPOSE "service");
    const char *number = json_text_get(labels, COMPOSE "container-number");
    const char *one_off = json_text_get(labels, COMPOSE "oneoff");
    int n;

    if (str_is_empty(project) || str_is_empty(service) || (one_off && str_eq(one_off, "True")))
        return false;
    n = is_first(number) ? snprintf(ret, STATS_SERIES_SIZE, "%s/%s", project, service)
                         : snprintf(ret, STATS_SERIES_SIZE, "%s/%s/%s", project, service, number);
    return n > 0 && n < STATS_SERIES_SIZE;
}

struct series_claim {
    char id[CONTAINER_ID_SIZE];
    int64_t created_s;
};

void series_claims_done(struct series_claims *claims)
{
    map_foreach(&claims->owners, e)
        free(e->value);
    map_done(&claims->owners);
    *claims = (struct series_claims){0};
}

static bool is_older(const struct fleet_container *c, const struct series_claim *other)
{
    return c->created_s != other->created_s ? c->created_s < other->created_s
                                            : strcmp(c->id, other->id) < 0;
}

static void build_claims(struct series_claims *claims, const struct fleet_host *h)
{
    char name[STATS_SERIES_SIZE];

    series_claims_done(claims);
    claims->version = h->containers_version;
    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;
        struct series_claim *claim;

        if (!compose_name(c->labels, name))
            continue;
        claim = map_find(&claims->owners, name);
        if (claim && !is_older(c, claim))
            continue;
        if (!claim) {
            claim = xcalloc(1, sizeof(*claim));
            (void)map_put(&claims->owners, name, claim); /* replaces nothing */
        }
        str_copy(claim->id, sizeof(claim->id), c->id);
        claim->created_s = c->created_s;
    }
}

void stats_series_name(struct series_claims *claims,
                       const struct fleet_host *h,
                       const struct fleet_container *c,
                       char ret[STATS_SERIES_SIZE])
{
    const struct series_claim *claim;

    if (compose_name(c->labels, ret)) {
        if (claims->version != h->containers_version)
            build_claims(claims, h);
        claim = map_find(&claims->owners, ret);
        if (!claim || str_eq(claim->id, c->id))
            return;
    }
    str_copy(ret, STATS_SERIES_SIZE, str_is_empty(c->name) ? c->id : c->name);
}
