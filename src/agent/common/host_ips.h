#pragma once

/*
 * The IPv4 addresses of the host, for display: without loopback, link-local and addresses of
 * container engines. On the host they are read from its interfaces. In a container those belong to
 * the container, so the addresses are read from the routing trie of the host's process 1, if the
 * host's /proc is mounted at /host/proc; there the networks of the engine are excluded by their
 * subnets.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_IPS_MAX  50 /* the limit of servers */
#define HOST_IP_SIZE  16
#define HOST_FIB_TRIE "/host/proc/1/net/fib_trie"

struct host_ips {
    char ips[HOST_IPS_MAX][HOST_IP_SIZE];
    size_t n;
};

struct subnet {
    uint32_t address; /* host byte order */
    uint32_t mask;
};

/* Parses "172.17.0.0/16"; -EINVAL for anything else, including IPv6. */
int subnet_parse(const char *text, struct subnet *ret);

/* Adds an address, unless it is not usable from outside, a duplicate, or beyond HOST_IPS_MAX. */
void host_ips_add(struct host_ips *h, uint32_t address);

bool host_ips_is_engine_interface(const char *name); /* docker0, br-..., veth... */

/* Adds the local addresses in the text of a fib_trie file that are in none of the subnets. */
void host_ips_from_fib_trie(struct host_ips *h,
                            const char *text,
                            const struct subnet *excluded,
                            size_t n_excluded);

/*
 * Fills *ret. `root` is ""; with another one, as in tests, interfaces are not read. `subnets` are
 * those of the engine; an invalid one is ignored.
 */
void host_ips_find(struct host_ips *ret,
                   const char *root,
                   bool is_in_container,
                   char *const *subnets,
                   size_t n_subnets);
