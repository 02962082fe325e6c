#include "server/stats/series.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <stdio.h>

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

void stats_series_name(const struct fleet_container *c, char ret[STATS_SERIES_SIZE])
{
    if (!compose_name(c->labels, ret))
        str_copy(ret, STATS_SERIES_SIZE, str_is_empty(c->name) ? c->id : c->name);
}
