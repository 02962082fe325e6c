#pragma once

/*
 * A request as the HTTP server hands it to its handler. It borrows everything from its connection
 * and is valid until the handler's function returns; across an await the handler keeps the id
 * alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_head;

struct http_request {
    uint64_t id;        /* never 0, never used again */
    const char *method; /* "GET", "POST", ...; static */
    const char *path;   /* decoded, starts with '/'; no NUL, control character, ".." or "//" */
    const char *query;  /* raw text after '?', or "" */
    const char *body;   /* NUL-terminated */
    size_t body_size;
    const char *peer; /* client IP as text */
    const char *host; /* NULL: server/auth/front.h sets it */
    bool is_tls;
    const struct http_head *head;
};

/* The value of a header, in any case; the first one of several; NULL when absent. */
const char *http_request_header(const struct http_request *r, const char *name);
/* Decoded values, which the caller frees; NULL when absent. */
char *http_request_cookie(const struct http_request *r, const char *name);
/* All headers of a name whose value is a list, which may be divided, joined by commas. */
char *http_request_list(const struct http_request *r, const char *name);
/*
 * RFC 9110, 12.5.3: gzip is accepted if Accept-Encoding lists it without a weight of 0. "*" is
 * ignored.
 */
bool http_request_accepts_gzip(const struct http_request *r);
/* As http_request_cookie(), for the n-th cookie of this name, from 0: a client may send several. */
char *http_request_cookie_at(const struct http_request *r, const char *name, size_t n);
char *http_request_query(const struct http_request *r, const char *name);
