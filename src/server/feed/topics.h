#pragma once

/*
 * What a client of the feed wants to hear of: a set of topics. A topic is a text of up to three words,
 * KIND[/HOST[/CONTAINER]]; the shorter one includes the longer ones:
 *
 *     hosts  hosts/HOST                                            what a host is, and whether it is online
 *     containers  containers/HOST  containers/HOST/CONTAINER       what a container is
 *     host_stats  host_stats/HOST                                  figures of hosts
 *     stats/HOST  stats/HOST/CONTAINER                             figures of containers
 *     events  events/HOST  events/HOST/CONTAINER                   what happened
 *     progress  progress/HOST  progress/HOST/CONTAINER             steps of what takes long
 *     jobs                                                         bulk operations
 *
 * HOST is a host's id. CONTAINER is an id of 64 or 12 hex digits, of which the first 12 count. Pure data.
 */

#include "base/container_id.h"
#include "base/error.h"
#include "base/map.h"
#include <stdbool.h>
#include <stddef.h>

#define TOPICS_MAX 2000 /* of one set */

enum topic_kind {
    TOPIC_HOSTS,
    TOPIC_CONTAINERS,
    TOPIC_HOST_STATS,
    TOPIC_STATS,
    TOPIC_EVENTS,
    TOPIC_PROGRESS,
    TOPIC_JOBS,
    TOPIC_KINDS
};

#define TOPIC_HOST_SIZE 65 /* with its NUL, as the next */

struct topic {
    enum topic_kind kind;
    char host[TOPIC_HOST_SIZE];              /* "": of all */
    char container[CONTAINER_SHORT_ID_SIZE]; /* "": of all */
};

/* -EINVAL with a text that names it: no such topic. */
int topic_parse(const char *text, struct topic *ret, struct error *err) _nodiscard_;

struct topics {
    struct map items;      /* "KIND/HOST/CONTAINER" -> the topic, owned */
    size_t n[TOPIC_KINDS]; /* of each kind */
    bool all[TOPIC_KINDS]; /* the one without a host is there */
};

void topics_done(struct topics *t); /* empty again, and of use again */

/* false: it was there already (or, removing, was not), or the set is full. */
bool topics_add(struct topics *t, const struct topic *topic);
bool topics_remove(struct topics *t, const struct topic *topic);

/* Whether it is wanted. host NULL: of no host; container NULL: the host itself. A container's id may be longer. */
bool topics_want(const struct topics *t,
                 enum topic_kind kind,
                 const char *host,
                 const char *container);
