#pragma once

/*
 * Decides whether an image is outdated: compares what an engine says of the image of a container with
 * the answer of the registry. A pure function.
 *
 * The digests of a container's image are those RepoDigests whose repository is that of the reference,
 * the digest of its platform's manifest (containerd store) and its image id, which without that store
 * is the digest of the image's config. An image is outdated only when none of them is in the answer:
 * neither the digest that the tag has, nor the manifest or the config of the container's platform. A
 * rebuilt attestation changes only the first of these.
 */

#include <jansson.h>
#include <stdbool.h>

enum decision_state {
    DECISION_UNKNOWN,
    DECISION_UP_TO_DATE,
    DECISION_OUTDATED,
    DECISION_PINNED, /* by a digest in the reference */
    DECISION_LOCAL,  /* built on the host, or tagged there: no registry is asked */
};

struct decision_source {
    const char *image;           /* reference as the user wrote it */
    const char *image_id;        /* or NULL */
    const json_t *repo_digests;  /* array of REPOSITORY@DIGEST, or NULL */
    const char *manifest_digest; /* of the platform, where the engine says it; or NULL */
    const char *platform;        /* OS/ARCHITECTURE[/VARIANT], or NULL */
    const char *digest;          /* the registry's answer for the tag; NULL: none yet */
    const json_t *platforms;     /* see manifest.h, for that digest; NULL: not resolved */
    const char *failure;         /* why there is no answer, or NULL */
};

struct decision {
    enum decision_state state;
    const char *reason;     /* for people; NULL where the state says everything; borrowed */
    bool needs_platforms;   /* the state is not final: resolve the digest, and decide again */
    bool has_moved;         /* pinned: the tag beside the digest has another image now */
    const json_t *platform; /* element of `platforms` that belongs to the container, or NULL */
};

void decision_make(const struct decision_source *s, struct decision *ret);
/* "up_to_date", "outdated", "pinned", "local" or "unknown" */
const char *decision_state_name(enum decision_state state);
/* Returns whether a registry is to be asked about an image with these facts. */
bool decision_needs_answer(const struct decision_source *s);
/* The first digest of the container's image in the repository of its reference, borrowed; NULL: none. */
const char *decision_current_digest(const struct decision_source *s);
