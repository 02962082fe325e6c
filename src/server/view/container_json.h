#pragma once

/*
 * A container as the API shows it: the field names of the API we are compatible with, made from the
 * Engine's list element as the agent passed it on.
 */

#include "base/buf.h"
#include "server/fleet/fleet.h"

/* The text of an object without the brace that closes it, so that more can follow. */
void json_open_text(struct fleet_text *ret, json_t *o /* stolen */);

/*
 * Appends the figures of a container's sample as members, each after a comma, without the timestamp; what is unknown
 * is null, never 0.
 */
void container_sample_write(struct buf *out, const struct fleet_sample *s);
/* The same of a host, without the first comma; the member about memory has two names: `,"memory_percent":`. */
void host_sample_write(struct buf *out, const char *memory_key, const struct fleet_sample *s);
/* Appends the members that every container of the host has: made once for many of them. */
void container_host_write(struct buf *out, struct fleet_host *h);
/*
 * Appends the container as JSON text. What only a new list element changes is made once and kept in the
 * container: thousands of containers are listed in a few milliseconds that way. with_env: the environment is for
 * operators and above, it usually holds passwords.
 */
void container_write(struct buf *out,
                     const struct buf *host, /* what container_host_write() made */
                     struct fleet_container *c,
                     bool with_env);
