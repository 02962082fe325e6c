#pragma once

/*
 * Which figures somebody is looking at: the stats topics of all clients, counted. Pure data.
 */

#include "base/map.h"
#include "server/feed/topics.h"
#include <stdbool.h>

struct watched {
    /* "HOST/CONTAINER", "HOST/" for all containers, "HOST//" for the host itself -> size_t * */
    struct map counts;
    struct map hosts;   /* host id -> size_t *: how many of the above */
    size_t n_all_hosts; /* those who look at the figures of all hosts */
};

void watched_done(struct watched *w);

/* Other kinds of topics do not count. true: what is_watched says of that host (or of all) is another now. */
bool watched_add(struct watched *w, const struct topic *topic);
bool watched_remove(struct watched *w, const struct topic *topic);

bool watched_has_host(const struct watched *w, const char *host_id); /* its own figures */
bool watched_has_any_container(const struct watched *w, const char *host_id);
bool watched_has_container(const struct watched *w, const char *host_id, const char *container_id);
