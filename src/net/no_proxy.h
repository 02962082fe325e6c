#pragma once

/*
 * The list in NO_PROXY, as Go reads it; entries are separated by commas, blanks around them and case
 * do not count:
 *
 *     *                           every host
 *     192.0.2.0/24, 2001:db8::/32 addresses of this network
 *     192.0.2.7, 2001:db8::7      this address
 *     example.com, *.example.com  the name and names below it; with "*." or a dot in front only
 *     .example.com                names below it
 *
 * A port behind an address (IPv6 in brackets then) or a name must be the same. Names are compared
 * as text: a network matches no name that leads into it. Entries that are none of these match
 * nothing.
 */

#include "net/address.h"

/* `list` may be NULL. */
bool no_proxy_matches(const char *list, const struct address *to);
