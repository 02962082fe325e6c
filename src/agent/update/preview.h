#pragma once

/*
 * The preview of an update: all that a plan needs is gathered as for the update itself, but
 * nothing is changed, so the image is not pulled: the engine asks the registry for its digest.
 *
 *   GATHER -> LOCK -> LOCAL -> REGISTRY -> IMAGE -> done
 *
 * The fingerprint is one of all that the plan depends on: container, images, platform, settings,
 * networks and dependents. The files in the writable layer, which change all the time, and the
 * notes are no part of it. An update that names it is refused when another preview, made then, has
 * another one.
 */

#include "base/error.h"
#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>

struct engine;
struct preview;
struct probes;

struct preview_result {
    int code; /* 0 or a negative errno; then `status`, the engine's or 0, and `message` */
    int status;
    int reason; /* enum error_code; 0: that of code and status */
    const char *message;
    json_t *fields;          /* the answer of update_preview; belongs to the receiver */
    const char *fingerprint; /* valid inside `done` */
};

struct preview_options {
    struct engine *engine; /* outlives the preview, as do the next two */
    struct probes *probes;
    const char *own_container; /* NULL or "": none */
    const char *container;     /* full id; copied, as are the next two */
    const char *new_image;     /* NULL or "": the reference of the present one */
    const char *platform;      /* NULL or "": that of the old image */
    const json_t *auth;        /* of the registry; copied; NULL: none */
    const json_t *old_config;  /* Config of its image, from the journal; NULL: the engine has it */
    bool has_consent, ignores_lock;
    void (*done)(void *owner, const struct preview_result *result);
    void *owner;
};

/* Never calls `done`, which frees the preview, before it returns. */
int preview_start(struct preview **ret, const struct preview_options *o, struct error *err)
    _nodiscard_;
void preview_cancel(struct preview *p); /* NULL is fine; not after `done` */
DEFINE_CLEANUP(struct preview *, preview_cancel);
