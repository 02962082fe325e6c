#pragma once

/*
 * The network of an address, for limits by address. One client may use any address with the same
 * first 64 bits of IPv6, so that a limit counts all of them as one; an IPv4 address counts by
 * itself, also as ::ffff:a.b.c.d. The group is the larger network that one owner usually has: a
 * /48, or a /24 of IPv4. Every limit by address uses these functions.
 */

#define NETWORK_KEY_SIZE 64

/* "192.0.2.1", "2001:db8:0:1::". Text that is not an address is copied, cut to the size. */
void network_key(const char *address, char ret[NETWORK_KEY_SIZE]);
/* "192.0.2.0", "2001:db8::" */
void network_group(const char *address, char ret[NETWORK_KEY_SIZE]);
