#pragma once

/*
 * Table image_checks: the last answer of a registry about each reference, for the whole fleet. Only
 * this module names the table.
 */

#include "server/store/store.h"
#include <stdint.h>

struct image_check {
    char *reference;        /* DOMAIN/PATH:TAG */
    char *digest;           /* of the last answer; NULL: there was none yet */
    char *etag;             /* of that answer, or NULL */
    char *platforms;        /* JSON of registry/manifest.h for the digest; NULL: not resolved */
    char *newer;            /* JSON of registry/version.h; NULL: not asked */
    char *way;              /* "registry" or "engine": which gave the digest; NULL: none yet */
    char *outcome;          /* of the last check: "answered", or the kind of its failure */
    char *error;            /* of a failure, for people; else NULL */
    int64_t checked_at_ms;  /* the last check */
    int64_t answered_at_ms; /* the last check with an answer; 0: none yet */
    int64_t changed_at_ms;  /* when the digest was seen first; 0: there is none */
};

void image_check_done(struct image_check *c);
/* The copy is independent; free it with image_check_done(). */
struct image_check image_check_copy(const struct image_check *c);

/* Inserts or replaces the row of the reference. */
int image_checks_put(struct db *s, const struct image_check *c, struct error *err) _nodiscard_;
/* The row is borrowed for the call. */
typedef void (*image_check_fn)(void *arg, const struct image_check *c);
int image_checks_each(struct db *s, image_check_fn fn, void *arg, struct error *err) _nodiscard_;
/* A reference without a row is not an error. */
int image_checks_delete(struct db *s, const char *reference, struct error *err) _nodiscard_;
