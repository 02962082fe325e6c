#pragma once

/*
 * Bytes received and sent per container. Where the agent shares the host's network, one netlink
 * dump of the host's ends of the links is used, else /proc/PID/net/dev. The method is chosen per
 * container by comparing the two once.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct network;       /* of the host */
struct network_entry; /* of one container */

struct network *network_new(const char *root); /* `root` as for cgroup_fs_new() */
void network_free(struct network *net);        /* after all of its entries were closed */
DEFINE_CLEANUP(struct network *, network_free);

/* The method in use: "netlink", "proc" or "none". */
const char *network_name(const struct network *net);

/*
 * Whether the process is in the network namespace of the host, whose traffic is not its own. False
 * if that cannot be read.
 */
bool network_is_of_host(const struct network *net, int64_t pid);

/* `may_keep`: the entry may keep a descriptor open. -ENOENT: the process cannot be read. */
int network_open(struct network_entry **ret, struct network *net, int64_t pid, bool may_keep)
    _nodiscard_;
void network_close(struct network_entry *entry); /* NULL is fine */
DEFINE_CLEANUP(struct network_entry *, network_close);

/* Call before the entries of a tick are read. `is_rescan`: also read which interfaces exist; once a
 * minute suffices. */
void network_tick(struct network *net, bool is_rescan);
/* A container that had only lo is checked again only if `is_thorough`. */
int network_read(struct network_entry *entry, bool is_thorough, int64_t *ret_rx, int64_t *ret_tx)
    _nodiscard_;
