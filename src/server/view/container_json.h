#pragma once

/*
 * A container as the API shows it: with the field names of the API we are compatible with, built
 * from the engine's list element that the agent forwards.
 */

#include "base/buf.h"
#include "proto/role.h"
#include "server/fleet/fleet.h"

/* Stores the text of an object without its closing brace, so that more members can follow. */
void json_open_text(struct fleet_text *ret, json_t *o /* takes ownership */);

/*
 * Appends the metrics of a container's sample as members, each after a comma, without the
 * timestamp. Unknown values are null, never 0.
 */
void container_sample_write(struct buf *out, const struct fleet_sample *s);
/*
 * The same for a host, without the first comma. The keys are the names of the memory members, such
 * as `,"memory_percent":`.
 */
void host_sample_write(struct buf *out,
                       const char *percent_key,
                       const char *bytes_key,
                       const struct fleet_sample *s);
/*
 * Appends the origin of a host's sample: "agent" if it was measured, "containers" if it is a sum,
 * null without a current one.
 */
void host_source_write(struct buf *out, const char *key, const struct fleet_sample *s);
/* Returns the tags derived from labels: the compose project, the swarm service, and dockmon.tag. */
json_t *container_derived_tags(const struct fleet_container *c) _nodiscard_;
/* Returns the tags that users have set, in their order, and then the derived ones. */
json_t *container_tags(const struct fleet_host *h, const struct fleet_container *c) _nodiscard_;
/* Returns whether the role may read all secrets of the list (rights/secret_fields.h). */
bool container_secrets_are_visible(enum role role);
/* Appends the members that are the same for all containers of the host; written once per list. */
void container_host_write(struct buf *out, struct fleet_host *h);
/*
 * Creates the texts that are kept with the container, `shown` and `secrets` (see json_open_text()),
 * unless it has them, and drops the element.
 */
void container_encode(struct fleet_container *c);
/*
 * Appends the container as JSON text. The parts that only a new list element changes are cached in
 * the container, so that thousands of containers are listed in a few milliseconds. with_secrets:
 * include the command line and the environment, see container_secrets_are_visible().
 */
void container_write(struct buf *out,
                     const struct buf *host, /* from container_host_write() */
                     struct fleet_container *c,
                     const struct fleet_host *h, /* if offline, the state is shown as unknown */
                     bool with_secrets);
