#pragma once

/*
 * The host's own IPv4 addresses, for people to recognise it by: without loopback, link-local and what
 * container engines make. On the host they come from its interfaces. In a container those are the
 * container's, so they come from the routing trie of the host's process 1, if the host's /proc is
 * mounted at /host/proc; there the engine's networks are recognised by their subnets.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_IPS_MAX  50 /* servers refuse more */
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

/* "172.17.0.0/16"; -EINVAL for anything else, IPv6 included. */
int subnet_parse(const char *text, struct subnet *ret);

/* Adds an address unless it is one that tells nothing, is there already, or there are enough. */
void host_ips_add(struct host_ips *h, uint32_t address);

bool host_ips_is_engine_interface(const char *name); /* docker0, br-..., veth..., */

void host_ips_from_fib_trie(struct host_ips *h,
                            const char *text,
                            const struct subnet *excluded,
                            size_t n_excluded);

/* Fills *ret. `root` is "" but in tests, which see no interfaces then. */
void host_ips_find(struct host_ips *ret,
                   const char *root,
                   bool is_in_container,
                   const struct subnet *excluded,
                   size_t n_excluded);
