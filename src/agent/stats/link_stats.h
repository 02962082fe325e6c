#pragma once

/*
 * Byte counters of network interfaces by rtnetlink: one dump for all of them, at half a microsecond
 * each. The kernel answers requests at once, so nothing here waits.
 *
 * An interface whose peer is in another network namespace refers to that by a number that is local
 * to our namespace ("nsid"). The nsid of a process can be asked for. So the interfaces of a
 * container are found from outside, without entering its namespace.
 */

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

#define LINK_STATS_MAX 65536 /* maximum of interfaces */

struct link_stats;

struct link_counters { /* bytes, from our side of the link */
    int index;
    uint64_t rx, tx;
};

int link_stats_new(struct link_stats **ret, struct error *err) _nodiscard_;
void link_stats_free(struct link_stats *ls);
DEFINE_CLEANUP(struct link_stats *, link_stats_free);

int link_stats_read(struct link_stats *ls) _nodiscard_; /* reads all counters */
/* From the last reading; NULL if there was no such interface. */
const struct link_counters *link_stats_find(const struct link_stats *ls, int index);
/* Reads one interface now. -ENODEV if it does not exist. */
int link_stats_get(struct link_stats *ls, int index, struct link_counters *ret) _nodiscard_;

/*
 * The nsid of the network namespace of a process; -ENOENT if it has none, which means that none of
 * our links leads there.
 */
int link_stats_nsid(struct link_stats *ls, int64_t pid, int *ret) _nodiscard_;
/* The same for the namespace that `fd` refers to, for use where process numbers are not ours. */
int link_stats_nsid_of(struct link_stats *ls, int fd, int *ret) _nodiscard_;
/* reads which link leads to which namespace */
int link_stats_read_peers(struct link_stats *ls) _nodiscard_;
/*
 * Our ends of the links into `nsid`, as of the last link_stats_read_peers(). Returns their number;
 * at most `max` are stored.
 */
size_t link_stats_peers(const struct link_stats *ls, int nsid, int *indexes, size_t max);
