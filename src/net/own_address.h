#pragma once

/*
 * The address of this machine, as another one would reach it.
 */

#include <stdbool.h>

#define OWN_ADDRESS_SIZE 46 /* INET6_ADDRSTRLEN */

/*
 * Writes the address from which this machine reaches other networks; without a route, the IPv4
 * address of its first interface but loopback. Sends nothing. False when there is none.
 */
bool own_address_find(char ret[OWN_ADDRESS_SIZE]);
