#pragma once

/*
 * Objects that a prune would remove, without removing them: the lists behind "dry_run" and behind
 * the removal of anonymous volumes, which engines before 23 (API 1.42) and Podman do not offer.
 *
 * Each list is a flow of resource.h whose answer has the members of the prune's own answer, so that
 * a client reads both in the same way.
 */

#include "agent/commands/resource.h"

extern const struct resource_list unused_images, unused_dangling_images;
extern const struct resource_list unused_networks, unused_volumes;

/*
 * The anonymous ones among the unused volumes. Engines from API 1.42 on mark them by a label. Older
 * ones and Podman do not: there they are known by their name of 64 digits, and the engine gives no
 * sizes, so space_reclaimed is absent. The API version must be known.
 */
const struct resource_list *unused_anonymous_volumes(const struct engine *engine);
