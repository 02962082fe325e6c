#pragma once

/*
 * Challenges of registries (WWW-Authenticate) and the answers of token servers. Pure functions over
 * text of a peer.
 */

#include "base/error.h"
#include <stddef.h>
#include <stdint.h>

enum challenge_kind { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

/* Texts are owned; NULL: absent. */
struct challenge {
    enum challenge_kind kind;
    char *realm, *service, *scope;
};

/* Reads header values, one per line; Bearer with a realm takes precedence over Basic. */
void challenge_parse(const char *lines, struct challenge *ret);
void challenge_done(struct challenge *c);

#define CHALLENGE_MAX_TOKEN 16384 /* bytes */

/* Reads a token of printable characters and its lifetime (60 s where the server names none). */
int challenge_read_token(const char *text,
                         size_t size,
                         char **ret_token,
                         int64_t *ret_lifetime_s,
                         struct error *err) _nodiscard_;
