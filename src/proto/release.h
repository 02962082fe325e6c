#pragma once

/*
 * The description of a released agent program, and its signature. It is a text of six lines:
 *
 *     dockmon-agent 1
 *     version 0.2.0
 *     platform linux-amd64
 *     sha256 HEX
 *     minimum 0.1.0
 *     signature BASE64
 *
 * `minimum` is the oldest version that can be replaced by this one. The signature is ed25519 over
 * all lines before it. A description that has not been signed lacks the last line.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>

#define RELEASE_MAX         1024 /* bytes of a description */
#define RELEASE_VERSION_MAX 64   /* with NUL */
#define RELEASE_KEY_SIZE    ((size_t)32)
#define RELEASE_SECRET_SIZE 64
#define RELEASE_KEYS_MAX    8

struct release {
    char version[RELEASE_VERSION_MAX], platform[32], sha256[65], minimum[RELEASE_VERSION_MAX];
};

struct release_keys {
    unsigned char items[RELEASE_KEYS_MAX][RELEASE_KEY_SIZE];
    size_t n;
};

/* The platform of this program: "linux-amd64". */
const char *release_platform(void);

/* -EINVAL: not a description. `ret_is_signed` says whether it has a signature, which is not checked. */
int release_parse(const char *text, struct release *ret, bool *ret_is_signed, struct error *err)
    _nodiscard_;

/* As release_parse(). -EKEYREJECTED: it has no signature by one of the keys. */
int release_verify(const char *text,
                   const struct release_keys *keys,
                   struct release *ret,
                   struct error *err) _nodiscard_;

/* Returns the signed text, to be freed. */
char *release_sign(const struct release *r, const unsigned char secret[RELEASE_SECRET_SIZE]);

/* Adds a key in base64. -EINVAL: it is none; -ENOSPC: there are RELEASE_KEYS_MAX already. */
int release_keys_add(struct release_keys *keys, const char *base64) _nodiscard_;

/* Adds the keys of packaging/release-keys. */
void release_keys_add_built_in(struct release_keys *keys);

/* Whether the text is a version: up to four numbers with points between, perhaps "-" and a word. */
bool release_is_version(const char *text);

/* Less than, equal to or greater than 0; "1.0.0-rc1" is older than "1.0.0". */
int release_compare(const char *a, const char *b);
