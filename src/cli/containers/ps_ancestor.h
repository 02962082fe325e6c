#pragma once

/*
 * The filter ancestor= of containers: the image by name, with ":latest" as the default tag, or by
 * the beginning of its id. As with docker a name means the image that has it now, so the images of
 * all hosts are asked for: a container of it may have been created by another name.
 */

#include "cli/common/client.h"
#include "cli/common/filter.h"

/* Sets f->found; a host whose images cannot be listed is left out. */
int ps_ancestor_resolve(struct filter *f, struct client *c, struct error *err) _nodiscard_;
bool ps_ancestor_match(const json_t *container, const struct filter *f);
