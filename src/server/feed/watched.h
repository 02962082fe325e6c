#pragma once

/*
 * Counts the stats topics of all clients, to answer which samples are being watched. Pure data.
 */

#include "base/map.h"
#include "server/feed/topics.h"
#include <stdbool.h>

struct watched {
    /* "HOST/CONTAINER", "HOST/" for all containers, "HOST//" for the host itself -> size_t * */
    struct map counts;
    struct map hosts;   /* host id -> size_t *: the number of keys of the host above */
    size_t n_all_hosts; /* topics of the samples of all hosts */
};

void watched_done(struct watched *w);

/*
 * Other kinds of topics are not counted. True: the answers below may have changed, for the host
 * of the topic or for all hosts.
 */
bool watched_add(struct watched *w, const struct topic *topic);
bool watched_remove(struct watched *w, const struct topic *topic);

bool watched_has_host(const struct watched *w, const char *host_id); /* the host's own samples */
bool watched_has_any_container(const struct watched *w, const char *host_id);
bool watched_has_container(const struct watched *w, const char *host_id, const char *container_id);
