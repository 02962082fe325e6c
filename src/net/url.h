#pragma once

/*
 * URLs to dial, percent-encoding, and query strings. Pure functions over text.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct url {
    char *scheme; /* lowercase */
    char *host;   /* without brackets */
    uint16_t port;
    char *path; /* with query, starts with '/' */
    bool is_tls;
};

/* http, https, ws and wss; without user, password and fragment. *ret must be zeroed or done. */
int url_parse(const char *text, struct url *ret, struct error *err) _nodiscard_;
void url_done(struct url *u);

/*
 * Decodes %XX, and + as space in a query. The caller frees the result. -EINVAL for a bad escape, a
 * control character or invalid UTF-8.
 */
int url_decode(const char *text, size_t size, bool is_query, char **ret) _nodiscard_;

/*
 * The decoded value of the first parameter `name` of a raw query, which the caller frees; NULL when
 * absent or malformed.
 */
char *url_query_get(const char *query, const char *name);
/* The same for the n-th occurrence of the name, from 0. */
char *url_query_get_nth(const char *query, const char *name, size_t n);
