#pragma once

/*
 * A set of topics is what a client of the feed has subscribed to. A topic is a text of up to
 * three words, KIND[/HOST[/CONTAINER]]; the shorter one includes the longer ones:
 *
 *   hosts  hosts/HOST                                        facts of hosts, online or offline
 *   containers  containers/HOST  containers/HOST/CONTAINER   facts and states of containers
 *   host_stats  host_stats/HOST                              samples of hosts
 *   stats/HOST  stats/HOST/CONTAINER                         samples of containers
 *   events  events/HOST  events/HOST/CONTAINER               rows of the event log
 *   progress  progress/HOST  progress/HOST/CONTAINER         steps of long operations
 *   jobs                                                     bulk jobs
 *
 * HOST is the id of a host. CONTAINER is an id of 64 or 12 hex digits, of which the first 12 are
 * compared. Pure data.
 */

#include "base/container_id.h"
#include "base/error.h"
#include "base/map.h"
#include <stdbool.h>
#include <stddef.h>

#define TOPICS_MAX 2000 /* per set */

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

#define TOPIC_HOST_SIZE 65 /* with the NUL */

struct topic {
    enum topic_kind kind;
    char host[TOPIC_HOST_SIZE];              /* "": all */
    char container[CONTAINER_SHORT_ID_SIZE]; /* "": all */
};

/* -EINVAL: no such topic; the text of the error names it. */
int topic_parse(const char *text, struct topic *ret, struct error *err) _nodiscard_;

struct topics {
    struct map items;      /* "KIND/HOST/CONTAINER" -> the topic, owned */
    size_t n[TOPIC_KINDS]; /* topics of each kind */
    bool all[TOPIC_KINDS]; /* the set has the topic without a host */
};

void topics_done(struct topics *t); /* frees all topics; the empty set may be used again */

/* False: nothing was added, because the topic is in the set already or the set is full. */
bool topics_add(struct topics *t, const struct topic *topic);
/* False: the topic is not in the set. */
bool topics_remove(struct topics *t, const struct topic *topic);

/*
 * True: the set includes this kind of change of the host or container. `host` NULL: it is of no
 * host; `container` NULL: of the host itself. The container's id may be longer than 12 digits.
 */
bool topics_want(const struct topics *t,
                 enum topic_kind kind,
                 const char *host,
                 const char *container);
