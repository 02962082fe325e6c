#pragma once

/*
 * Probes: containers that are created from an image alone, are never started, and are removed at
 * once. Their inspect shows what the engine fills in where the user has set nothing: its log
 * driver, ulimits, shared memory, masked paths.
 *
 *   probes_ask()   -> create -> inspect -> remove -> done of all that wait
 *                  '-> kept since this start of the engine: done in the next turn
 *
 * The result is kept per image, until the engine was away (engine_generation()), PROBE_KEPT_MS at
 * most, because a reload of its configuration is not visible. Several that ask for the same image
 * wait for one probe. A probe goes on without those that asked, so that it is removed; one that an
 * earlier agent has left is removed before the first probe: PROBE_LABEL tells it from others.
 */

#include "base/error.h"
#include "base/macros.h"
#include <jansson.h>

struct engine;
struct probes;
struct probe_wait;

#define PROBE_LABEL   "dockmon.probe"
#define PROBE_KEPT_MS 600000
#define PROBES_MAX    64 /* images */

/* `json` is the inspect, NULL after a failure; `message` says why. Valid during the call. */
typedef void (*probe_fn)(void *owner, const json_t *json, const char *message);

struct probes *probes_new(struct engine *engine); /* the engine outlives it */
void probes_free(struct probes *p);               /* nobody waits any more */
DEFINE_CLEANUP(struct probes *, probes_free);

struct probe_request {
    const char *image;    /* a reference or an id; copied, as the others */
    const char *image_id; /* the key of the result */
    const char *platform; /* NULL: the engine's choice */
};

/* `done` is called once, never before probes_ask() returns; not after probe_wait_cancel(). */
void probes_ask(struct probe_wait **ret,
                struct probes *all,
                const struct probe_request *request,
                probe_fn done,
                void *owner);
void probe_wait_cancel(struct probe_wait *w); /* NULL is fine; not after `done` */
