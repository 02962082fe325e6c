#pragma once

/*
 * Byte counters of network interfaces by rtnetlink: one dump for all of them, which costs half a
 * microsecond each. Requests are answered by the kernel at once, so nothing here waits.
 *
 * An interface whose other end is in another network namespace names that by a number of our
 * namespace's own ("nsid"); the same number can be asked for by a process in there. So a
 * container's interfaces are found from outside, without entering anything.
 */

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

#define LINK_STATS_MAX 65536 /* interfaces that are remembered */

struct link_stats;

struct link_counters { /* bytes, as seen from our side of the link */
    int index;
    uint64_t rx, tx;
};

int link_stats_new(struct link_stats **ret, struct error *err) _nodiscard_;
void link_stats_free(struct link_stats *ls);
DEFINE_CLEANUP(struct link_stats *, link_stats_free);

int link_stats_read(struct link_stats *ls) _nodiscard_; /* all counters */
/* Of the last reading; NULL when there was no such interface. */
const struct link_counters *link_stats_find(const struct link_stats *ls, int index);
/* Now, of one interface. -ENODEV when there is none. */
int link_stats_get(struct link_stats *ls, int index, struct link_counters *ret) _nodiscard_;

/*
 * The number of the network namespace of a process; -ENOENT when it has none: no link of ours leads
 * there.
 */
int link_stats_nsid(struct link_stats *ls, int64_t pid, int *ret) _nodiscard_;
/* The same of the namespace that `fd` is open of: where process numbers are not ours. */
int link_stats_nsid_of(struct link_stats *ls, int fd, int *ret) _nodiscard_;
int link_stats_read_peers(struct link_stats *ls) _nodiscard_; /* which link leads where */
/*
 * Of the last such reading: our ends of the links into `nsid`; returns how many, of which at most
 * `max` are filled in.
 */
size_t link_stats_peers(const struct link_stats *ls, int nsid, int *indexes, size_t max);
