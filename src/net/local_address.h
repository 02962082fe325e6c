#pragma once

/*
 * Addresses that only this machine or its link can reach: loopback, link-local, unspecified and
 * multicast ones. Programs that dial where a peer points to refuse them.
 */

#include <stdbool.h>
#include <sys/socket.h>

/* Families other than IPv4 and IPv6 are local. */
bool local_address_is(const struct sockaddr *address);
/* Returns a socket for a connection by other code; -1 with errno set. */
int local_address_socket(int family, int type, int protocol);
