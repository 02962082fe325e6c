#pragma once

/*
 * Bytes per container over its network interfaces: one netlink dump of the host's ends of them where the agent
 * shares the host's network, else /proc/PID/net/dev. Which of the two is decided for each container by comparing
 * them once.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct network;       /* of the host */
struct network_entry; /* of one container */

struct network *network_new(const char *root); /* `root` as for cgroup_fs_new() */
void network_free(struct network *net);        /* after its entries */
DEFINE_CLEANUP(struct network *, network_free);

/* The method in use: "netlink", "proc" or "none". */
const char *network_name(const struct network *net);

/* `may_keep`: a descriptor may stay open for it. -ENOENT: nothing can be read of the process. */
int network_open(struct network_entry **ret, struct network *net, int64_t pid, bool may_keep)
    _nodiscard_;
void network_close(struct network_entry *entry); /* NULL is fine */
DEFINE_CLEANUP(struct network_entry *, network_close);

/* Before the entries of a tick are read. `is_rescan`: also see which interfaces there are; every minute will do. */
void network_tick(struct network *net, bool is_rescan);
/* Where there was no interface but lo, it is looked again only when `is_thorough`. */
int network_read(struct network_entry *entry, bool is_thorough, int64_t *ret_rx, int64_t *ret_tx)
    _nodiscard_;
