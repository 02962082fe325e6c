#pragma once

/*
 * Accepted connections that have not authenticated yet. They are counted as a whole and per source,
 * oldest first. An honest client authenticates soon, so that the longest waiting connection makes
 * way for a newcomer when there is no room. Storage of the struct is the caller's; so is that of
 * its members, which leave by stranger_remove() or by being evicted.
 *
 * Eviction calls the member's function, which closes the connection and removes the member before
 * it returns.
 *
 * A source is a network as network_key.h has it.
 */

#include "base/list.h"
#include "base/map.h"
#include <stdbool.h>
#include <stddef.h>

struct stranger_source;

struct stranger {
    struct list link, source_link;
    struct strangers *home;
    struct stranger_source *source;
    void (*evict)(struct stranger *s); /* ends the connection and removes `s` */
};

struct strangers {
    struct list all; /* oldest first */
    struct map sources;
    size_t n;
    size_t max_per_source;
};

void strangers_init(struct strangers *ss, size_t max_per_source);
void strangers_done(struct strangers *ss); /* it must be empty */

/* `s` is zeroed. `address` is the text of an IP. */
void stranger_add(struct strangers *ss,
                  struct stranger *s,
                  const char *address,
                  void (*evict)(struct stranger *s));
void stranger_remove(struct stranger *s); /* harmless when it is not a member */

/*
 * Before another one of this source is added: evicts its oldest when its share is used up. True: it
 * did.
 */
bool strangers_make_room(struct strangers *ss, const char *address);
/* Evicts the oldest of all; false when there is none. */
bool strangers_evict_oldest(struct strangers *ss);
