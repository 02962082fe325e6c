#pragma once

/*
 * Gathers from the engine all that the plan of an update needs, for the container that is
 * updated, for each of its dependents, and for the preview.
 *
 * The result is a plain struct that the caller provides and owns. A collection fills the members of
 * the parts that it is asked for, and leaves those alone that are set already. So one can be
 * continued, as an update does, which reads the old image before the pull and the rest behind it;
 * and members can be given, as the Config of the old image of a journal, or json_incref() of what
 * another collection has read.
 *
 *   part                  members
 *   MATERIAL_CONTAINER    container, legacy, old_image
 *   MATERIAL_IMAGE        new_image, image; probe
 *   MATERIAL_HOST         info, containers, started, submounts
 *   MATERIAL_CHANGES      changes
 *
 * These may be NULL afterwards: legacy (the engine speaks no newer API than 1.51), old_image (it
 * was deleted), probe (the engine refused it), started (no Podman, or none runs), submounts
 * (unknown: the mounts of the container cannot be read), changes (the engine cannot tell).
 */

#include "agent/update/plan.h"
#include "agent/update/probe.h"
#include "base/error.h"
#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;

#define MATERIAL_TIMEOUT_MS     120000
#define MATERIAL_MAX_CONTAINERS 5000 /* on a host */

enum {
    MATERIAL_CONTAINER = 1 << 0,
    MATERIAL_IMAGE = 1 << 1,
    MATERIAL_HOST = 1 << 2,
    MATERIAL_CHANGES = 1 << 3,
};

struct material {
    json_t *container; /* GET /containers/ID/json */
    json_t *legacy;    /* the same through API 1.51 */
    json_t *old_image; /* GET /images/ID/json of its image, by id */
    json_t *new_image; /* of `image` */
    json_t *probe;     /* inspect of a container that was created of `image` alone */
    json_t *info;      /* GET /info */
    /*
     * Array: of each container Id, Name, State, and of HostConfig, Config and NetworkSettings what
     * dependents.h and the plan read.
     */
    json_t *containers;
    json_t *started;   /* Podman: inspect of a container that runs */
    json_t *submounts; /* array of paths in the container: writable mounts below read-only binds */
    json_t *changes;   /* GET /containers/ID/changes, an array */
    char *image;       /* reference that the new container is created from */
    unsigned api_minor;
    bool is_podman;
};

void material_done(struct material *s);

/* The platform of an image or container, "linux/arm64/v8", to be freed; NULL: unknown. */
char *material_platform(const struct material *s);

/*
 * The Config of the old image, from the journal, counts where the engine has no such image any more.
 * `config` is borrowed; NULL is fine.
 */
void material_set_old_config(struct material *s, const json_t *config);

/* The source of the plan; all is borrowed from `s`. */
struct plan_source material_source(const struct material *s, bool has_consent);

/*
 * The part that the comparison after the start needs (difference.h), for the journal: the inspect
 * of the container, the Configs of both images and the probe. To be released.
 */
json_t *material_store(const struct material *s) _nodiscard_;

/* Called once; `code` is 0 or a negative errno, `status` the engine's HTTP status or 0. */
typedef void (*material_done_fn)(void *owner, int code, int status, const char *message);

struct material_options {
    struct engine *engine;
    struct probes *probes; /* NULL: no probe is made */
    const char *container; /* id or name, as the engine takes it; copied */
    const char *new_image; /* reference that is present on the engine; copied. NULL or "": that of
                               the container, or the id of its image if that means another one */
    const char *platform;  /* of the new image; copied; NULL: that of the old one */
    const char *root;      /* where /proc is; a literal; NULL: "" */
    unsigned parts;        /* MATERIAL_... */
    uint64_t timeout_ms;   /* 0: MATERIAL_TIMEOUT_MS */
    material_done_fn done;
    void *owner;
};

struct material_call;

/*
 * Starts to fill *s, which must stay until `done`, or until material_cancel(), which must not be
 * called after `done`. `done` never runs before material_start() returns.
 */
int material_start(struct material_call **ret,
                   struct material *s,
                   const struct material_options *o,
                   struct error *err) _nodiscard_;
void material_cancel(struct material_call *c); /* NULL is fine */
DEFINE_CLEANUP(struct material_call *, material_cancel);
