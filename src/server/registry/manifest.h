#pragma once

/*
 * Manifests and indexes of images, as registries send them. Pure functions over text of a peer.
 *
 * The platforms of an image are an array of objects, of which only the first member is required:
 *
 *     {"digest", "platform": "linux/arm64/v8", "config", "created", "version", "source", "url"}
 *
 * "digest" is that of the platform's manifest, "config" that of its config, which engines without
 * containerd store use as image id. The last four come from the config: when it was made, and the
 * labels org.opencontainers.image.version, .source and .url.
 */

#include "base/error.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define MANIFEST_MAX_SIZE      ((size_t)4 << 20) /* bytes, as registries allow */
#define MANIFEST_MAX_CONFIG    ((size_t)4 << 20)
#define MANIFEST_MAX_NODES     100000
#define MANIFEST_MAX_DEPTH     3  /* of indexes in indexes */
#define MANIFEST_MAX_PLATFORMS 64 /* of an image */
/* Value of the header Accept: the four types that registries know. */
#define MANIFEST_ACCEPT                                           \
    "application/vnd.oci.image.index.v1+json, "                   \
    "application/vnd.docker.distribution.manifest.list.v2+json, " \
    "application/vnd.oci.image.manifest.v1+json, "                \
    "application/vnd.docker.distribution.manifest.v2+json"

/* Content of a manifest or an index. */
struct manifest {
    bool is_index;
    json_t *platforms; /* of an index: those of its manifests; attestations are left out */
    json_t *nested;    /* of an index: array of digests of further indexes */
    char *config;      /* of a manifest: digest of its config */
};

/* -EPROTO: it is neither. The caller passes *ret to manifest_done(). */
int manifest_parse(const char *text, size_t size, struct manifest *ret, struct error *err)
    _nodiscard_;
void manifest_done(struct manifest *m);

/*
 * Fills in what the config of an image says. Its "platform" counts where the index did not say one.
 */
int manifest_apply_config(json_t *platform, const char *text, size_t size, struct error *err)
    _nodiscard_;

/* Writes "sha256:..." of the text into `ret`. */
#define MANIFEST_DIGEST_SIZE 72
void manifest_digest(const char *text, size_t size, char ret[MANIFEST_DIGEST_SIZE]);
/* Whether the text has that digest; sha512 is not checked and does not match. */
bool manifest_has_digest(const char *text, size_t size, const char *digest);

/*
 * The element for OS/ARCHITECTURE[/VARIANT]: the same variant, or the default one of the architecture.
 * NULL stands for a platform that is not known: only a single element matches.
 */
const json_t *manifest_find_platform(const json_t *platforms, const char *platform);
