#pragma once

/*
 * The head of an HTTP/1.1 request, from its bytes to checked fields; without sockets. Strict: a
 * head that is ambiguous is refused, because two programs on the way could disagree about its
 * meaning. Refused are:
 *
 * - lines that do not end in CRLF, NUL and control characters, continuation lines, blanks before a
 *   colon
 * - a second field of a kind that decides the meaning of the request (host, content-length, ...)
 * - Transfer-Encoding beside Content-Length or from HTTP/1.0 (400), and any coding but "chunked" (501)
 * - a WebSocket handshake with a body
 * - paths that decode to control characters, backslashes, invalid UTF-8, empty or dot segments
 * - an absolute target ("GET http://host/path") of another host than Host
 * - TRACE and CONNECT (405), unknown methods (501), HTTP/1.1 without Host
 *
 * The handler gets the path decoded and the query raw; http_request.h has the access to fields.
 */

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX    ((size_t)16 * 1024)
#define HTTP_HEADERS_MAX 64

struct http_field {
    const char *name; /* as it came */
    const char *value;
};

struct http_head {
    char *text; /* the members below point into it */
    const char *method;
    char *path; /* decoded */
    /* The first slash of the path that was written "%2F", which other programs do not take for one;
     * NULL: none. */
    const char *escaped_slash;
    const char *authority; /* of an absolute target, or NULL */
    const char *query;
    bool is_keep_alive; /* the client would like to send more */
    bool is_old;        /* HTTP/1.0: knows no chunks */
    bool has_expect;    /* it waits for "100 Continue" */
    bool is_websocket;  /* an upgrade to WebSocket is asked for */
    bool is_chunked;    /* the body comes in chunks: http_chunks.h */
    uint64_t body_size; /* 0 if it is chunked */
    size_t n_fields;
    struct http_field fields[HTTP_HEADERS_MAX];
};

/*
 * Searches the input so far for the end of a head; *scanned remembers how far earlier calls came.
 * Returns the size of the head including its empty line, 0 while it is incomplete, or negative:
 * -EBADMSG (a line that does not end in CRLF, a NUL), -EMSGSIZE.
 */
int http_head_find(const char *data, size_t size, size_t *scanned) _nodiscard_;

/* The status of a response's head, 100 to 999; 0: it does not begin with a status line of HTTP/1. */
unsigned http_head_status(const char *head) _nodiscard_;

/*
 * Parses one head of `size` bytes. Returns 0, or the HTTP status to refuse it with, and *ret_why.
 * The caller passes `h` to http_head_done() either way.
 */
int http_head_parse(struct http_head *h, const char *data, size_t size, const char **ret_why)
    _nodiscard_;
void http_head_done(struct http_head *h);

/* The first field of the name; NULL: absent. */
const char *http_head_find_field(const struct http_head *h, const char *name);
/* The n-th field of the name, from 0: fields that are lists may come in several lines. */
const char *http_head_find_field_at(const struct http_head *h, const char *name, size_t n);
/* A character of a field's name (RFC 9110, section 5.6.2). */
bool http_head_is_token_char(char c);
