#pragma once

/*
 * The pull of one image.
 *
 *   LOOKING  GET /images/REFERENCE/json: an image without a digest of a registry was built here, and
 *            is taken as it is
 *   PULLING  POST /images/create: each line of the stream is checked for an error of the engine
 *   READING  GET /images/REFERENCE/json: id, digest and platform of the image that is there now
 *
 * A pull ends with exactly one `done`, never before pull_start() returns; the pull is freed then.
 * It fails with the text of the engine, when a line is longer than PULL_MAX_LINE or no JSON, when
 * the engine is silent for idle_ms, when all takes longer than total_ms, and when the image is of
 * another platform than was asked for.
 */

#include "agent/update/pull_layers.h"
#include "base/error.h"
#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct pull;

#define PULL_MAX_LINE    ((size_t)1 << 20) /* bytes */
#define PULL_IDLE_MS     300000
#define PULL_TOTAL_MS    3600000
#define PULL_PROGRESS_MS 500 /* between two reports */

struct pull_result {
    int code;   /* 0 or a negative errno */
    int status; /* of the engine; 0: the failure has none */
    const char *message;
    const json_t *image;  /* inspect of the image; json_incref() to keep it */
    const char *image_id; /* never NULL after success */
    const char *digest;   /* "sha256:...", of the manifest in the registry; NULL: unknown */
    bool is_local;        /* no registry has it: the image of this host was taken */
};

struct pull_options {
    struct engine *engine;
    const char *reference; /* "web", "host:5000/web:1.2", "web@sha256:..."; copied */
    const char *platform;  /* "linux/arm64/v8"; NULL: the engine's; copied */
    const json_t *auth;    /* {"username", "password", ...}; NULL: none. Never logged */
    /*
     * Id of the image that the container has; copied. If the registry answers that it has no such
     * image, an image of this host of another id is taken instead: stores of containerd invent
     * digests for images that were built here. NULL: that is a failure.
     */
    const char *present_id;
    uint64_t idle_ms;  /* longest silence of the engine; 0: PULL_IDLE_MS */
    uint64_t total_ms; /* 0: PULL_TOTAL_MS */
    /*
     * At most every PULL_PROGRESS_MS, and once at the end of the stream; or NULL. It must not
     * cancel the pull.
     */
    void (*on_progress)(void *owner, const struct pull_layers *layers);
    void (*done)(void *owner, const struct pull_result *result);
    void *owner;
};

/* -EINVAL: the reference or the platform is invalid. */
int pull_start(struct pull **ret, const struct pull_options *o, struct error *err) _nodiscard_;
void pull_cancel(struct pull *p); /* NULL is fine; not after `done` */
DEFINE_CLEANUP(struct pull *, pull_cancel);

/* Base64 in its URL-safe form of the JSON of the credentials, to be freed; a secret. */
char *pull_encode_auth(const json_t *auth) _nodiscard_;

/* Whether an image is of a platform "os/arch[/variant]"; a part that it lacks fits any. */
bool pull_fits_platform(const json_t *image, const char *platform);

/*
 * The digest of an image in the repository of a reference, by RepoDigests: `announced`, the digest
 * of the stream, if it is among them, else the first of them. Borrowed; NULL: unknown.
 */
const char *pull_find_digest(const json_t *image, const char *reference, const char *announced);
