#pragma once

/*
 * Whether a container may be updated, as far as it is known before the plan is made: for the
 * update itself and for its preview. The plan has refusals of its own (plan.h).
 */

#include "base/error.h"
#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>

struct engine_reply;

/* HEAD of this path answers whether the lock file is in the container. To be freed. */
char *eligible_make_lock_path(const char *id) _nodiscard_;

/* -EBUSY with a code; `inspect` is that of the container. */
int eligible_check_label(const json_t *inspect, struct error *err) _nodiscard_;
/* `reply` is that to the HEAD. An engine that does not answer is a failure: the lock may be there. */
int eligible_check_file(const struct engine_reply *reply, const char *name, struct error *err)
    _nodiscard_;
/* `own`: the full or short id of the container that the agent runs in; NULL or "": none. */
int eligible_check_own(const char *own, const char *id, const char *name, struct error *err)
    _nodiscard_;

/*
 * *ret is the reference that the new container is created from, borrowed: `wanted`, or, if that is
 * NULL or "", the reference that the container was created from.
 */
int eligible_choose_image(const json_t *inspect,
                          const char *wanted,
                          const char **ret,
                          struct error *err) _nodiscard_;

/*
 * Whether a container has the image already. In stores of containerd the id of an image changes
 * with an attestation that is rebuilt, so the manifest of the platform counts where the engine
 * shows it. `image` is the inspect of the new image, `probe` that of a container of it, or NULL.
 */
bool eligible_is_same_image(const json_t *inspect, const json_t *image, const json_t *probe);

/* The name in an inspect, without its slash; borrowed. "": it has none. */
const char *eligible_get_name(const json_t *inspect);
