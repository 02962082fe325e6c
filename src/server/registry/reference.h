#pragma once

/*
 * References of images as users write them, in normal form: `nginx` is docker.io/library/nginx:latest.
 * Pure functions over text.
 *
 *     [DOMAIN[:PORT]/]PATH[:TAG][@DIGEST]      a name
 *     sha256:HEX, or 64 hex digits alone       the id of a local image, which no registry knows
 *
 * The grammar and the limits are those of the distribution project. The first part of a name is a
 * domain if it has a dot or a colon, or is `localhost`. Former names of Docker Hub become docker.io.
 */

#include "base/error.h"
#include <stdbool.h>

#define REFERENCE_MAX_NAME   255 /* bytes of domain and path */
#define REFERENCE_MAX_TAG    128
#define REFERENCE_MAX_DIGEST 135 /* sha512: and 128 hex digits */
#define REFERENCE_MAX        (REFERENCE_MAX_NAME + 1 + REFERENCE_MAX_TAG + 1 + REFERENCE_MAX_DIGEST)
#define REFERENCE_HUB        "docker.io"

struct reference {
    char *domain; /* lower case, with the port if one was given; NULL for an id */
    char *path;
    char *tag;    /* NULL: only a digest was given */
    char *digest; /* NULL: not pinned */
    bool is_id;   /* the other members are NULL */
};

/* -EINVAL with a text that says why. The caller passes *ret to reference_done(). */
int reference_parse(const char *text, struct reference *ret, struct error *err) _nodiscard_;
void reference_done(struct reference *r);

/* DOMAIN/PATH, to be freed. */
char *reference_repository(const struct reference *r) _nodiscard_;
/* DOMAIN/PATH[:TAG]: what a registry is asked about; to be freed. */
char *reference_key(const struct reference *r) _nodiscard_;
/* Returns whether a domain, which may have a port, is a loopback address or localhost. */
bool reference_is_loopback(const char *domain) _nodiscard_;
/* HOST[:PORT] of the registry that serves a domain. */
const char *reference_registry_host(const char *domain);
/* Returns whether the text is sha256 or sha512 with the right number of hex digits. */
bool reference_is_digest(const char *text) _nodiscard_;
/* Normal form of a domain that a user wrote, perhaps with a scheme or a path; to be freed. NULL: it is none. */
char *reference_domain(const char *text) _nodiscard_;
