#pragma once

/*
 * The plan of an update: which container the engine must be asked for, so that it differs from the
 * present one in nothing but its image. Pure functions: the caller has asked the engine for all of
 * `struct plan_source`, and sends what the plan says.
 *
 * The plan is the inspect of the container, minus the values that its old image supplied, minus
 * those that the engine filled in, with names instead of the ids of other containers. Each field of
 * the API has a row in plan_fields.c with the letter of its rule; a field without a row, of a newer
 * engine, is copied as it is. difference.h shows afterwards whether something was lost.
 *
 * Notes are {"code", "text"} for the preview: values that cannot be decided, or that change.
 *
 *   code                    meaning
 *   same_as_image           values equal to the old image's follow the image
 *   image_gone              the old image was removed, so all values are kept as they are
 *   no_rollback             AutoRemove: the engine removes the old container when it stops
 *   volumes_named           anonymous volumes are attached by name
 *   port_random             the engine chooses other host ports
 *   port_fixed              Podman: host ports that were random stay as they are now
 *   port_dropped            entries of PortBindings that publish nothing are left out
 *   ports_ignored           ports are published in a network mode that ignores them
 *   mac_undecidable         whether a MAC address was set by the user is not visible
 *   mac_lost                the API of the engine cannot set the MAC address
 *   address_static          Podman: present addresses become static, with the user's consent
 *   address_lost            Podman: a stopped container does not show its static address
 *   network_changed         the container has left its first network
 *   readonly_submounts      writable mounts below a read-only bind become read-only
 *   readonly_unknown        whether there are such mounts is not known
 *   hostname_kept           looks like the id of an earlier container
 *   entrypoint_kept         an empty entrypoint hides that of the new image
 *   healthcheck_completed   Podman: a health check needs its command
 *   api_too_old             a field needs a newer API than the engine speaks
 *   probe_missing           values filled in by the engine are kept as they are
 *   podman_hides            Podman's API does not show settings that the container may have
 */

#include "base/error.h"
#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>

/* Names that containers have during an update: NAME, the suffix, 8 hex digits of the old id. */
#define PLAN_SUFFIX_NEW ".dmnew-"
#define PLAN_SUFFIX_OLD ".dmold-"
/* The label of the new container, with the id of the update. Each plan leaves an older one out. */
#define PLAN_LABEL "dockmon.update"
/* Larger inspects are refused. */
#define PLAN_MAX_NODES 100000
#define PLAN_MAX_NOTES 64

struct plan_source {          /* all borrowed */
    const json_t *container;  /* GET /containers/ID/json, through the newest API version */
    const json_t *legacy;     /* the same through 1.51 when the engine speaks more, or NULL */
    const json_t *old_config; /* Config of its image, looked up by image id, or from the journal */
    const json_t *new_config; /* Config of the image that replaces it; NULL: unknown */
    const json_t *probe;      /* inspect of a container of the new image alone, never started */
    const json_t *started;    /* Podman: inspect of any started container, for ulimits; or NULL */
    const json_t *containers; /* inspects (array) of all containers, to resolve references */
    const json_t *submounts;  /* paths in the container: writable mounts below read-only binds;
                                 NULL: unknown */
    const char *host_name;    /* Name of GET /info */
    const char *image;        /* reference that the new one is created from */
    const char *image_id;     /* id of the new image */
    const json_t *renamed;    /* old id -> name or id to use instead, for dependents of re-created
                                 containers; or NULL */
    unsigned api_minor;
    bool is_podman;
    /* Podman: send the present addresses as static; all: plan although the old image was removed. */
    bool has_consent;
};

struct plan {
    json_t *create;  /* body of POST /containers/create */
    json_t *connect; /* array of {"network": NAME, "body": {...}} for POST /networks/NAME/connect;
                        the caller adds "Container"; before the start */
    json_t *notes;   /* array of {"code", "text"} */
};

/*
 * -EBUSY with CODE_UPDATE_REFUSED, or CODE_CONSENT_REQUIRED where `has_consent` would permit it:
 * the text says why. -EREMOTEIO: the inspect is not one, or is too large. `ret` is set on success
 * only.
 */
int plan_make(const struct plan_source *s, struct plan *ret, struct error *err) _nodiscard_;
void plan_done(struct plan *p);

/*
 * How the engine will show the new container: {"Config", "HostConfig"} of the plan, completed by
 * the new image and the probe. For the preview: compare with the present inspect. To be released.
 */
json_t *plan_predict(const struct plan_source *s, const struct plan *p) _nodiscard_;

/* Whether a name carries a suffix of ours; the length without it in *ret_length (may be NULL). */
bool plan_name_is_ours(const char *name, size_t *ret_length);
