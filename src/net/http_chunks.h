#pragma once

/*
 * Decodes a chunked request body (RFC 9112, section 7.1), in pieces of any size and without
 * sockets. It is stricter than the RFC, because a proxy in front may read a lax encoding in another
 * way and thus see other requests: lines end in CRLF, nothing but an extension follows the size, and
 * trailers must be well formed. Extensions and trailers are discarded; together they have
 * HTTP_CHUNKS_SPARE_MAX bytes, so that a body cannot consist mostly of them.
 */

#include "base/buf.h"
#include <stddef.h>
#include <stdint.h>

#define HTTP_CHUNKS_SPARE_MAX ((size_t)4096)

enum http_chunks_result {
    HTTP_CHUNKS_MORE, /* all of the input is taken, the body is incomplete */
    HTTP_CHUNKS_END,
    HTTP_CHUNKS_MALFORMED,
    HTTP_CHUNKS_TOO_LARGE, /* the body passes the maximum of its buffer */
};

enum http_chunks_state {
    CHUNKS_SIZE,
    CHUNKS_EXTENSION,
    CHUNKS_SIZE_END,
    CHUNKS_DATA,
    CHUNKS_DATA_CR,
    CHUNKS_DATA_END,
    CHUNKS_TRAILER,
    CHUNKS_TRAILER_NAME,
    CHUNKS_TRAILER_VALUE,
    CHUNKS_TRAILER_END,
    CHUNKS_LAST_END,
};

/* Zeroed: at the begin of a body. */
struct http_chunks {
    enum http_chunks_state state;
    uint64_t left;   /* bytes of the chunk to come; in CHUNKS_SIZE its size so far */
    size_t n_digits; /* of the size */
    size_t n_spare;  /* bytes of extensions and trailers so far */
};

/* Appends the data of chunks to `body`; *ret_used is the part of the input that was taken. */
enum http_chunks_result http_chunks_take(struct http_chunks *d,
                                         const char *data,
                                         size_t size,
                                         size_t *ret_used,
                                         struct buf *body) _nodiscard_;
