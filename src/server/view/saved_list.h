#pragma once

/*
 * The list of a host's containers as the server stores it on disk: an array of what the API shows,
 * without samples, and without the command lines and environments, which may hold secrets.
 */

#include "base/buf.h"
#include "server/fleet/fleet.h"

#define SAVED_LIST_MAX ((size_t)8 << 20) /* bytes of the list of one host */

/*
 * Encodes up to `max` containers of the host that are not encoded yet, so that a long list does not
 * hold the loop. True: all are encoded, and saved_list_write() only copies.
 */
bool saved_list_prepare(struct fleet_host *h, size_t max);
/* Appends the list. Returns the number of containers left out beyond SAVED_LIST_MAX. */
size_t saved_list_write(struct buf *out, struct fleet_host *h);
/*
 * Restores the containers of a host from a list that was confirmed at listed_at_ms. Returns the
 * number of containers that were left out: unreadable, or beyond the limits of the fleet; -EBADMSG:
 * the text is not a list, and the host is unchanged.
 */
int saved_list_read(struct fleet_host *h, const char *text, int64_t listed_at_ms, struct error *err)
    _nodiscard_;
