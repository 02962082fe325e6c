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
 * Decodes %XX, and + as space in a query. The result is to be freed. -EINVAL for a bad escape, and for
 * what would decode to a control character or to no valid UTF-8.
 */
int url_decode(const char *text, size_t size, bool is_query, char **ret) _nodiscard_;

/* The value of the first parameter `name` of a raw query, decoded, to be freed; NULL when absent or malformed. */
char *url_query_get(const char *query, const char *name);
